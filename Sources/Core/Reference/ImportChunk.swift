internal import Domain
internal import Primitives
internal import Protobuf
internal import TrellisAPI

/// One chunk of an import, checked by itself and laid out in columns. Pure: what the database holds already is checked
/// when the columns go in.
struct ImportChunk {
    /// The concepts in the order of the request.
    let concepts: [Concept]
    /// The edges of the request, then the CHILD edges that the concepts' parents make.
    let edges: [Edge]
    private let framework: String

    /// Checks a chunk of a release of `framework`.
    ///
    /// Throws ``DomainError/invalid(_:)`` with each record that cannot be, by its place in the request.
    init(_ request: ImportReleaseRequest, framework: String) throws(DomainError) {
        var violations: [FieldViolation] = []
        Self.check(request.concepts, framework, &violations)
        Self.check(request.edges, framework, &violations)
        guard violations.isEmpty else { throw .invalid(violations.named) }
        self.framework = framework
        concepts = request.concepts
        edges = request.edges + request.concepts.compactMap(Self.childEdge)
    }

    /// The address of a concept of this chunk.
    func address(_ concept: Concept) -> ConceptAddress {
        ConceptAddress(framework: framework, kind: concept.kind.rawValue, code: concept.code)
    }

    /// The framework that an edge of this chunk leads to.
    func targetFramework(_ edge: Edge) -> String {
        edge.target.flatMap { $0.framework.isEmpty ? nil : $0.framework } ?? framework
    }

    // MARK: Rules

    private static func check(_ concepts: [Concept], _ framework: String, _ violations: inout [FieldViolation]) {
        var seen: [ConceptAddress: Int] = [:]
        for (index, concept) in concepts.enumerated() {
            let field = "concepts[\(index)]"
            checkKind(concept.kind, "\(field).kind", &violations)
            let address = ConceptAddress(framework: framework, kind: concept.kind.rawValue, code: concept.code)
            if let first = seen.updateValue(index, forKey: address) {
                violations.add(field, "\(concept.kind.words) \"\(concept.code)\" is also concepts[\(first)]")
            }
            if let parent = concept.parent { check(parent, of: concept, framework, "\(field).parent", &violations) }
            var languages: Set<String> = []
            for (place, label) in concept.labels.enumerated() where !languages.insert(label.language).inserted {
                violations.add(
                    "\(field).labels[\(place)].language",
                    "\"\(label.language)\" has a label already; one a language"
                )
            }
        }
    }

    private static func check(
        _ parent: ConceptKey,
        of concept: Concept,
        _ framework: String,
        _ field: String,
        _ violations: inout [FieldViolation]
    ) {
        checkKind(parent.kind, "\(field).kind", &violations)
        if !parent.framework.isEmpty, parent.framework != framework {
            violations.add(
                "\(field).framework",
                "\"\(parent.framework)\" is another framework; a parent belongs to \"\(framework)\", use an edge"
            )
        }
        if parent.kind == concept.kind, parent.code == concept.code {
            violations.add(field, "\(concept.kind.words) \"\(concept.code)\" cannot be its own parent")
        }
    }

    private static func check(_ edges: [Edge], _ framework: String, _ violations: inout [FieldViolation]) {
        var seen: [EdgeAddress: Int] = [:]
        for (index, edge) in edges.enumerated() {
            let field = "edges[\(index)]"
            let (source, target) = (edge.source ?? ConceptKey(), edge.target ?? ConceptKey())
            if edge.kind == .child {
                violations.add("\(field).kind", "CHILD edges are made of Concept.parent: set that")
            } else if !edge.kind.isKnown {
                violations.add("\(field).kind", "\(edge.kind.words) cannot be imported; choose one of EdgeKind")
            }
            checkKind(source.kind, "\(field).source.kind", &violations)
            checkKind(target.kind, "\(field).target.kind", &violations)
            if !source.framework.isEmpty, source.framework != framework {
                violations.add(
                    "\(field).source.framework",
                    "\"\(source.framework)\" is another framework; an edge begins in \"\(framework)\""
                )
            }
            if let strength = edge.strength, !(0...1).contains(strength) {
                violations.add("\(field).strength", "\(strength) is not from 0 to 1")
            }
            let address = EdgeAddress(
                source: ConceptAddress(source, framework: framework),
                kind: edge.kind.rawValue,
                target: ConceptAddress(target, framework: framework)
            )
            if let first = seen.updateValue(index, forKey: address) {
                violations.add(field, "\(address.words) is also edges[\(first)]")
            }
        }
    }

    private static func checkKind(_ kind: ConceptKind, _ field: String, _ violations: inout [FieldViolation]) {
        guard !kind.isKnown else { return }
        violations.add(field, "\(kind.words) cannot be imported; choose one of ConceptKind")
    }

    private static func childEdge(_ concept: Concept) -> Edge? {
        guard let parent = concept.parent else { return nil }
        return Edge(
            kind: .child,
            source: ConceptKey(kind: parent.kind, code: parent.code),
            target: ConceptKey(kind: concept.kind, code: concept.code)
        )
    }
}

/// What names an edge within a release.
struct EdgeAddress: Hashable {
    var source: ConceptAddress
    var kind: Int32
    var target: ConceptAddress

    /// How messages to people name the edge, such as `MEASURES indicator "OI1" -> sdg SDG goal "1"`.
    var words: String {
        let (from, to) = (ConceptKind(rawValue: source.kind).words, ConceptKind(rawValue: target.kind).words)
        let framework = target.framework == source.framework ? "" : "\(target.framework) "
        return "\(EdgeKind(rawValue: kind).words) \(from) \"\(source.code)\" -> \(framework)\(to) \"\(target.code)\""
    }
}

extension [FieldViolation] {
    /// Adds a violation.
    mutating func add(_ field: String, _ reason: String) { append(FieldViolation(field: field, reason: reason)) }

    /// The first violations; of more, the last one says how many there are.
    var named: [FieldViolation] {
        guard count > ReferenceLimits.namedRecords else { return self }
        let rest = FieldViolation(
            field: self[ReferenceLimits.namedRecords].field,
            reason: "this and \(count - ReferenceLimits.namedRecords - 1) other records are wrong too"
        )
        return Array(prefix(ReferenceLimits.namedRecords)) + [rest]
    }
}
