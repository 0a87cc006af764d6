import EventLoop
import Postgres
import Primitives
import TestSupport
import Testing

@Suite("Postgres transactions")
struct TransactionTests {
    struct Refusal: Error {}

    @Test("a transaction commits what its closure did, and rolls back when it throws")
    func commitAndRollBack() async throws {
        try await withItems { database, tenant in
            let scope = settings(tenant)
            let name = try await database.transaction(scope) { transaction in
                let item = UUID.v7()
                let inserted = try await transaction.run(ItemInsert(tenant: tenant, item: item, name: "kept"))
                #expect(inserted == 1)
                return try await transaction.run(ItemGet(item: item))?.name
            }
            #expect(name == "kept")
            await #expect(throws: Refusal.self) {
                try await database.transaction(scope) { transaction in
                    _ = try await transaction.run(ItemInsert(tenant: tenant, item: .v7(), name: "dropped"))
                    throw Refusal()
                }
            }
            let rows = try await database.run(ItemList(), scope)
            #expect(rows.map(\.name) == ["kept"])
            // Its settings are gone with it.
            let session = try await database.transaction { try await $0.run(SessionGet()) }
            #expect(session?.tenant ?? "" == "")
        }
    }

    @Test("an error that the closure swallows still fails the transaction")
    func swallowed() async throws {
        try await withItems { database, tenant in
            let error = try await failure {
                try await database.transaction(settings(tenant)) { transaction in
                    _ = try await transaction.run(ItemInsert(tenant: tenant, item: .v7(), name: "a"))
                    _ = try? await transaction.run(Divide(divisor: 0))
                }
            }
            #expect(error?.sqlState?.rawValue == "22012")
            let rows = try await database.run(ItemList(), settings(tenant))
            #expect(rows == [])
        }
    }

    @Test("transactions that collide run again until each has had its effect")
    func conflicts() async throws {
        try await withItems { database, tenant in
            let scope = settings(tenant)
            let item = UUID.v7()
            _ = try await database.run(ItemInsert(tenant: tenant, item: item, name: "a"), scope)
            let runs = Shared(0)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<4 {
                    group.addTask {
                        try await database.transaction(scope, mode: .serializable) { transaction in
                            runs.update { $0 += 1 }
                            let counter = try await transaction.run(ItemGet(item: item))?.counter ?? -1
                            // Long enough for the others to read the same.
                            try await database.loop.sleep(for: .milliseconds(5))
                            _ = try await transaction.run(ItemCountUp(item: item, counter: counter + 1))
                        }
                    }
                }
                try await group.waitForAll()
            }
            let counter = try await database.run(ItemGet(item: item), scope)?.counter
            #expect(counter == 4)
            #expect(runs.value > 4, "without a collision this proves nothing")
        }
    }

    @Test("a conflict that does not end is thrown as what it is, after a bounded number of runs")
    func endlessConflict() async throws {
        struct Conflict: Statement {
            static let name = "Conflict"
            static let sql = "SELECT trellis.conflict()"
            func bind(_ parameters: inout Parameters) {}
            static func decode(_ result: borrowing QueryResult) throws(PostgresError) {}
        }
        try await withDatabase { test in
            try await test.execute(
                """
                CREATE FUNCTION trellis.conflict() RETURNS void LANGUAGE plpgsql
                AS $$ BEGIN RAISE SQLSTATE '40001'; END $$
                """
            )
            try await test.withServer { database in
                let runs = Shared(0)
                let error = try await failure {
                    try await database.transaction { transaction in
                        runs.update { $0 += 1 }
                        try await transaction.run(Conflict())
                    }
                }
                #expect(error?.sqlState == .serializationFailure)
                #expect(error?.isRetryableConflict == true)
                #expect(runs.value == PoolLimits().transactionRetries + 1)
            }
        }
    }

    @Test("a cancelled task ends the statement that runs for it, and the connection serves the next")
    func cancellation() async throws {
        var limits = PoolLimits()
        limits.sharedConnections = 1
        limits.minimumConnections = 1
        limits.maximumConnections = 2
        try await withDatabase { [limits] test in
            try await test.withServer(limits) { database in
                let before = try await database.transaction { try await $0.run(SessionGet())?.process }
                let outcome = Shared<PostgresError?>(nil)
                let started = database.loop.now
                let task = database.loop.startTask {
                    let error = try? await failure {
                        try await database.transaction { try await $0.run(Sleep(seconds: 60)) }
                    }
                    outcome.update { $0 = error ?? nil }
                }
                try await database.loop.sleep(for: .milliseconds(50))
                task.cancel()
                await task.value
                #expect(outcome.value?.kind == .cancelled)
                #expect(database.loop.now - started < 5_000_000_000)
                for _ in 0..<20 {
                    let after = try await database.transaction { try await $0.run(SessionGet())?.process }
                    #expect(after == before, "the connection is used again and the cancellation hits nobody else")
                }
            }
        }
    }

    @Test("a deadline ends a statement as a timeout, and one that has passed starts nothing")
    func deadline() async throws {
        try await withItems { database, tenant in
            let soon = settings(tenant, deadline: database.loop.now + 100_000_000)
            let error = try await failure {
                try await database.transaction(soon) { try await $0.run(Sleep(seconds: 60)) }
            }
            #expect(error?.kind == .timeout)
            let late = try await failure { _ = try await database.run(Divide(divisor: 1), soon) }
            #expect(late?.kind == .timeout)
            let session = try await database.transaction(settings(tenant)) { transaction in
                try await transaction.run(Sleep(seconds: 0.2))
                return try await transaction.run(SessionGet())
            }
            #expect(session?.tenant == tenant.text, "the timeout of the transaction before is gone")
        }
    }

    /// PostgreSQL refuses COPY into a table with row-level security, so rows go through one without.
    private static let incoming = """
        CREATE TEMP TABLE incoming (tenant_id uuid, item_id uuid, name text UNIQUE, counter bigint DEFAULT 0)
            ON COMMIT DROP
        """

    private struct TakeOver: Statement {
        static let name = "TakeOver"
        static let sql = "INSERT INTO trellis.item SELECT * FROM incoming"
        func bind(_ parameters: inout Parameters) {}
        static func decode(_ result: borrowing QueryResult) throws(PostgresError) -> Int { result.rowsAffected }
    }

    @Test("COPY takes more rows than fit in a socket, and the policy holds when they are taken over")
    func copy() async throws {
        try await withItems { database, tenant in
            let scope = settings(tenant)
            @Sendable func load(as owner: UUID) async throws -> Int {
                try await database.transaction(scope) { transaction in
                    try await transaction.run(script: Self.incoming)
                    let columns = ["tenant_id", "item_id", "name", "counter"]
                    let copied = try await transaction.copyIn("incoming", columns: columns) { writer in
                        for index in 0..<20_000 {
                            try await writer.write { row in
                                row.add(owner)
                                row.add(UUID.v7())
                                row.add("item \(index)")
                                row.add(Int64(index))
                            }
                        }
                    }
                    let inserted = try await transaction.run(TakeOver())
                    #expect(inserted == copied)
                    return copied
                }
            }
            let count = try await load(as: tenant)
            #expect(count == 20_000)
            let rows = try await database.run(ItemList(), scope)
            #expect(rows.count == 20_000)
            #expect(rows.reduce(0) { $0 + $1.counter } == 20_000 * 19_999 / 2)
            let foreign = try await failure { _ = try await load(as: .v7()) }
            #expect(foreign?.sqlState == .insufficientPrivilege)
        }
    }

    @Test("a COPY that is given up, or whose rows are refused, inserts nothing and says why")
    func copyAborts() async throws {
        try await withItems { database, tenant in
            let scope = settings(tenant)
            @Sendable func copy(_ body: @escaping @Sendable (CopyWriter) async throws -> Void) async throws {
                try await database.transaction(scope) { transaction in
                    try await transaction.run(script: Self.incoming)
                    _ = try await transaction.copyIn("incoming", columns: ["tenant_id", "name"], body)
                    _ = try await transaction.run(TakeOver())
                }
            }
            @Sendable func write(_ writer: CopyWriter, _ name: String) async throws {
                try await writer.write { row in
                    row.add(tenant)
                    row.add(name)
                }
            }
            await #expect(throws: Refusal.self) {
                try await copy { writer in
                    for index in 0..<5000 { try await write(writer, "\(index)") }
                    throw Refusal()
                }
            }
            let twice = try await failure {
                try await copy { writer in
                    for _ in 0..<2 { try await write(writer, "same") }
                }
            }
            #expect(twice?.sqlState == .uniqueViolation)
            // One that the server has refused long before the writer is done.
            let early = try await failure {
                try await copy { writer in
                    for index in 0..<20_000 { try await write(writer, "\(index % 1000)") }
                }
            }
            #expect(early?.sqlState == .uniqueViolation)
            let table = try await failure {
                try await database.transaction(scope) { transaction in
                    _ = try await transaction.copyIn("trellis.nowhere", columns: ["a"]) { _ in }
                }
            }
            #expect(table?.sqlState == .undefinedTable)
            let task = database.loop.startTask {
                _ = try? await copy { writer in
                    while !Task.isCancelled { try await write(writer, UUID.v7().text) }
                }
            }
            try await database.loop.sleep(for: .milliseconds(30))
            task.cancel()
            await task.value
            let rows = try await database.run(ItemList(), scope)
            #expect(rows == [])
            let hundred = try await database.transaction { try await $0.run(Divide(divisor: 1)) }
            #expect(hundred == 100)
        }
    }
}
