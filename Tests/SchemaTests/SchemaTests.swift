import Logging
import Postgres
import Schema
import TestSupport
import Testing

@Suite("Schema")
struct SchemaTests {
    @Test("the embedded migrations are well formed and end at a version")
    func embedded() throws {
        let set = try MigrationSet.embedded()
        #expect(set.migrations.first?.description == "0001_create_foundation")
        #expect(set.schemaVersion != nil)
        #expect(set.fingerprint.count == 64)
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
}
