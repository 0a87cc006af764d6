internal import Postgres

// What the engine itself asks of a database. These statements run before there is a schema that the generator could check
// them against, so they stand here and not in SQL files.

/// The server's version, the vector extension's, and who we are.
struct DatabaseFactsGet: Statement {
    struct Role {
        var name: String
        var isSuperuser: Bool
        var bypassesRLS: Bool
        var owns: Bool
    }

    struct Facts: Sendable {
        var database: String
        var serverVersion: String
        var serverVersionNumber: Int32
        var vectorVersion: String?
        var hasSchema: Bool
        var roles: [Role]
    }

    static let name = "DatabaseFactsGet"
    static let sql = """
        SELECT current_database()::text, current_setting('server_version'), current_setting('server_version_num')::int,
            (SELECT extversion FROM pg_extension WHERE extname = 'vector'),
            to_regclass('trellis.schema_migration') IS NOT NULL,
            rolname::text, rolsuper, rolbypassrls,
            EXISTS (
                SELECT FROM pg_class
                WHERE relnamespace = to_regnamespace('trellis') AND pg_has_role(pg_roles.oid, relowner, 'MEMBER')
            )
        FROM pg_roles WHERE rolname IN (current_user, session_user)
        """

    func bind(_ parameters: inout Parameters) {}

    static func decode(_ result: borrowing QueryResult) throws(PostgresError) -> Facts {
        var facts: Facts?
        try result.forEach { row throws(PostgresError) in
            let role = Role(
                name: try row.text(5),
                isSuperuser: try row.bool(6),
                bypassesRLS: try row.bool(7),
                owns: try row.bool(8)
            )
            if facts == nil {
                facts = Facts(
                    database: try row.text(0),
                    serverVersion: try row.text(1),
                    serverVersionNumber: try row.int32(2),
                    vectorVersion: try row.optionalText(3),
                    hasSchema: try row.bool(4),
                    roles: []
                )
            }
            facts?.roles.append(role)
        }
        guard let facts else { throw PostgresError(.protocol, "the server does not know the role it runs us as") }
        return facts
    }
}

/// The migrations that were applied, in order.
struct AppliedMigrationList: Statement {
    struct Applied: Sendable {
        var number: Int
        var name: String
        var sha256: [UInt8]
        var schemaVersion: String

        var description: String { Migration.description(number: number, name: name) }
    }

    static let name = "AppliedMigrationList"
    static let sql = "SELECT number, name, sha256, schema_version FROM trellis.schema_migration ORDER BY number"

    func bind(_ parameters: inout Parameters) {}

    static func decode(_ result: borrowing QueryResult) throws(PostgresError) -> [Applied] {
        try result.rows { row throws(PostgresError) in
            Applied(
                number: Int(try row.int32(0)),
                name: try row.text(1),
                sha256: try row.bytes(2),
                schemaVersion: try row.text(3)
            )
        }
    }
}

/// Records that a migration was applied.
struct AppliedMigrationInsert: Statement {
    static let name = "AppliedMigrationInsert"
    static let sql =
        "INSERT INTO trellis.schema_migration (number, name, sha256, schema_version) VALUES ($1, $2, $3, $4)"

    var migration: Migration

    func bind(_ parameters: inout Parameters) {
        parameters.add(Int32(migration.number))
        parameters.add(migration.name)
        parameters.add(migration.sha256)
        parameters.add(migration.schemaVersion.description)
    }

    static func decode(_ result: borrowing QueryResult) throws(PostgresError) -> Int { result.rowsAffected }
}

/// Waits until no other program migrates this database; the transaction's end lets the next one in.
struct MigrationLock: Statement {
    static let name = "MigrationLock"
    static let sql = "SELECT pg_advisory_xact_lock($1)"

    /// "trellis" in ASCII.
    private static let key: Int64 = 0x74_72_65_6c_6c_69_73

    func bind(_ parameters: inout Parameters) { parameters.add(Self.key) }

    static func decode(_ result: borrowing QueryResult) throws(PostgresError) {}
}

/// Where isolation does not hold.
struct IsolationFaultList: Statement {
    static let name = "IsolationFaultList"
    static let sql = "SELECT object, fault FROM trellis.isolation_faults()"

    func bind(_ parameters: inout Parameters) {}

    static func decode(_ result: borrowing QueryResult) throws(PostgresError) -> [String] {
        try result.rows { row throws(PostgresError) in "\(try row.text(0)): \(try row.text(1))" }
    }
}
