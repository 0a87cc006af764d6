/// What this area bounds, in one place. The sizes of single fields stand in search.proto.
public enum SearchLimits {
    /// Different words of a query, at most.
    public static let queryWords = 64
    /// Hits on a page when the request does not say.
    public static let defaultHits = 20
    /// Hits on a page, at most.
    public static let maximumHits = 100
    /// Code points of the documents of one batch together, at most.
    public static let batchCodePoints = 2_000_000
    /// Code points of a word; what is beyond is not compared.
    public static let wordCodePoints = 64
    /// Words of a chunk, about; a chunk has at most this many unless it is a single sentence that is longer.
    public static let chunkWords = 200
    /// Words of a sentence, at most: a longer one is cut.
    public static let sentenceWords = 200
    /// Words of a snippet, at most.
    public static let snippetWords = 32
    /// Words before the first match of a snippet.
    public static let snippetLead = 4
    /// Entries that one statement adds.
    static let entriesPerInsert = 500
    /// The rows over which the statistics of a collection are spread.
    static let statisticsSlots: UInt64 = 16
}
