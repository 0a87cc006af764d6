/// The five characters with which PostgreSQL says what kind of error it is.
///
/// A state that ends in `000` stands for its class in a `switch`, any other for itself:
///
/// ```swift
/// switch error.sqlState {
/// case .uniqueViolation: ...             // exactly 23505
/// case .integrityConstraintViolation: ... // any other of class 23
/// }
/// ```
public struct SQLState: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    /// The five characters, such as "23505".
    public var rawValue: String

    /// Makes the state of five characters.
    public init(rawValue: String) {
        self.rawValue = rawValue
    }

    init(_ rawValue: String) {
        self.rawValue = rawValue
    }

    /// The five characters.
    public var description: String { rawValue }

    /// Whether the state is `pattern`, or of its class when `pattern` names a class.
    public static func ~= (pattern: SQLState, state: SQLState) -> Bool {
        pattern.rawValue.hasSuffix("000")
            ? pattern.rawValue.prefix(2) == state.rawValue.prefix(2) : pattern.rawValue == state.rawValue
    }

    /// Whether the optional state is `pattern`, or of its class when `pattern` names a class.
    public static func ~= (pattern: SQLState, state: SQLState?) -> Bool {
        state.map { pattern ~= $0 } ?? false
    }

    /// Class 08: the connection is broken.
    public static let connectionException = SQLState("08000")
    /// Exactly 0A000, which is also a class of its own: includes a cached plan that no longer fits.
    public static let featureNotSupported = SQLState("0A000")
    /// Class 22: a value that does not fit its type.
    public static let dataException = SQLState("22000")
    /// 22P02: text that is no value of its type, such as malformed JSON.
    public static let invalidTextRepresentation = SQLState("22P02")
    /// 22021: a string that the database's encoding cannot hold, such as one with U+0000.
    public static let characterNotInRepertoire = SQLState("22021")
    /// Class 23: a constraint.
    public static let integrityConstraintViolation = SQLState("23000")
    /// 23502: NULL in a NOT NULL column.
    public static let notNullViolation = SQLState("23502")
    /// 23503: a foreign key without its row, or a row that others still refer to.
    public static let foreignKeyViolation = SQLState("23503")
    /// 23505: a second row with the same key.
    public static let uniqueViolation = SQLState("23505")
    /// 23514: a CHECK that does not hold.
    public static let checkViolation = SQLState("23514")
    /// 23P01: an exclusion constraint.
    public static let exclusionViolation = SQLState("23P01")
    /// 25P02: a command in a transaction that has failed already.
    public static let inFailedTransaction = SQLState("25P02")
    /// 26000: the prepared statement is not there.
    public static let invalidStatementName = SQLState("26000")
    /// Class 28: the server refuses this login.
    public static let invalidAuthorization = SQLState("28000")
    /// 3D000: no such database.
    public static let invalidCatalogName = SQLState("3D000")
    /// 40001: the transaction has to be run again.
    public static let serializationFailure = SQLState("40001")
    /// 40P01: a deadlock, which this transaction was chosen to end.
    public static let deadlockDetected = SQLState("40P01")
    /// 42501: the role may not do this, or a row-level security policy refuses the row.
    public static let insufficientPrivilege = SQLState("42501")
    /// Class 42: the statement is wrong.
    public static let syntaxErrorOrAccessRuleViolation = SQLState("42000")
    /// 42P01: no such table.
    public static let undefinedTable = SQLState("42P01")
    /// Class 53: out of disk, memory or connections.
    public static let insufficientResources = SQLState("53000")
    /// 55P03: a lock was not free and the statement said not to wait.
    public static let lockNotAvailable = SQLState("55P03")
    /// Class 57: an operator, or PostgreSQL itself, stepped in.
    public static let operatorIntervention = SQLState("57000")
    /// 57014: the statement was cancelled or ran into `statement_timeout`.
    public static let queryCanceled = SQLState("57014")
    /// 57P01: an administrator ended this session.
    public static let adminShutdown = SQLState("57P01")
    /// 57P02: another session crashed and took this one with it.
    public static let crashShutdown = SQLState("57P02")
    /// 57P03: the server is starting up or shutting down.
    public static let cannotConnectNow = SQLState("57P03")
    /// P0001: `RAISE EXCEPTION` in a function of ours.
    public static let raiseException = SQLState("P0001")
}
