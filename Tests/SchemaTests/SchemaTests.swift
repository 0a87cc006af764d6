import Logging
import Postgres
import PrivateCluster
import Schema
import TestSupport
import Testing

/// What a call threw as a ``SchemaError``; nil when it threw nothing.
private func schemaError(_ body: () async throws -> Void) async throws -> SchemaError? {
    do {
        try await body()
        return nil
    } catch let error as SchemaError {
        return error
    }
}

@Suite("Schema")
struct SchemaTests {
    private static let first = ("0001_create_foundation.sql", "-- schema 0.1.0\n")

    @Test("the embedded migrations are well formed and end at a version")
    func embedded() throws {
        let set = try MigrationSet.embedded()
        #expect(set.migrations.first?.description == "0001_create_foundation")
        #expect(set.schemaVersion != nil)
        #expect(set.fingerprint.count == 64)
    }

    @Test(
        "a migration with a wrong name, first line, number or version is refused",
        arguments: [
            ("1_create_a.sql", "-- schema 0.2.0\n", "NNNN_verb_noun"),
            ("0002-create.sql", "-- schema 0.2.0\n", "NNNN_verb_noun"),
            ("0002_create_a.sql", "-- version 0.2.0\n", "first line"),
            ("0002_create_a.sql", "-- schema 0.2\n", "first line"),
            ("0001_create_a.sql", "-- schema 0.2.0\n", "same number"),
            ("0002_create_a.sql", "-- schema 0.1.0\n", "not above"),
        ]
    )
    func malformed(file: String, sql: String, reason: String) throws {
        let error = #expect(throws: SchemaError.self) {
            try MigrationSet(files: [Self.first, (file, sql)])
        }
        #expect(error?.description.contains(reason) == true)
    }

    @Test("two sets of the same files have the same hash, an edit changes it")
    func hashes() throws {
        let one = try MigrationSet(files: [Self.first])
        let same = try MigrationSet(files: [Self.first])
        let edited = try MigrationSet(files: [(Self.first.0, Self.first.1 + " ")])
        #expect(one.fingerprint == same.fingerprint)
        #expect(one.fingerprint != edited.fingerprint)
    }

    @Test("a migrated database is accepted, as the server's role")
    func migrated() async throws {
        try await withDatabase { test in
            let set = try MigrationSet.embedded()
            try await test.withServer { database in
                try await Schema.verify(database, set)
                let status = try await Schema.status(database, set)
                #expect(status.version == set.schemaVersion)
                #expect(status.missing == [])
            }
        }
    }

    @Test("programs that migrate the same database at the same time apply each migration once")
    func concurrent() async throws {
        try await withDatabase(migrated: false) { test in
            let set = try MigrationSet.embedded()
            let applied = try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<3 {
                    group.addTask { try await test.withAdministrator { try await Schema.migrate($0, set).count } }
                }
                return try await group.reduce(0, +)
            }
            #expect(applied == set.migrations.count)
            try await test.withAdministrator { database in
                let again = try await Schema.migrate(database, set)
                #expect(again == [])
            }
        }
    }

    @Test("an empty database, one that is behind, newer or edited is refused, each with what to do")
    func refused() async throws {
        let set = try MigrationSet.embedded()
        try await withDatabase(migrated: false) { test in
            try await test.withServer { database in
                let error = try await schemaError { try await Schema.verify(database, set) }
                #expect(error?.description.contains("trellisd migrate") == true)
                #expect(error?.description.contains(test.name) == true)
            }
        }
        try await withDatabase { test in
            try await test.withServer { database in
                var files = set.migrations.map { ("\($0).sql", $0.sql) }
                files.append(("9999_add_future.sql", "-- schema 99.0.0\n"))
                let more = try MigrationSet(files: files)
                let behind = try await schemaError { try await Schema.verify(database, more) }
                #expect(behind?.description.contains("9999_add_future") == true)

                files.removeAll()
                files.append(Self.first)
                let edited = try await schemaError {
                    try await Schema.verify(database, try MigrationSet(files: [Self.first]))
                }
                #expect(edited?.description.contains("0001_create_foundation") == true)
                #expect(edited?.description.contains("another form") == true)

                let none = try MigrationSet(files: [])
                let newer = try await schemaError { try await Schema.verify(database, none) }
                #expect(newer?.description.contains("run the newer trellisd") == true)
            }
        }
    }

    @Test("a role that row-level security does not bind is refused")
    func unsafeRoles() async throws {
        try await withDatabase { test in
            let set = try MigrationSet.embedded()
            try await test.withAdministrator { database in
                let error = try await schemaError { try await Schema.verify(database, set) }
                #expect(error?.description.contains("is a superuser") == true)
            }
            // A superuser who takes on the server's role could take it off again.
            let disguised = test.administratorAddress.with(role: PrivateCluster.server)
            try await with(disguised, test) { database in
                let error = try await schemaError { try await Schema.verify(database, set) }
                #expect(error?.description.contains("trellis_admin is a superuser") == true)
            }
            let suffix = test.name
            try await test.execute(
                """
                CREATE ROLE owner_\(suffix) LOGIN IN ROLE trellis_owner;
                CREATE ROLE bypass_\(suffix) LOGIN BYPASSRLS IN ROLE trellis_server;
                CREATE ROLE plain_\(suffix) LOGIN IN ROLE trellis_server
                """
            )
            try await with(test.address.with(user: "owner_\(suffix)"), test) { database in
                let error = try await schemaError { try await Schema.verify(database, set) }
                #expect(error?.description.contains("owns tables") == true)
            }
            try await with(test.address.with(user: "bypass_\(suffix)"), test) { database in
                let error = try await schemaError { try await Schema.verify(database, set) }
                #expect(error?.description.contains("BYPASSRLS") == true)
            }
            try await with(test.address.with(user: "plain_\(suffix)"), test) { try await Schema.verify($0, set) }
            try await test.execute(
                "DROP ROLE owner_\(suffix); DROP ROLE bypass_\(suffix); DROP ROLE plain_\(suffix)"
            )
        }
    }

    @Test("a migration that forgets a table's isolation is rolled back")
    func forgotten() async throws {
        try await withDatabase(migrated: false) { test in
            let set = try MigrationSet.embedded()
            let bad = """
                -- schema 99.0.0
                CREATE TABLE trellis.leak (tenant_id uuid NOT NULL, leak_id uuid PRIMARY KEY);
                GRANT SELECT ON trellis.leak TO trellis_server;
                """
            let more = try MigrationSet(
                files: set.migrations.map { ("\($0).sql", $0.sql) } + [("9999_create_leak.sql", bad)]
            )
            try await test.withAdministrator { database in
                let error = try await schemaError { try await Schema.migrate(database, more) }
                let text = error?.description ?? ""
                #expect(text.contains("trellis.leak"))
                #expect(text.contains("primary key that begins with tenant_id"))
                #expect(text.contains("not enabled and forced"))
                // What came before it is there, it is not.
                let status = try await Schema.status(database, more)
                #expect(status.missing == ["9999_create_leak"])
            }
        }
    }

    @Test("a role with CREATEROLE that owns the database can migrate it, as on a managed server")
    func managed() async throws {
        try await withDatabase(migrated: false) { test in
            let role = "managed_\(test.name)"
            try await test.execute(
                """
                CREATE ROLE \(role) LOGIN CREATEROLE;
                GRANT trellis_owner TO \(role) WITH ADMIN TRUE;
                GRANT trellis_server TO \(role) WITH ADMIN TRUE;
                GRANT trellis_platform TO \(role) WITH ADMIN TRUE
                """
            )
            try await test.execute("ALTER DATABASE \(test.name) OWNER TO \(role)")
            let set = try MigrationSet.embedded()
            try await with(test.administratorAddress.with(user: role), test) { database in
                let applied = try await Schema.migrate(database, set)
                #expect(applied.count == set.migrations.count)
            }
            try await test.withServer { try await Schema.verify($0, set) }
            try await test.execute("ALTER DATABASE \(test.name) OWNER TO trellis_admin; DROP OWNED BY \(role)")
            try await test.execute("DROP ROLE \(role)")
        }
    }

    @Test("every table that holds tenants' rows is isolated, and the server's role owns nothing")
    func isolation() async throws {
        struct Facts: Statement {
            static let name = "Facts"
            static let sql = """
                SELECT
                    (SELECT count(*) FROM trellis.isolation_faults()),
                    (SELECT count(*) FROM pg_class WHERE relowner IN ('trellis_server'::regrole, 'trellis_platform'::regrole)),
                    (SELECT count(*) FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
                     WHERE attname = 'tenant_id' AND relkind IN ('r', 'p') AND relnamespace = 'trellis'::regnamespace
                        AND NOT (relrowsecurity AND relforcerowsecurity))
                """
            func bind(_ parameters: inout Parameters) {}
            static func decode(_ result: borrowing QueryResult) throws(PostgresError) -> [Int64] {
                try result.first { row throws(PostgresError) in
                    [try row.int64(0), try row.int64(1), try row.int64(2)]
                } ?? []
            }
        }
        try await withDatabase { test in
            let counts = try await test.withAdministrator { try await $0.run(Facts()) }
            #expect(counts == [0, 0, 0])
        }
    }

    private func with(
        _ address: DatabaseAddress,
        _ test: TestDatabase,
        _ body: (Database) async throws -> Void
    ) async throws {
        let database = Database(loop: test.loop, address: address, logger: test.logger)
        defer { database.close() }
        try await body(database)
    }
}
