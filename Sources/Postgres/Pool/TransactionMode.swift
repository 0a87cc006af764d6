/// What a transaction may do and what it sees of others.
public struct TransactionMode: Sendable, Equatable {
    /// The command that begins it.
    let begin: String

    /// Reads and writes; each statement sees what was committed before it (READ COMMITTED).
    public static let readWrite = TransactionMode(begin: "BEGIN")
    /// Only reads, all of them of one moment (REPEATABLE READ, READ ONLY).
    public static let snapshot = TransactionMode(begin: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    /// Reads and writes as if no other transaction ran at the same time (SERIALIZABLE); expect conflicts.
    public static let serializable = TransactionMode(begin: "BEGIN ISOLATION LEVEL SERIALIZABLE")
}
