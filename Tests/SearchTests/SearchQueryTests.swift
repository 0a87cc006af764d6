import Domain
import Primitives
import Testing
import TrellisAPI

@testable import Search

@Suite("Reading a search")
struct SearchQueryTests {
    static let base = UUID.v7().text

    @Test("each different word counts once")
    func words() throws {
        #expect(try SearchQuery(SearchRequest(query: "Water, water & WÁTER energy")).words == ["water", "energy"])
        #expect(try SearchQuery(SearchRequest(query: "...")).words == [])
    }

    @Test("more words than a search takes are refused with their number")
    func tooMany() {
        let query = (0..<65).map { "w\($0)" }.joined(separator: " ")
        let error = #expect(throws: DomainError.self) { try SearchQuery(SearchRequest(query: query)) }
        #expect(error?.message.contains("65 different words") == true)
    }

    @Test("a filter of one kind looks for that kind, unless kinds are named")
    func kinds() throws {
        func kinds(_ request: SearchRequest) throws -> [Bool] {
            let query = try SearchQuery(request)
            return [query.wantsChunks, query.wantsConcepts]
        }
        #expect(try kinds(SearchRequest(query: "a")) == [true, true])
        #expect(try kinds(SearchRequest(query: "a", knowledgeBaseIDs: [Self.base])) == [true, false])
        #expect(try kinds(SearchRequest(query: "a", frameworks: ["sdg"])) == [false, true])
        #expect(
            try kinds(SearchRequest(query: "a", knowledgeBaseIDs: [Self.base], frameworks: ["sdg"])) == [true, true]
        )
        #expect(try kinds(SearchRequest(query: "a", frameworks: ["sdg"], kinds: [.chunk])) == [true, false])
        #expect(throws: DomainError.self) { try kinds(SearchRequest(query: "a", kinds: [.unrecognized(9)])) }
    }

    @Test("page sizes have the search's own default and limit")
    func pageSizes() {
        #expect([0, 5, 100, 1000, -1].map { SearchQuery.pageSize($0) } == [20, 5, 100, 100, -1])
    }

    @Test("what travels in a token comes back as it was")
    func token() throws {
        let hit = RankedEntry(
            score: 12_345_678,
            entryID: .v7(),
            collectionID: .zero,
            kind: 1,
            language: "en",
            title: "",
            body: "",
            documentID: .zero,
            position: 0,
            rangeStart: 0,
            rangeEnd: 0,
            conceptID: .zero,
            conceptFramework: "",
            conceptKind: 0,
            conceptCode: "",
            terms: ["en:water", "es:agu"],
            termEntries: [3, 900_000],
            corpusEntries: 1400,
            corpusWords: -1,
            total: 7,
            snapshot: "10:20:12,15"
        )
        let release = SearchedRelease(framework: "sdg", tenant: .zero, release: .v7())
        let ranking = try #require(Ranking(hit, releases: [release]))
        let bytes = ranking.position(after: hit)
        var reader = PositionReader(bytes)
        #expect(try Ranking(&reader) == ranking)
        #expect(try reader.number() == hit.score)
        #expect(try reader.id() == hit.entryID)
        for count in 0..<bytes.count {
            #expect(throws: DomainError.self) {
                var reader = PositionReader(Array(bytes.prefix(count)))
                _ = try Ranking(&reader)
                _ = try reader.number()
                _ = try reader.id()
            }
        }
    }

    @Test("a document's words are counted with its title's in each chunk")
    func prepared() {
        let content = ChunkerTests.sentence(150, "alpha") + ChunkerTests.sentence(150, "beta")
        let prepared = PreparedDocument(NewDocument(title: "Gamma alpha", content: content))
        #expect(prepared.chunks.map(\.counts) == [["gamma": 1, "alpha": 151], ["gamma": 1, "alpha": 1, "beta": 150]])
        #expect(prepared.chunks.map(\.text).joined() == content)
        let empty = PreparedDocument(NewDocument(title: "Gamma"))
        #expect(empty.chunks.map(\.counts) == [["gamma": 1]])
        #expect(
            PreparedDocument(NewDocument(title: "a", content: "b")).hash
                != PreparedDocument(NewDocument(title: "ab", content: "")).hash
        )
    }
}
