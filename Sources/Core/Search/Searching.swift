public import Domain
public import Postgres
internal import Primitives
public import TrellisAPI

/// Lexical search.
///
/// It runs on a connection of its own, so that one over much data holds nobody up, in one snapshot, under the deadline
/// of the call.
public enum Searching {
    /// Returns a page of hits.
    ///
    /// - Parameters:
    ///   - releases: the active releases that the caller reads, of the query's frameworks. Pages after the first go
    ///     on with those of the first.
    ///   - settings: the scope's, with the deadline of the call.
    public static func run(
        _ query: SearchQuery,
        _ page: Page,
        releases: [SearchedRelease],
        _ scope: Scope,
        _ settings: SessionSettings,
        _ database: Database
    ) async throws -> SearchResponse {
        try check(query, releases)
        return try await database.transaction(settings, mode: .snapshot) { transaction in
            if !query.knowledgeBases.isEmpty { try await check(query, scope, transaction) }
            guard !query.words.isEmpty else { return SearchResponse() }
            let search = RankedSearch(query: query, page: page, tenant: scope.tenant, transaction: transaction)
            let (rows, found) = try await search.rows(releases: releases)
            guard let ranking = found else { return SearchResponse() }
            let (hits, next) = page.cut(rows, position: ranking.position(after:))
            let words = hits.map { Tokenizer.words(in: $0.body) }
            let matches = try await search.matches(in: hits, words, terms: ranking.terms)
            return SearchResponse(
                hits: zip(hits, words).map { $0.message($1, matches) },
                nextPageToken: next,
                totalSize: ranking.total
            )
        }
    }

    private static func check(_ query: SearchQuery, _ releases: [SearchedRelease]) throws(DomainError) {
        guard query.wantsConcepts else { return }
        for framework in query.frameworks where !releases.contains(where: { $0.framework == framework }) {
            throw .failedPrecondition(
                .init(
                    reason: "NO_RELEASE",
                    subject: "frameworks/\(framework)",
                    description: "the framework \"\(framework)\" has no active release: import one, or activate one"
                )
            )
        }
    }

    private static func check(_ query: SearchQuery, _ scope: Scope, _ transaction: Transaction) async throws {
        let existing = try await transaction.run(
            KnowledgeBaseListExisting(tenantID: scope.tenant, knowledgeBaseIDs: query.knowledgeBases)
        )
        .map(\.knowledgeBaseID)
        for id in query.knowledgeBases where !existing.contains(id) {
            throw DomainError.notFound(resource: "knowledge base", id: id.text)
        }
    }
}

/// One page of one search.
private struct RankedSearch {
    let query: SearchQuery
    let page: Page
    let tenant: UUID
    let transaction: Transaction

    /// The rows of the page, one more if there is another, and the ranking that they belong to; nil when there are
    /// none.
    func rows(releases: [SearchedRelease]) async throws -> ([RankedEntry], Ranking?) {
        if let position = page.position {
            var reader = PositionReader(position)
            let ranking = try Ranking(&reader)
            return (try await later(ranking, score: try reader.number(), entry: try reader.id()), ranking)
        }
        let searched = query.wantsConcepts ? releases : []
        let rows = try await transaction.run(
            SearchFirst(
                tenantID: tenant,
                chunks: query.wantsChunks,
                knowledgeBaseIDs: query.knowledgeBases,
                releaseTenantIDs: searched.map(\.tenant),
                releaseIDs: searched.map(\.release),
                words: query.words,
                count: Int32(page.count)
            )
        )
        return (rows, Ranking(rows.first, releases: searched))
    }

    private func later(_ ranking: Ranking, score: Int64, entry: UUID) async throws -> [RankedEntry] {
        try await transaction.run(
            SearchNext(
                tenantID: tenant,
                chunks: query.wantsChunks,
                knowledgeBaseIDs: query.knowledgeBases,
                releaseTenantIDs: ranking.releases.map(\.tenant),
                releaseIDs: ranking.releases.map(\.release),
                terms: ranking.terms,
                termEntries: ranking.termEntries,
                corpusEntries: ranking.corpusEntries,
                corpusWords: ranking.corpusWords,
                snapshot: ranking.snapshot,
                afterScore: score,
                afterEntryID: entry,
                count: Int32(page.count)
            )
        )
    }

    /// Which words of the hits' bodies stand for which of the terms, by stem language. Only words that begin as a term
    /// does are asked about: a stemmer changes endings.
    func matches(
        in hits: [RankedEntry],
        _ texts: [[Tokenizer.Word]],
        terms: [String]
    ) async throws -> WordMatches {
        let beginnings = Set(terms.compactMap { $0.drop { $0 != ":" }.dropFirst().unicodeScalars.first })
        var asked: Set<LanguageWord> = []
        for (hit, words) in zip(hits, texts) {
            let language = StemLanguage.of(hit.language)
            for word in words {
                guard let first = word.text.unicodeScalars.first, beginnings.contains(first) else { continue }
                asked.insert(LanguageWord(language: language, word: word.text))
            }
        }
        let words = Array(asked)
        let rows = try await transaction.run(
            WordMatch(languages: words.map(\.language), words: words.map(\.word), terms: terms)
        )
        return WordMatches(rows)
    }
}

/// A word of a language.
struct LanguageWord: Hashable {
    var language: String
    var word: String
}

/// Which words stand for which terms of a query.
struct WordMatches {
    private var terms: [LanguageWord: String] = [:]

    init(_ rows: [MatchedWord]) {
        for row in rows { terms[LanguageWord(language: row.language, word: row.word)] = row.term }
    }

    /// The term that a word of a text in `language` stands for; nil when it is none of the query's.
    func term(_ word: Tokenizer.Word, _ language: String) -> String? {
        terms[LanguageWord(language: language, word: word.text)]
    }
}

extension RankedEntry {
    /// The hit of an answer.
    fileprivate func message(_ words: [Tokenizer.Word], _ matches: WordMatches) -> Hit {
        let stemLanguage = StemLanguage.of(language)
        let cut = SnippetCut(body, words) { matches.term($0, stemLanguage) }
        var hit = Hit(
            kind: HitKind(rawValue: kind),
            score: Double(score) / 1_000_000,
            title: title,
            text: body,
            language: language,
            snippet: cut.message
        )
        if kind == EntryKind.chunk {
            hit.knowledgeBaseID = collectionID.text
            hit.documentID = documentID.text
            hit.chunkID = entryID.text
            hit.chunkPosition = position
            hit.chunkRange = TextRange(start: rangeStart, end: rangeEnd)
        } else {
            hit.framework = conceptFramework
            hit.releaseID = collectionID.text
            hit.conceptID = conceptID.text
            hit.conceptCode = conceptCode
            hit.conceptKind = conceptKind
        }
        return hit
    }
}
