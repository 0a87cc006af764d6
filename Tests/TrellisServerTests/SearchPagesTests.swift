import Domain
import Postgres
import Primitives
import Search
import TestSupport
import Testing
import TrellisAPI

@Suite("Pages of a search, and what PostgreSQL does for it")
struct SearchPagesTests {
    static let words = ["water", "energy", "school", "health", "farm", "soil", "river", "light", "girl", "work"]

    /// Documents of few words, so that many have equal scores.
    static func batch(_ seed: inout SystemRandomNumberGenerator, _ base: String, count: Int)
        -> BatchCreateDocumentsRequest
    {
        let documents = (0..<count).map { index in
            let length = Int.random(in: 1...12, using: &seed)
            let content = (0..<length).map { _ in words.randomElement(using: &seed) ?? "" }.joined(separator: " ")
            return NewDocument(title: "d\(index)", content: content)
        }
        return BatchCreateDocumentsRequest(knowledgeBaseID: base, documents: documents)
    }

    static func create(_ server: TestServer, _ key: String, _ base: String, count: Int) async throws -> [Document] {
        var seed = SystemRandomNumberGenerator()
        let made: BatchCreateDocumentsResponse = try await server.search(
            "BatchCreateDocuments",
            batch(&seed, base, count: count),
            key
        )
        return made.documents
    }

    @Test("small pages put together are one big page, while others write and delete", arguments: [1, 7])
    func concatenation(size: Int32) async throws {
        try await TestServer.with { server in
            let (_, key) = try await server.tenant("acme")
            let base = try await SearchStoryTests.base(server, key)
            let documents = try await Self.create(server, key, base, count: size == 1 ? 25 : 90)
            let query = "water energy school river"
            let whole: SearchResponse = try await server.search(
                "Search",
                SearchRequest(query: query, pageSize: 100),
                key
            )
            #expect(whole.nextPageToken.isEmpty && whole.totalSize == Int64(whole.hits.count))
            var deleted: Set<String> = []
            var pages: [Hit] = []
            var token = ""
            repeat {
                let request = SearchRequest(query: query, pageSize: size, pageToken: token)
                let page: SearchResponse = try await server.search("Search", request, key)
                #expect(page.totalSize == whole.totalSize)
                #expect(page.hits.allSatisfy { !deleted.contains($0.documentID) })
                pages += page.hits
                token = page.nextPageToken
                // What is made now would rank among the hits that are still to come.
                _ = try await Self.create(server, key, base, count: 3)
                let rest = whole.hits.filter { !deleted.contains($0.documentID) && !pages.contains($0) }
                if let victim = rest.last, rest.count.isMultiple(of: 3) {
                    _ = try await server.search(
                        "DeleteDocument",
                        DeleteDocumentRequest(id: victim.documentID),
                        key,
                        as: DeleteDocumentResponse.self
                    )
                    deleted.insert(victim.documentID)
                }
            } while !token.isEmpty
            let expected = whole.hits.filter { !deleted.contains($0.documentID) }
            #expect(pages == expected)
            #expect(documents.count > pages.count, "some documents have none of the words")
        }
    }

    @Test("a search finds its postings by equality in their index, as the server's role")
    func plan() async throws {
        try await TestServer.with { server in
            let (tenant, key) = try await server.tenant("acme")
            let base = try await SearchStoryTests.base(server, key)
            for _ in 0..<20 { _ = try await Self.create(server, key, base, count: 100) }
            try await server.database.execute("ANALYZE trellis.search_posting; ANALYZE trellis.search_entry")
            try await onServer(server) { database in
                let id = try #require(UUID(tenant.id))
                let first = SearchFirst(
                    tenantID: id,
                    chunks: true,
                    knowledgeBaseIDs: [],
                    releaseTenantIDs: [],
                    releaseIDs: [],
                    words: ["water", "river"],
                    count: 21
                )
                let next = SearchNext(
                    tenantID: id,
                    chunks: true,
                    knowledgeBaseIDs: [],
                    releaseTenantIDs: [],
                    releaseIDs: [],
                    terms: ["en:river", "en:water"],
                    termEntries: [700, 700],
                    corpusEntries: 2000,
                    corpusWords: 13_000,
                    snapshot: "10:10:",
                    afterScore: 1_000_000,
                    afterEntryID: .zero,
                    count: 21
                )
                let settings = Scope.settings(tenant: id)
                for plan in [
                    try await database.run(Explained(first), settings),
                    try await database.run(Explained(next), settings),
                ] {
                    let text = plan.joined(separator: "\n")
                    #expect(text.contains("using search_posting_pkey on search_posting"), "\(text)")
                    #expect(text.contains("Index Cond:") && text.contains("(term = "), "\(text)")
                    #expect(!text.contains("Seq Scan on search_posting"), "\(text)")
                }
                let role = try await database.run(Explained(first), SessionSettings.none).joined()
                #expect(!role.isEmpty)
            }
        }
    }

    private func onServer(_ server: TestServer, _ body: (Database) async throws -> Void) async throws {
        try await server.database.withServer { try await body($0) }
    }
}

/// The plan of another statement.
private struct Explained<Inner: Statement>: Statement {
    static var name: String { "Explain\(Inner.name)" }
    static var sql: String { "EXPLAIN \(Inner.sql)" }
    let inner: Inner

    init(_ inner: Inner) { self.inner = inner }

    func bind(_ parameters: inout Parameters) { inner.bind(&parameters) }

    static func decode(_ result: borrowing QueryResult) throws(PostgresError) -> [String] {
        try result.rows { row throws(PostgresError) in try row.text(0) }
    }
}
