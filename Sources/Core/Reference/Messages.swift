internal import Domain
internal import Primitives
internal import TrellisAPI

// Rows as the messages of the API, where a query cannot fill them itself.

extension ReleaseRow {
    var message: TrellisAPI.Release {
        TrellisAPI.Release(
            id: releaseID.text,
            framework: framework,
            version: version,
            title: title,
            licence: licence,
            attribution: attribution,
            sourceURI: sourceURI,
            language: language,
            danglingPolicy: DanglingPolicy(rawValue: danglingPolicy),
            expectedConcepts: zip(expectedConceptKinds, expectedConceptCounts).map {
                KindCount(kind: ConceptKind(rawValue: $0), count: $1)
            },
            expectedEdges: zip(expectedEdgeKinds, expectedEdgeCounts).map {
                EdgeCount(kind: EdgeKind(rawValue: $0), count: $1)
            },
            state: ReleaseState(rawValue: state),
            shared: tenantID == .zero,
            conceptCount: conceptCount,
            edgeCount: edgeCount,
            danglingEdgeCount: danglingEdgeCount,
            createTime: Timestamp(createTime),
            completeTime: completeTime.map { Timestamp($0) },
            activateTime: activateTime.map { Timestamp($0) }
        )
    }
}

extension TrellisAPI.Release {
    /// The row of a release that begins. Throws when an expectation names no kind, or one twice.
    func insert(id: UUID, tenant: UUID) throws(DomainError) -> ReleaseInsert {
        try Self.check(
            expectedConcepts.map(\.kind.rawValue),
            known: expectedConcepts.map(\.kind.isKnown),
            "expected_concepts"
        )
        try Self.check(expectedEdges.map(\.kind.rawValue), known: expectedEdges.map(\.kind.isKnown), "expected_edges")
        return ReleaseInsert(
            tenantID: tenant,
            releaseID: id,
            framework: framework,
            version: version,
            title: title,
            licence: licence,
            attribution: attribution,
            sourceURI: sourceURI,
            language: language.isEmpty ? "en" : language,
            danglingPolicy: danglingPolicy == .keep ? DanglingPolicy.keep.rawValue : DanglingPolicy.reject.rawValue,
            expectedConceptKinds: expectedConcepts.map(\.kind.rawValue),
            expectedConceptCounts: expectedConcepts.map(\.count),
            expectedEdgeKinds: expectedEdges.map(\.kind.rawValue),
            expectedEdgeCounts: expectedEdges.map(\.count)
        )
    }

    private static func check(_ kinds: [Int32], known: [Bool], _ field: String) throws(DomainError) {
        var seen: Set<Int32> = []
        for (index, kind) in kinds.enumerated() {
            if !known[index] {
                throw .invalid("release.\(field)[\(index)].kind", "\(kind) is no kind that can be counted")
            }
            guard seen.insert(kind).inserted else {
                throw .invalid("release.\(field)[\(index)].kind", "this kind is expected already; name each once")
            }
        }
    }
}

extension ConceptRow {
    var message: Concept {
        Concept(
            id: conceptID.text,
            framework: framework,
            releaseID: releaseID.text,
            kind: ConceptKind(rawValue: kind),
            code: code,
            name: name,
            description: description,
            attributesJSON: attributes,
            parent: ConceptKey(parentKind: parentKind, code: parentCode),
            labels: ConceptLabels.labels(labels),
            contentHash: Hex.encode(contentHash),
            retired: retired
        )
    }
}

extension ListedConcept {
    func message(_ release: ReleaseView.Entry) -> Concept {
        Concept(
            id: conceptID.text,
            framework: release.framework,
            releaseID: release.release.text,
            kind: ConceptKind(rawValue: kind),
            code: code,
            name: name,
            description: description,
            attributesJSON: attributes,
            parent: ConceptKey(parentKind: parentKind, code: parentCode),
            labels: ConceptLabels.labels(labels),
            contentHash: Hex.encode(contentHash)
        )
    }
}

extension ConceptKey {
    /// The parent that two columns name; nil at the top, where the kind is 0.
    fileprivate init?(parentKind: Int32, code: String) {
        guard parentKind != 0 else { return nil }
        self.init(kind: ConceptKind(rawValue: parentKind), code: code)
    }
}

extension EdgeRow {
    /// The edge of a release of `framework`.
    func message(framework: String) -> Edge {
        Edge(
            kind: EdgeKind(rawValue: kind),
            source: ConceptAddress(framework: framework, kind: sourceKind, code: sourceCode).key,
            target: ConceptAddress(framework: targetFramework, kind: targetKind, code: targetCode).key,
            rank: rank,
            strength: strength < 0 ? nil : strength,
            dangling: dangling
        )
    }
}
