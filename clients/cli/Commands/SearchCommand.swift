import Protobuf
import RPC
import Terminal
import TrellisAPI
import TrellisClient

/// `trellis search`: words in, the best texts out.
enum SearchCommand {
    static let command = Command(
        name: "search",
        usage: "WORDS... [FLAGS]",
        summary: "Search documents and reference concepts, best first.",
        details: "'trellis search METHOD' with one of the methods of the search service calls that method; write "
            + "'trellis search -- WORDS' to search for such a word.",
        flags: [
            Flag("in", .repeated, placeholder: "NAME|ID", help: "Only search this knowledge base."),
            Flag("framework", .repeated, placeholder: "CODE", help: "Only search this framework, such as sdg."),
            Flag("limit", short: "n", placeholder: "N", help: "How many hits to show, 1 to 100. Default: 10."),
            Flag("page-token", placeholder: "TOKEN", help: "Show the page that follows an earlier one."),
        ],
        examples: ["trellis search access to clean water", "trellis search refund --in Handbook --limit 3"]
    ) { context in
        guard !context.words.isEmpty else { throw UsageError("what to search for? trellis search WORDS...") }
        var request = SearchRequest()
        request.query = context.words.joined(separator: " ")
        request.frameworks = context.parsed.all("framework")
        request.pageToken = context.parsed["page-token"] ?? ""
        request.pageSize = 10
        if let text = context.parsed["limit"] {
            guard let limit = Int32(text), (1...100).contains(limit) else {
                throw UsageError("--limit: '\(text)' is not a whole number from 1 to 100")
            }
            request.pageSize = limit
        }
        let response = try await context.withConnection { connection -> SearchResponse in
            for name in context.parsed.all("in") {
                guard let base = try await KnowledgeBases(connection: connection).find(name) else {
                    throw TrellisError(.notFound, "there is no knowledge base '\(name)'")
                }
                request.knowledgeBaseIDs.append(base.id)
            }
            return try await connection.unary(Methods.search, request, isIdempotent: true)
        }
        let view = SearchView(width: Terminal.width(.output), colours: Terminal.colours(.output))
        context.show(SearchView.json(response), view.lines(response))
        if !response.nextPageToken.isEmpty {
            context.note("there is more: --limit shows more at once, --json has the token of the next page")
        }
    }
}

/// Hits for people: the number, the title, where it is, and the part of the text that shows why it was found.
struct SearchView {
    let width: Int?
    let colours: Bool

    func lines(_ response: SearchResponse) -> [String] {
        if response.hits.isEmpty { return ["nothing found"] }
        var lines = response.hits.enumerated().flatMap { index, hit in self.lines(index + 1, hit) }
        let total = response.totalSize
        lines.append(
            "\(response.hits.count) of \(response.totalSizeEstimated ? "about " : "")\(total) \(total == 1 ? "hit" : "hits")"
        )
        return lines
    }

    private func lines(_ number: Int, _ hit: Hit) -> [String] {
        let room = (width ?? 100) - 4
        let what =
            hit.kind == .concept
            ? "\(hit.framework) \(hit.conceptCode)" : hit.chunkPosition > 0 ? "part \(hit.chunkPosition + 1)" : ""
        let title = DisplayWidth.printable(hit.title)
        let head = what.isEmpty ? title : "\(what)  \(title)"
        var lines = DisplayWidth.wrapped(head, to: room).prefix(3).enumerated().map { index, line in
            DisplayWidth.padded(index == 0 ? "\(number)." : "", to: 4) + bold(line)
        }
        if let snippet = hit.snippet, snippet.text != hit.title {
            lines += DisplayWidth.wrapped(marked(snippet), to: room).prefix(4).map { "    \($0)" }
        }
        return lines + [""]
    }

    /// The snippet with the words that were found in bold. Positions are counted in code points.
    private func marked(_ snippet: Snippet) -> String {
        let scalars = Array(snippet.text.unicodeScalars)
        guard colours else { return DisplayWidth.printable(snippet.text) }
        var text = ""
        var at = 0
        func append(_ end: Int, _ isMatch: Bool) {
            guard at < end, end <= scalars.count else { return }
            var part = String.UnicodeScalarView()
            part.append(contentsOf: scalars[at..<end])
            let safe = DisplayWidth.printable(String(part))
            text += isMatch ? bold(safe) : safe
            at = end
        }
        for match in snippet.matches where match.start >= at {
            append(Int(match.start), false)
            append(Int(match.end), true)
        }
        append(scalars.count, false)
        return text
    }

    private func bold(_ text: String) -> String { colours ? "\u{1B}[1m\(text)\u{1B}[0m" : text }

    static func json(_ response: SearchResponse) -> JSONValue {
        .object([
            ("hits", .array(response.hits.map(json))), ("totalSize", .number("\(response.totalSize)")),
            ("nextPageToken", .string(response.nextPageToken)),
        ])
    }

    private static func json(_ hit: Hit) -> JSONValue {
        var members: [(key: String, value: JSONValue)] = [
            ("kind", .string(hit.kind == .concept ? "concept" : "chunk")), ("score", .number("\(hit.score)")),
            ("title", .string(hit.title)), ("text", .string(hit.text)),
        ]
        if let snippet = hit.snippet { members.append(("snippet", .string(snippet.text))) }
        if hit.kind == .concept {
            members += [
                ("framework", .string(hit.framework)), ("conceptId", .string(hit.conceptID)),
                ("conceptCode", .string(hit.conceptCode)),
            ]
        } else {
            members += [
                ("knowledgeBaseId", .string(hit.knowledgeBaseID)), ("documentId", .string(hit.documentID)),
                ("chunkId", .string(hit.chunkID)),
            ]
        }
        return .object(members)
    }
}
