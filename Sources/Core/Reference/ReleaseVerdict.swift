internal import Domain
internal import TrellisAPI

/// Whether a release can be completed: what was found in it as a whole against what it must be. Pure.
struct ReleaseVerdict {
    /// The concepts of each kind.
    var concepts: [KindTotal]
    /// The edges of each kind.
    var edges: [KindTotal]
    /// Concepts whose parent is missing, at most ``limit`` of them.
    var orphans: [Orphan]
    /// Edges that begin nowhere, at most ``limit`` of them.
    var sourceless: [EdgeRow]
    /// Edges that lead nowhere, at most ``limit`` of them.
    var dangling: [EdgeRow]
    /// The number of edges that lead nowhere.
    var danglingCount: Int32

    /// How many records of each fault to look for: one more than are named, to know whether there are more.
    static let limit = Int32(ReferenceLimits.namedRecords + 1)

    /// Throws RELEASE_INVALID that names the records when the release cannot be completed.
    func check(_ release: ReleaseRow) throws(DomainError) {
        let faults = faults(of: release)
        guard !faults.isEmpty else { return }
        throw .failedPrecondition(
            .init(
                reason: "RELEASE_INVALID",
                subject: "releases/\(release.releaseID)",
                description: "\(release.framework) \(release.version) cannot be completed: "
                    + faults.joined(separator: "; ")
            )
        )
    }

    /// What is wrong, each fault in one phrase with its records; empty when all is well.
    func faults(of release: ReleaseRow) -> [String] {
        var faults: [String] = []
        if concepts.isEmpty { faults.append("it has no concepts") }
        faults += Self.miscounts(
            concepts,
            expected: zip(release.expectedConceptKinds, release.expectedConceptCounts),
            words: { "concepts of kind \(ConceptKind(rawValue: $0).words)" }
        )
        faults += Self.miscounts(
            edges,
            expected: zip(release.expectedEdgeKinds, release.expectedEdgeCounts),
            words: { "\(EdgeKind(rawValue: $0).words) edges" }
        )
        faults += Self.named(orphans, "concepts have a parent that is missing") { orphan in
            let (kind, parent) = (
                ConceptKind(rawValue: orphan.kind).words, ConceptKind(rawValue: orphan.parentKind).words
            )
            return "\(kind) \"\(orphan.code)\" (parent \(parent) \"\(orphan.parentCode)\")"
        }
        faults += Self.named(sourceless, "edges begin at a concept that is missing") { $0.words(in: release.framework) }
        if DanglingPolicy(rawValue: release.danglingPolicy) != .keep {
            faults += Self.named(dangling, "edges lead to a concept that is missing") {
                $0.words(in: release.framework)
            }
        }
        return faults
    }

    private static func miscounts(
        _ counts: [KindTotal],
        expected: some Sequence<(Int32, Int32)>,
        words: (Int32) -> String
    ) -> [String] {
        expected.compactMap { kind, number in
            let count = counts.first { $0.kind == kind }?.count ?? 0
            return count == number ? nil : "\(count) \(words(kind)) where \(number) are expected"
        }
    }

    private static func named<Record>(_ records: [Record], _ fault: String, words: (Record) -> String) -> [String] {
        guard !records.isEmpty else { return [] }
        let shown = records.prefix(ReferenceLimits.namedRecords).map(words).joined(separator: ", ")
        return ["\(fault): \(shown)\(records.count > ReferenceLimits.namedRecords ? ", and more" : "")"]
    }
}

extension EdgeRow {
    /// How messages to people name the edge.
    func words(in framework: String) -> String {
        EdgeAddress(
            source: ConceptAddress(framework: framework, kind: sourceKind, code: sourceCode),
            kind: kind,
            target: ConceptAddress(framework: targetFramework, kind: targetKind, code: targetCode)
        )
        .words
    }
}
