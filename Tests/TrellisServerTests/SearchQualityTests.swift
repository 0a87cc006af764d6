import Glibc
import Protobuf
import Testing
import TrellisAPI

/// How well searches find what people judged to be relevant, by the measures of trec_eval.
@Suite(
    "Quality of search",
    .enabled(if: SharedData.exists, "SKIPPED: ../shared/data is not there")
)
struct SearchQualityTests {
    // BM25 of the reference runs reaches .510 and .695 (shared/data/README.md): ours must not be worse.
    @Test("nDCG@10 is that of BM25 at least", arguments: [("ir-cranfield", 0.51), ("ir-med", 0.695)])
    func ndcg(collection: String, least: Double) async throws {
        try await TestServer.with { server in
            let (_, key) = try await server.tenant("acme")
            let base = try await SearchStoryTests.base(server, key)
            let names = try await Self.load(collection, into: base, server, key)
            let reached = try await Self.measure(collection, names, server, key)
            print("\(collection): nDCG@10 \(reached)")
            #expect(reached >= least)
        }
    }

    /// Loads a collection; answers with its own name of each document.
    static func load(
        _ collection: String,
        into base: String,
        _ server: TestServer,
        _ key: String
    ) async throws -> [String: String] {
        var names: [String: String] = [:]
        let documents = try SharedData.lines("\(collection)/docs.jsonl").map { try JSONValue(parsing: $0) }
        for start in stride(from: 0, to: documents.count, by: 100) {
            let part = documents[start..<min(start + 100, documents.count)]
            let request = BatchCreateDocumentsRequest(
                knowledgeBaseID: base,
                documents: part.map { document in
                    let title = document["title"]?.text ?? ""
                    return NewDocument(title: title.isEmpty ? "-" : title, content: document["text"]?.text ?? "")
                }
            )
            let made: BatchCreateDocumentsResponse = try await server.search("BatchCreateDocuments", request, key)
            for (document, own) in zip(made.documents, part) { names[document.id] = own["id"]?.text }
        }
        return names
    }

    /// The mean over the queries that have a relevant document.
    static func measure(
        _ collection: String,
        _ names: [String: String],
        _ server: TestServer,
        _ key: String
    ) async throws -> Double {
        var relevant: [String: Set<String>] = [:]
        for line in try SharedData.lines("\(collection)/qrels.tsv").dropFirst() {
            let cells = line.split(separator: "\t").map(String.init)
            if cells[2] != "0" { relevant[cells[0], default: []].insert(cells[1]) }
        }
        var (sum, count) = (0.0, 0.0)
        for line in try SharedData.lines("\(collection)/queries.jsonl") {
            let query = try JSONValue(parsing: line)
            guard let wanted = relevant[query["id"]?.text ?? ""], let text = query["text"]?.text else { continue }
            sum += Self.ndcg10(of: try await rank(text, names, server, key), wanted)
            count += 1
        }
        return sum / count
    }

    /// The best documents, each at its best chunk; 30 hits hold ten documents and more.
    static func rank(
        _ text: String,
        _ names: [String: String],
        _ server: TestServer,
        _ key: String
    ) async throws -> [String] {
        let page: SearchResponse = try await server.search(
            "Search",
            SearchRequest(query: text, kinds: [.chunk], pageSize: 30),
            key
        )
        var ranked: [String] = []
        for hit in page.hits {
            let name = names[hit.documentID] ?? ""
            if !ranked.contains(name) { ranked.append(name) }
        }
        return ranked
    }

    /// The normalized discounted cumulative gain of the first ten.
    static func ndcg10(of ranked: [String], _ wanted: Set<String>) -> Double {
        func gain(_ place: Int) -> Double { 1 / log2(Double(place + 2)) }
        let ideal = (0..<min(10, wanted.count)).reduce(0.0) { $0 + gain($1) }
        let found = ranked.prefix(10).enumerated().filter { wanted.contains($0.element) }
        return found.reduce(0.0) { $0 + gain($1.offset) } / ideal
    }
}
