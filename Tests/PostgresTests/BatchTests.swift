import Postgres
import Primitives
import TestSupport
import Testing

/// Two items under one name, allowed until the commit.
private struct DeferConstraints: Statement {
    static let name = "DeferConstraints"
    static let sql = "SET CONSTRAINTS ALL DEFERRED"
    func bind(_ parameters: inout Parameters) {}
    static func decode(_ result: borrowing QueryResult) throws(PostgresError) {}
}

private struct Missing: Statement {
    static let name = "Missing"
    static let sql = "SELECT 1 FROM trellis.nowhere"
    func bind(_ parameters: inout Parameters) {}
    static func decode(_ result: borrowing QueryResult) throws(PostgresError) -> Int { result.rowCount }
}

@Suite("Postgres batches")
struct BatchTests {
    @Test("a batch answers each of its statements, in order")
    func answers() async throws {
        try await withItems { database, tenant in
            let item = UUID.v7()
            let (inserted, got, hundred) = try await database.run(
                ItemInsert(tenant: tenant, item: item, name: "a"),
                ItemGet(item: item),
                Divide(divisor: 1),
                settings: settings(tenant)
            )
            #expect(inserted == 1)
            #expect(got == Item(tenant: tenant, item: item, name: "a", counter: 0))
            #expect(hundred == 100)
        }
    }

    @Test("a batch of which one statement fails has no effect, wherever it fails")
    func atomic() async throws {
        try await withItems { database, tenant in
            let scope = settings(tenant)
            let item = UUID.v7()
            let insert = ItemInsert(tenant: tenant, item: item, name: "a")
            let after = try await failure {
                _ = try await database.run(insert, Divide(divisor: 0), ItemGet(item: item), settings: scope)
            }
            #expect(after?.sqlState?.rawValue == "22012")
            let before = try await failure { _ = try await database.run(Divide(divisor: 0), insert, settings: scope) }
            #expect(before?.kind == .server)
            let answer1 = try await database.run(ItemGet(item: item), scope)
            #expect(answer1 == nil)
            // The failure has left nothing behind on the connection.
            let answer2 = try await database.run(insert, scope)
            #expect(answer2 == 1)
        }
    }

