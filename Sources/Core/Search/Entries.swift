public import Domain
internal import Postgres
public import Primitives

/// A text to be found.
public struct NewEntry: Sendable, Equatable {
    /// What the text is of.
    public enum Origin: Sendable, Equatable {
        /// A piece of a document: its place and its range of the content in code points.
        case chunk(document: UUID, position: Int32, range: Range<Int>)
        /// A reference concept in one of its languages; kind is the number of its ConceptKind.
        case concept(id: UUID, framework: String, kind: Int32, code: String)
    }

    /// What the text is of.
    public var origin: Origin
    /// The language of the text.
    public var language: String
    /// The title, searched together with the body.
    public var title: String
    /// The text itself.
    public var body: String
    /// How often each word stands in title and body.
    public var counts: [String: Int32]

    /// A piece of a document.
    public init(
        document: UUID,
        position: Int32,
        range: Range<Int>,
        language: String,
        title: String,
        body: String,
        counts: [String: Int32]
    ) {
        origin = .chunk(document: document, position: position, range: range)
        self.language = language
        self.title = title
        self.body = body
        self.counts = counts
    }

    /// A reference concept. It is found by its code, too. Without a description the name is the body.
    public init(
        concept id: UUID,
        framework: String,
        kind: Int32,
        code: String,
        language: String,
        name: String,
        description: String
    ) {
        origin = .concept(id: id, framework: framework, kind: kind, code: code)
        self.language = language
        title = name
        body = description.isEmpty ? name : description
        counts = WordCounts.of(code, name, description)
    }
}

/// Counts words.
enum WordCounts {
    /// How often each word stands in the texts.
    static func of(_ texts: String...) -> [String: Int32] {
        var counts: [String: Int32] = [:]
        for text in texts { add(Tokenizer.words(in: text)[...], to: &counts) }
        return counts
    }

    static func add(_ words: ArraySlice<Tokenizer.Word>, to counts: inout [String: Int32]) {
        for word in words { counts[word.text, default: 0] += 1 }
    }
}

/// What is found: the entries of collections, written and removed in the caller's transaction.
public enum Entries {
    /// Adds concepts of a release.
    public static func add(concepts: [NewEntry], release: UUID, _ work: Work) async throws {
        try await add(concepts, kind: EntryKind.concept, collection: release, work)
    }

    /// Removes all concepts of a release.
    public static func remove(release: UUID, _ work: Work) async throws {
        _ = try await work.transaction.run(EntryDeleteByRelease(tenantID: work.scope.tenant, releaseID: release))
    }

    /// Adds chunks of documents of a knowledge base.
    static func add(chunks: [NewEntry], knowledgeBase: UUID, _ work: Work) async throws {
        try await add(chunks, kind: EntryKind.chunk, collection: knowledgeBase, work)
    }

    private static func add(_ entries: [NewEntry], kind: Int32, collection: UUID, _ work: Work) async throws {
        var rest = entries[...]
        while !rest.isEmpty {
            let part = rest.prefix(SearchLimits.entriesPerInsert)
            rest = rest.dropFirst(part.count)
            _ = try await work.transaction.run(
                EntryInsert(part, tenant: work.scope.tenant, collection: collection, kind: kind)
            )
        }
    }

    /// The slot of the statistics that a transaction adds to: by chance, so that two seldom want the same.
    static var slot: Int32 { Int32(UUID.v4().low % SearchLimits.statisticsSlots) }
}

/// The kinds of entries, as the database has them; the numbers of HitKind.
enum EntryKind {
    static let chunk: Int32 = 1
    static let concept: Int32 = 2
}

extension EntryInsert {
    /// The columns of some entries.
    fileprivate init(_ entries: ArraySlice<NewEntry>, tenant: UUID, collection: UUID, kind: Int32) {
        var wordEntries: [Int32] = []
        var words: [String] = []
        var wordCounts: [Int32] = []
        for (place, entry) in entries.enumerated() {
            for (word, count) in entry.counts {
                wordEntries.append(Int32(place + 1))
                words.append(word)
                wordCounts.append(count)
            }
        }
        let chunks = entries.map(\.origin.chunk)
        let concepts = entries.map(\.origin.concept)
        self.init(
            entryIDs: entries.map { _ in .v7() }.sorted(),
            languages: entries.map(\.language),
            stemLanguages: entries.map { StemLanguage.of($0.language) },
            titles: entries.map(\.title),
            bodies: entries.map(\.body),
            documentIDs: chunks.map { $0?.document ?? .zero },
            positions: chunks.map { $0?.position ?? 0 },
            rangeStarts: chunks.map { Int32($0?.range.lowerBound ?? 0) },
            rangeEnds: chunks.map { Int32($0?.range.upperBound ?? 0) },
            conceptIDs: concepts.map { $0?.id ?? .zero },
            conceptFrameworks: concepts.map { $0?.framework ?? "" },
            conceptKinds: concepts.map { $0?.kind ?? 0 },
            conceptCodes: concepts.map { $0?.code ?? "" },
            wordEntries: wordEntries,
            words: words,
            wordCounts: wordCounts,
            tenantID: tenant,
            collectionID: collection,
            kind: kind,
            slot: Entries.slot
        )
    }
}

extension NewEntry.Origin {
    fileprivate var chunk: (document: UUID, position: Int32, range: Range<Int>)? {
        guard case .chunk(let document, let position, let range) = self else { return nil }
        return (document, position, range)
    }

    fileprivate var concept: (id: UUID, framework: String, kind: Int32, code: String)? {
        guard case .concept(let id, let framework, let kind, let code) = self else { return nil }
        return (id, framework, kind, code)
    }
}
