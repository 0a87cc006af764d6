public import Domain
internal import Primitives
public import TrellisAPI

/// A search request, read and checked.
public struct SearchQuery: Sendable {
    /// The different words, in the form in which they are compared.
    let words: [String]
    let knowledgeBases: [UUID]
    /// The frameworks named; empty is all of them.
    public let frameworks: [String]
    /// Whether chunks of documents are looked for.
    let wantsChunks: Bool
    /// Whether reference concepts are looked for.
    public let wantsConcepts: Bool

    /// Reads a request. Throws ``DomainError/invalid(_:)`` that names the field.
    public init(_ request: SearchRequest) throws(DomainError) {
        var seen: Set<String> = []
        words = Tokenizer.words(in: request.query).map(\.text).filter { seen.insert($0).inserted }
        guard words.count <= SearchLimits.queryWords else {
            throw .invalid(
                "query",
                "it has \(words.count) different words; a search takes at most \(SearchLimits.queryWords)"
            )
        }
        var bases: [UUID] = []
        for (index, text) in request.knowledgeBaseIDs.enumerated() {
            let id = try UUID(text, field: "knowledge_base_ids[\(index)]")
            if !bases.contains(id) { bases.append(id) }
        }
        knowledgeBases = bases
        frameworks = request.frameworks
        for (index, kind) in request.kinds.enumerated() {
            guard kind == .chunk || kind == .concept else {
                throw .invalid("kinds[\(index)]", "\(kind.rawValue) is no kind of hit: choose CHUNK or CONCEPT")
            }
        }
        if request.kinds.isEmpty {
            let onlyFrameworks = bases.isEmpty && !request.frameworks.isEmpty
            let onlyBases = !bases.isEmpty && request.frameworks.isEmpty
            (wantsChunks, wantsConcepts) = (!onlyFrameworks, !onlyBases)
        } else {
            (wantsChunks, wantsConcepts) = (request.kinds.contains(.chunk), request.kinds.contains(.concept))
        }
    }

    /// The hits on a page that a request asks for; what is negative stays so and is refused by the page.
    public static func pageSize(_ requested: Int32) -> Int32 {
        requested == 0 ? Int32(SearchLimits.defaultHits) : min(requested, Int32(SearchLimits.maximumHits))
    }
}
