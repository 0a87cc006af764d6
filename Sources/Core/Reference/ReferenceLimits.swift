/// What this area bounds, in one place. The sizes of single fields stand in reference.proto.
public enum ReferenceLimits {
    /// Records that an error or an answer names one by one; of more it says how many there are.
    public static let namedRecords = 20
    /// Dangling edges that the answer of a completed import shows.
    public static let shownDanglingEdges = 100
    /// Concepts or edges of one chunk of an export, at most.
    public static let exportedRecords = 100
    /// Bytes of the concepts of one chunk of an export, unless a single one has more.
    public static let exportedBytes = 1 << 20
    /// Edges from the start of a walk to the farthest concept, at most.
    public static let walkDepth = 10
    /// Concepts that a walk reaches at most.
    public static let walkConcepts = 20_000
}