    @Test("reads of many callers share a transaction; one that fails takes none of the others with it")
    func group() async throws {
        try await withItems(connections: 1) { database, _ in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for caller in 0..<200 {
                    group.addTask {
                        let own = UUID.v7()
                        if caller % 7 == 3 {
                            let error = try await failure {
                                _ = try await database.run(Divide(divisor: 0), settings(own))
                            }
                            #expect(error?.sqlState?.rawValue == "22012")
                        } else if caller % 7 == 5 {
                            let answer = try await database.run(Divide(divisor: 4), settings(own))
                            #expect(answer == 25)
                        } else {
                            let session = try await database.run(SessionGet(), settings(own))
                            #expect(session?.tenant == own.text)
                        }
                    }
                }
                try await group.waitForAll()
            }
            // Writes and reads with other settings stay out of the groups, and nothing is left on the connection.
            let session = try await database.run(SessionGet())
            #expect(session?.tenant == "")
        }
    }

    @Test("a constraint that fails at the commit fails the batch, and the next one works")
    func deferred() async throws {
        try await withItems { database, tenant in
            let scope = settings(tenant)
            let error = try await failure {
                _ = try await database.run(
                    DeferConstraints(),
                    ItemInsert(tenant: tenant, item: .v7(), name: "same"),
                    ItemInsert(tenant: tenant, item: .v7(), name: "same"),
                    settings: scope
                )
            }
            #expect(error?.sqlState == .uniqueViolation)
            #expect(error?.constraint == "item_name_key")
            #expect(error?.table == "item")
            let answer3 = try await database.run(ItemList(), scope)
            #expect(answer3 == [])
        }
    }

    @Test("many statements of one kind are one batch, prepared once")
    func all() async throws {
        try await withItems { database, tenant in
            let scope = settings(tenant)
            let items = (0..<500).map { ItemInsert(tenant: tenant, item: .v7(), name: "item \($0)") }
            let answer4 = try await database.run(all: items, settings: scope).reduce(0, +)
            #expect(answer4 == 500)
            let answer5 = try await database.run(ItemList(), scope).count
            #expect(answer5 == 500)
            let twice = try await failure { _ = try await database.run(all: items, settings: scope) }
            #expect(twice?.sqlState == .uniqueViolation)
            #expect(try await database.run(all: [ItemGet](), settings: scope).isEmpty)
        }
    }

    @Test("statements that cannot be prepared fail each time, and hold up no others of the same turn")
    func unprepared() async throws {
        try await withItems(connections: 1) { database, tenant in
            for _ in 0..<3 {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for index in 0..<20 {
                        group.addTask {
                            if index % 3 == 0 {
                                let error = try await failure { _ = try await database.run(Missing()) }
                                #expect(error?.sqlState == .undefinedTable)
                            } else {
                                let answer6 = try await database.run(Divide(divisor: 2))
                                #expect(answer6 == 50)
                            }
                        }
                    }
                    try await group.waitForAll()
                }
            }
        }
    }

    @Test("an answer of many megabytes arrives whole, on a connection that others use at the same time")
    func large() async throws {
        struct Large: Statement {
            static let name = "Large"
            static let sql = "SELECT repeat(chr(65 + n), $1) FROM generate_series(0, 7) AS n"
            var bytes: Int32
            func bind(_ parameters: inout Parameters) { parameters.add(bytes) }
            static func decode(_ result: borrowing QueryResult) throws(PostgresError) -> [String] {
                try result.rows { row throws(PostgresError) in try row.text(0) }
            }
        }
        struct Length: Statement {
            static let name = "Length"
            static let sql = "SELECT length($1)"
            var text: String
            func bind(_ parameters: inout Parameters) { parameters.add(text) }
            static func decode(_ result: borrowing QueryResult) throws(PostgresError) -> Int32? {
                try result.first { row throws(PostgresError) in try row.int32(0) }
            }
        }
        try await withItems(connections: 1) { database, _ in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<4 {
                    group.addTask {
                        let rows = try await database.run(Large(bytes: 1_000_000))
                        #expect(rows.map(\.utf8.count) == Array(repeating: 1_000_000, count: 8))
                        #expect(rows.last?.last == "H")
                    }
                    group.addTask {
                        // More than a socket's buffer, in the other direction.
                        let text = String(repeating: "x", count: 3_000_000)
                        let answer7 = try await database.run(Length(text: text))
                        #expect(answer7 == 3_000_000)
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test("a statement whose plan no longer fits the schema is prepared again, without the caller noticing")
    func replan() async throws {
        struct Star: Statement {
            static let name = "Star"
            static let sql = "SELECT * FROM trellis.item"
            func bind(_ parameters: inout Parameters) {}
            static func decode(_ result: borrowing QueryResult) throws(PostgresError) -> Int { result.columnCount }
        }
        try await withDatabase { test in
            try await test.execute(itemTable)
            try await test.withServer { database in
                let scope = settings(.v7())
                for _ in 0..<6 {
                    let columns = try await database.run(Star(), scope)
                    #expect(columns == 4)
                }
                try await test.execute("ALTER TABLE trellis.item ADD COLUMN extra int")
                let answer8 = try await database.run(Star(), scope)
                #expect(answer8 == 5)
                try await database.transaction(scope) { transaction in
                    let answer9 = try await transaction.run(Star())
                    #expect(answer9 == 5)
                }
                try await test.execute("ALTER TABLE trellis.item ADD COLUMN another int")
                // In a transaction the whole of it runs again.
                try await database.transaction(scope) { transaction in
                    let answer10 = try await transaction.run(Star())
                    #expect(answer10 == 6)
                }
                // Of many at once, on both connections.
                try await withThrowingTaskGroup(of: Int.self) { group in
                    for _ in 0..<32 { group.addTask { try await database.run(Star(), scope) } }
                    for try await columns in group { #expect(columns == 6) }
                }
            }
        }
    }
}

/// A database with the item table and a pool on it, as the server has it.
func withItems(
    connections: Int = 2,
    _ body: @escaping @Sendable (Database, UUID) async throws -> Void
) async throws {
    try await withDatabase { test in
        try await test.execute(itemTable)
        var limits = PoolLimits()
        limits.sharedConnections = connections
        try await test.withServer(limits) { try await body($0, .v7()) }
    }
}
