import Domain
import Primitives
import Testing

@testable import Reference

@Suite("Walks")
struct WalkTests {
    static func address(_ code: String) -> ConceptAddress { ConceptAddress(framework: "f", kind: 1, code: code) }

    /// Walks a graph of codes to the end.
    static func walk(_ graph: [String: [String]], from start: String, depth: Int32) throws -> Walk {
        var walk = Walk(from: address(start))
        while walk.depth < depth, !walk.frontier.isEmpty {
            try walk.step(
                walk.frontier.flatMap { from in (graph[from.code] ?? []).map { (address($0), 1, from) } }
            )
        }
        return walk
    }

    @Test("each concept is reached once, on a shortest way, and cycles end")
    func cycles() throws {
        let graph = ["a": ["b", "c"], "b": ["d", "a"], "c": ["d", "c"], "d": ["a", "e"], "e": ["b"]]
        let walk = try Self.walk(graph, from: "a", depth: 10)
        #expect(walk.visits.map(\.address.code) == ["b", "c", "d", "e"])
        #expect(walk.visits.map(\.depth) == [1, 1, 2, 3])
        #expect(walk.visits.map(\.via.code) == ["a", "a", "b", "d"])
        #expect(walk.frontier.isEmpty)
    }

    @Test("a walk goes no deeper than it is asked to")
    func depth() throws {
        let chain = Dictionary(uniqueKeysWithValues: (0..<20).map { ("\($0)", ["\($0 + 1)"]) })
        #expect(try Self.walk(chain, from: "0", depth: 3).visits.count == 3)
    }

    @Test("one that reaches too many concepts is refused")
    func tooLarge() throws {
        let start = Self.address("start")
        var walk = Walk(from: start)
        let most = (0..<ReferenceLimits.walkConcepts).map { (Self.address("\($0)"), Int32(1), start) }
        try walk.step(most)
        #expect(walk.visits.count == ReferenceLimits.walkConcepts)
        let error = #expect(throws: DomainError.self) { try walk.step([(Self.address("more"), 1, start)]) }
        #expect(error?.reason == "TRAVERSAL_TOO_LARGE")
    }

    @Test("addresses are ordered by bytes, as the database orders them")
    func order() {
        let codes = ["10", "2", "A", "a", "á", "\u{1F600}", "\u{FF21}"]
        let sorted = codes.map(Self.address).sorted().map(\.code)
        #expect(sorted == codes.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) })
    }

    @Test("a view comes back out of a token as it was")
    func view() throws {
        let view = ReleaseView([VisibleRelease(framework: "sdg", tenantID: .zero, releaseID: .v7())])
            .replacing("iris", tenant: .v7(), release: .v7())
        var writer = PositionWriter()
        view.write(to: &writer)
        var reader = PositionReader(writer.bytes)
        #expect(try ReleaseView(&reader) == view)
    }
}
