internal import Domain
public import Primitives

/// What all pages of one search share: the statistics that its scores are made of, the moment that it sees, and the
/// releases that it covers. The first page finds it, the token carries it.
struct Ranking: Equatable {
    /// Entries and words of all that is searched.
    var corpusEntries: Int64
    var corpusWords: Int64
    /// The terms that were found, and in how many entries each.
    var terms: [String]
    var termEntries: [Int64]
    /// The moment: a pg_snapshot.
    var snapshot: String
    /// How many hits there were.
    var total: Int64
    var releases: [SearchedRelease]

    /// What the first row of a first page says; nil when there is none, and so no hits.
    init?(_ first: RankedEntry?, releases: [SearchedRelease]) {
        guard let first else { return nil }
        corpusEntries = first.corpusEntries
        corpusWords = first.corpusWords
        terms = first.terms
        termEntries = first.termEntries
        snapshot = first.snapshot
        total = first.total
        self.releases = releases
    }

    /// Reads a ranking out of a page token.
    init(_ reader: inout PositionReader) throws(DomainError) {
        corpusEntries = try reader.number()
        corpusWords = try reader.number()
        terms = []
        termEntries = []
        for _ in 0..<(try reader.count()) {
            terms.append(try reader.text())
            termEntries.append(try reader.number())
        }
        snapshot = try reader.text()
        total = try reader.number()
        releases = []
        for _ in 0..<(try reader.count()) {
            releases.append(
                SearchedRelease(framework: try reader.text(), tenant: try reader.id(), release: try reader.id())
            )
        }
    }

    /// The position after a hit of this ranking.
    func position(after hit: RankedEntry) -> [UInt8] {
        var writer = PositionWriter()
        writer.write(corpusEntries)
        writer.write(corpusWords)
        writer.write(Int64(terms.count))
        for (term, entries) in zip(terms, termEntries) {
            writer.write(term)
            writer.write(entries)
        }
        writer.write(snapshot)
        writer.write(total)
        writer.write(Int64(releases.count))
        for release in releases {
            writer.write(release.framework)
            writer.write(release.tenant)
            writer.write(release.release)
        }
        writer.write(hit.score)
        writer.write(hit.entryID)
        return writer.bytes
    }
}

/// A release whose concepts are searched.
public struct SearchedRelease: Sendable, Equatable {
    /// The framework's code.
    public var framework: String
    /// Who published it: the caller's tenant, or the zero UUID for the platform.
    public var tenant: UUID
    /// The release's id.
    public var release: UUID

    /// Takes the parts.
    public init(framework: String, tenant: UUID, release: UUID) {
        self.framework = framework
        self.tenant = tenant
        self.release = release
    }
}
