public import Postgres

/// Why the schema cannot be migrated or served on, with what to do about it.
public enum SchemaError: Error, Sendable, CustomStringConvertible {
    /// A migration file of this program is not well formed: a mistake in its source.
    case invalidMigration(file: String, reason: String)
    /// A migration could not be applied; nothing of it is in the database.
    case migrationFailed(migration: String, PostgresError)
    /// Tables of the schema do not isolate tenants from each other.
    case isolationFaults([String])
    /// The server is older than what Trellis needs.
    case serverTooOld(version: String)
    /// The vector extension is older than what Trellis needs.
    case vectorTooOld(version: String)
    /// The database holds no schema of ours.
    case schemaMissing(database: String)
    /// The database lacks migrations that this program carries.
    case behind(missing: [String])
    /// The database has migrations that this program does not know.
    case newer(database: String, program: String, unknown: [String])
    /// A migration was applied in another form than the one that this program carries.
    case edited(migration: String)
    /// A role that the server would run as is not bound by row-level security.
    case unsafeRole(role: String, reason: String)
    /// The database did not answer.
    case database(PostgresError)

    /// What is wrong and what to do, in one or two sentences.
    public var description: String {
        switch self {
        case .invalidMigration(let file, let reason): "migration \(file) cannot be used: \(reason)"
        case .migrationFailed(let migration, let error):
            "migration \(migration) failed and was rolled back: \(error)"
        case .isolationFaults(let faults):
            "the schema does not isolate tenants: \(faults.joined(separator: "; "))"
        case .serverTooOld(let version):
            "this is PostgreSQL \(version), Trellis needs \(Requirements.serverMajorMin) or newer: upgrade the server, or"
                + " leave --database-url out to run a private one"
        case .vectorTooOld(let version):
            "this database has vector \(version), Trellis needs \(Requirements.vectorMin) or newer (older ones can corrupt"
                + " indexes): install it on the server and run ALTER EXTENSION vector UPDATE"
        case .schemaMissing(let database):
            "the database \(database) has no Trellis schema: run `trellisd migrate` on it with a user that may create roles"
        case .behind(let missing):
            "the database lacks \(missing.count) migrations (\(missing.joined(separator: ", "))):"
                + " run `trellisd migrate` on it"
        case .newer(let database, let program, let unknown):
            "the database has schema \(database), newer than this trellisd's \(program) (it knows nothing of"
                + " \(unknown.joined(separator: ", "))): run the newer trellisd"
        case .edited(let migration):
            "migration \(migration) was applied in another form than this trellisd carries: use the trellisd that applied"
                + " it, or restore the file; a released migration is never edited"
        case .unsafeRole(let role, let reason):
            "the role \(role) \(reason), so row-level security would not bind the server: connect as a user for whom"
                + " `CREATE ROLE name LOGIN NOSUPERUSER NOBYPASSRLS IN ROLE trellis_server` was run"
        case .database(let error): "the schema cannot be checked: \(error)"
        }
    }
}

/// What Trellis needs of PostgreSQL.
enum Requirements {
    /// The oldest major version of PostgreSQL.
    static let serverMajorMin = 16
    /// The oldest version of the vector extension.
    static let vectorMin = "0.8.4"

    /// Whether a dotted version is at least another, number by number.
    static func version(_ version: String, isAtLeast minimum: String) -> Bool {
        func numbers(_ text: String) -> [Int] { text.split(separator: ".").map { Int($0.prefix { $0.isNumber }) ?? 0 } }
        return !numbers(version).lexicographicallyPrecedes(numbers(minimum))
    }
}
