/// Why a statement, a transaction or a connection failed.
///
/// The ``kind`` says what the caller may conclude; the rest is PostgreSQL's own report, present when the server answered.
/// Only the kind and the constraint's name belong in front of a user: messages and details may quote rows.
public struct PostgresError: Error, Sendable, CustomStringConvertible {
    /// What a failure means for the caller.
    public enum Kind: Sendable, Equatable {
        /// The server refused the statement and says why in ``PostgresError/sqlState``; nothing of the batch or
        /// transaction has taken effect.
        case server
        /// No connection could be had: the server is away, or all connections stayed busy until the acquire timeout.
        /// Nothing was sent, so trying again is safe.
        case unavailable
        /// The connection broke after the batch was sent and before it was answered. It may have taken effect.
        case outcomeUnknown
        /// The caller's task was cancelled. What was only queued has had no effect; what was running on a leased
        /// connection is rolled back; a batch on a shared connection may have taken effect.
        case cancelled
        /// The deadline passed, or the statement ran into `statement_timeout`; rolled back like `cancelled`.
        case timeout
        /// The waiting line of this loop is full: nothing was sent.
        case overloaded
        /// A row does not hold what the statement's `decode` expects. The batch has taken effect.
        case decoding
        /// The server answered something that makes no sense here, or the configuration is wrong.
        case `protocol`
    }

    private final class Storage: Sendable {
        let kind: Kind
        let message: String
        let server: ServerReport?

        init(_ kind: Kind, _ message: String, _ server: ServerReport?) {
            self.kind = kind
            self.message = message
            self.server = server
        }
    }

    /// What PostgreSQL itself reported.
    struct ServerReport: Sendable {
        var sqlState: SQLState
        var detail: String?
        var hint: String?
        var schema: String?
        var table: String?
        var column: String?
        var constraint: String?
        /// The function in PostgreSQL's source that raised it.
        var routine: String?
    }

    private let storage: Storage

    /// Makes an error that PostgreSQL did not report itself.
    public init(_ kind: Kind, _ message: String) {
        storage = Storage(kind, message, nil)
    }

    init(_ kind: Kind, _ message: String, _ server: ServerReport?) {
        storage = Storage(kind, message, server)
    }

    /// What the failure means for the caller.
    public var kind: Kind { storage.kind }
    /// What went wrong, for the log.
    public var message: String { storage.message }
    /// PostgreSQL's code, when the server reported the error.
    public var sqlState: SQLState? { storage.server?.sqlState }
    /// More about it, which may quote values of the row.
    public var detail: String? { storage.server?.detail }
    /// PostgreSQL's advice.
    public var hint: String? { storage.server?.hint }
    /// The schema of the table.
    public var schema: String? { storage.server?.schema }
    /// The table that the error is about.
    public var table: String? { storage.server?.table }
    /// The column that the error is about.
    public var column: String? { storage.server?.column }
    /// The constraint that does not hold.
    public var constraint: String? { storage.server?.constraint }

    /// The error in one line, for the log.
    public var description: String {
        var text = "\(kind): \(message)"
        if let server = storage.server {
            text += " (SQLSTATE \(server.sqlState)"
            if let table = server.table { text += ", table \(table)" }
            if let constraint = server.constraint { text += ", constraint \(constraint)" }
            if let column = server.column { text += ", column \(column)" }
            text += ")"
            if let detail = server.detail { text += ": \(detail)" }
            if let hint = server.hint { text += "; hint: \(hint)" }
        }
        return text
    }

    /// Whether running the same again on a fresh plan can help: the statement's cached plan no longer fits the schema,
    /// or the server no longer knows the prepared statement. The batch has had no effect.
    var isStalePlan: Bool {
        switch storage.server?.sqlState.rawValue {
        case "0A000": storage.server?.routine == "RevalidateCachedQuery"
        case "26000": true
        default: false
        }
    }

    /// Whether the whole transaction is to be run again (40001, 40P01).
    public var isRetryableConflict: Bool {
        sqlState == .serializationFailure || sqlState == .deadlockDetected
    }
}
