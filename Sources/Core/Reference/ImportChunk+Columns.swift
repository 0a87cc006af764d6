internal import Domain
internal import Primitives
internal import Protobuf
internal import TrellisAPI

/// A chunk in the columns of its bulk inserts, and what the inserts' answers mean.
extension ImportChunk {
    /// The insert of the concepts, which get the places after `first`.
    func conceptInsert(tenant: UUID, release: UUID, after first: Int32) -> ConceptInsert {
        ConceptInsert(
            kinds: concepts.map(\.kind.rawValue),
            codes: concepts.map(\.code),
            conceptIDs: concepts.map { address($0).id(tenant: tenant) },
            names: concepts.map(\.name),
            descriptions: concepts.map(\.description),
            attributes: concepts.map { $0.attributesJSON.isEmpty ? "{}" : $0.attributesJSON },
            parentKinds: concepts.map { $0.parent?.kind.rawValue ?? 0 },
            parentCodes: concepts.map { $0.parent?.code ?? "" },
            labels: concepts.map { ConceptLabels.json($0.labels) },
            tenantID: tenant,
            releaseID: release,
            firstOrdinal: first
        )
    }

    /// The insert of the edges.
    func edgeInsert(tenant: UUID, release: UUID) -> EdgeInsert {
        EdgeInsert(
            tenantID: tenant,
            releaseID: release,
            sourceKinds: edges.map { $0.source?.kind.rawValue ?? 0 },
            sourceCodes: edges.map { $0.source?.code ?? "" },
            kinds: edges.map(\.kind.rawValue),
            targetFrameworks: edges.map(targetFramework),
            targetKinds: edges.map { $0.target?.kind.rawValue ?? 0 },
            targetCodes: edges.map { $0.target?.code ?? "" },
            ranks: edges.map(\.rank),
            strengths: edges.map { $0.strength ?? -1 }
        )
    }

    /// Refuses concepts that the release had already, given those that were new.
    func checkNew(_ inserted: [ConceptName]) throws(DomainError) {
        guard inserted.count < concepts.count else { return }
        let new = Set(inserted.map { ConceptAddress(framework: "", kind: $0.kind, code: $0.code) })
        let old = concepts.enumerated().filter { _, concept in
            !new.contains(ConceptAddress(framework: "", kind: concept.kind.rawValue, code: concept.code))
        }
        throw .invalid(
            old.map { index, concept in
                .init(
                    field: "concepts[\(index)]",
                    reason: "\(concept.kind.words) \"\(concept.code)\" is in the release already"
                )
            }
            .named
        )
    }

    /// Refuses edges that the release had already, given those that were new.
    func checkNew(_ inserted: [EdgeName]) throws(DomainError) {
        guard inserted.count < edges.count else { return }
        let new = Set(inserted.map(\.address))
        let old = edges.enumerated().filter { _, edge in !new.contains(address(edge)) }
        throw .invalid(
            old.map { index, edge in
                .init(field: "edges[\(index)]", reason: "\(address(edge).words) is in the release already")
            }
            .named
        )
    }

    /// The texts to be searched, in the release's language and those of the labels.
    func texts(tenant: UUID, language: String) -> [ConceptText] {
        concepts.flatMap { concept in
            let id = address(concept).id(tenant: tenant)
            let own = Label(language: language, name: concept.name, description: concept.description)
            return ([own] + concept.labels).map { label in
                ConceptText(
                    conceptID: id,
                    framework: address(concept).framework,
                    kind: concept.kind.rawValue,
                    code: concept.code,
                    language: label.language,
                    name: label.name,
                    description: label.description
                )
            }
        }
    }

    private func address(_ edge: Edge) -> EdgeAddress {
        EdgeAddress(
            source: ConceptAddress(framework: "", kind: edge.source?.kind.rawValue ?? 0, code: edge.source?.code ?? ""),
            kind: edge.kind.rawValue,
            target: ConceptAddress(
                framework: targetFramework(edge),
                kind: edge.target?.kind.rawValue ?? 0,
                code: edge.target?.code ?? ""
            )
        )
    }
}

extension EdgeName {
    fileprivate var address: EdgeAddress {
        EdgeAddress(
            source: ConceptAddress(framework: "", kind: sourceKind, code: sourceCode),
            kind: kind,
            target: ConceptAddress(framework: targetFramework, kind: targetKind, code: targetCode)
        )
    }
}
