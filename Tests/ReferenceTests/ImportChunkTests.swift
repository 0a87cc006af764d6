import Domain
import Primitives
import Protobuf
import Testing
import TrellisAPI

@testable import Reference

@Suite("Chunks of an import")
struct ImportChunkTests {
    static func concept(_ code: String, _ kind: ConceptKind = .sdgTarget, parent: ConceptKey? = nil) -> Concept {
        Concept(kind: kind, code: code, name: "name of \(code)", parent: parent)
    }

    static func edge(_ kind: EdgeKind, _ source: String, _ target: String, framework: String = "") -> Edge {
        Edge(
            kind: kind,
            source: ConceptKey(kind: .indicator, code: source),
            target: ConceptKey(framework: framework, kind: .indicator, code: target)
        )
    }

    /// The fields that are refused.
    static func refused(concepts: [Concept] = [], edges: [Edge] = []) -> [String] {
        do {
            _ = try ImportChunk(ImportReleaseRequest(concepts: concepts, edges: edges), framework: "sdg")
            return []
        } catch {
            guard case .invalid(let violations) = error else { return ["\(error)"] }
            return violations.map(\.field)
        }
    }

    @Test("a parent becomes a CHILD edge")
    func parents() throws {
        let target = Self.concept("1.1", parent: ConceptKey(kind: .sdgGoal, code: "1"))
        let chunk = try ImportChunk(
            ImportReleaseRequest(
                concepts: [Self.concept("1", .sdgGoal), target],
                edges: [Self.edge(.related, "a", "b")]
            ),
            framework: "sdg"
        )
        #expect(chunk.edges.map(\.kind) == [.related, .child])
        #expect(chunk.edges[1].source == ConceptKey(kind: .sdgGoal, code: "1"))
        #expect(chunk.edges[1].target == ConceptKey(kind: .sdgTarget, code: "1.1"))
    }

    @Test("records that stand twice in a chunk are named by their places")
    func duplicates() {
        #expect(Self.refused(concepts: [Self.concept("1"), Self.concept("2"), Self.concept("1")]) == ["concepts[2]"])
        #expect(Self.refused(concepts: [Self.concept("1"), Self.concept("1", .sdgIndicator)]) == [])
        let edges = [Self.edge(.related, "a", "b"), Self.edge(.related, "a", "b", framework: "sdg")]
        #expect(Self.refused(edges: edges) == ["edges[1]"])
        #expect(Self.refused(edges: [Self.edge(.related, "a", "b"), Self.edge(.measures, "a", "b")]) == [])
    }

    @Test("what cannot be is refused by field")
    func impossible() {
        let parent = ConceptKey(framework: "iris", kind: .sdgGoal, code: "1")
        #expect(Self.refused(concepts: [Self.concept("1.1", parent: parent)]) == ["concepts[0].parent.framework"])
        let own = ConceptKey(kind: .sdgTarget, code: "1.1")
        #expect(Self.refused(concepts: [Self.concept("1.1", parent: own)]) == ["concepts[0].parent"])
        #expect(Self.refused(concepts: [Self.concept("1", .unrecognized(77))]) == ["concepts[0].kind"])
        var labelled = Self.concept("1")
        labelled.labels = [Label(language: "es", name: "a"), Label(language: "es", name: "b")]
        #expect(Self.refused(concepts: [labelled]) == ["concepts[0].labels[1].language"])
        #expect(Self.refused(edges: [Self.edge(.child, "a", "b")]) == ["edges[0].kind"])
        var strong = Self.edge(.related, "a", "b")
        strong.strength = .nan
        #expect(Self.refused(edges: [strong]) == ["edges[0].strength"])
        strong.strength = 1
        strong.source?.framework = "iris"
        #expect(Self.refused(edges: [strong]) == ["edges[0].source.framework"])
    }

    @Test("of many wrong records the first are named and the rest counted")
    func many() {
        let fields = Self.refused(concepts: Array(repeating: Self.concept("1"), count: 500))
        #expect(fields.count == ReferenceLimits.namedRecords + 1)
    }

    @Test("what the release had already is named by its place")
    func already() throws {
        let chunk = try ImportChunk(
            ImportReleaseRequest(concepts: [Self.concept("1"), Self.concept("2")]),
            framework: "sdg"
        )
        #expect(throws: Never.self) {
            try chunk.checkNew([ConceptName(kind: 9, code: "2"), ConceptName(kind: 9, code: "1")])
        }
        let error = #expect(throws: DomainError.self) { try chunk.checkNew([ConceptName(kind: 9, code: "1")]) }
        #expect(error == .invalid("concepts[1]", "SDG target \"2\" is in the release already"))
    }

    @Test("a concept's id is made of its tenant, framework, kind and code, and nothing else")
    func identity() {
        let address = ConceptAddress(framework: "sdg", kind: 9, code: "1.1")
        let id = address.id(tenant: .zero)
        #expect(id.version == 8 && id == address.id(tenant: .zero))
        #expect(id.text == "d811b21b-76c2-88b4-adbf-7b6efb68271d")
        #expect(id != address.id(tenant: .v7()))
        #expect(id != ConceptAddress(framework: "sdg", kind: 91, code: ".1").id(tenant: .zero))
    }

    @Test("labels are kept in the order of their languages, whatever the source's order")
    func labels() {
        let labels = [Label(language: "fr", name: "é\"", description: "d"), Label(language: "es", name: "ñ")]
        let json = ConceptLabels.json(labels)
        #expect(ConceptLabels.labels(json) == [labels[1], labels[0]])
        #expect(json == ConceptLabels.json(labels.reversed()))
    }
}
