/// One SQL statement with its parameters' values: what the generator writes for each query in a `.sql` file.
///
/// A statement is prepared under its ``name`` the first time a connection runs it, and executed by name from then on.
/// Parameters and results travel in PostgreSQL's binary format. The types that ``bind(_:)`` gives its values are declared
/// to the server with the preparation, so a statement whose SQL expects other types is refused there instead of
/// reading the bytes wrongly.
///
/// ```swift
/// struct SiteGet: Statement {
///     static let name = "SiteGet"
///     static let sql = "SELECT site_id, display_name FROM trellis.site WHERE site_id = $1"
///     var siteID: UUID
///     func bind(_ parameters: inout Parameters) { parameters.add(siteID) }
///     static func decode(_ result: borrowing QueryResult) throws(PostgresError) -> Site? {
///         try result.first { row throws(PostgresError) in Site(id: try row.uuid(0), name: try row.text(1)) }
///     }
/// }
/// ```
public protocol Statement: Sendable {
    /// What the statement answers with: an optional row, an array of rows, or a number of rows affected.
    associatedtype Output: Sendable

    /// The name under which connections prepare the statement: unique in the program, at most 50 bytes of ASCII.
    static var name: String { get }

    /// One SQL command with parameters written `$1`, `$2`, ...
    static var sql: String { get }

    /// Whether the statement only reads: it changes nothing, locks nothing, and calls nothing volatile. Only then may it
    /// share a transaction with other callers' reads, and be sent again when one of them failed. False unless said.
    static var isReadOnly: Bool { get }

    /// Adds a value for each parameter, in the order `$1`, `$2`, ..., always with the same types.
    func bind(_ parameters: inout Parameters)

    /// Reads what the server answered. Called once, after the whole batch has been committed (or, in a transaction,
    /// after the statement has run).
    static func decode(_ result: borrowing QueryResult) throws(PostgresError) -> Output
}

extension Statement {
    /// Nothing is taken for a read that does not say so.
    public static var isReadOnly: Bool { false }
}
