import EventLoop
import Logging
import Postgres
import Primitives
import TestSupport
import Testing

@Suite("Postgres pool")
struct PoolTests {
    /// One shared connection that takes one batch at a time, and one to lease.
    private static func narrow(_ change: (inout PoolLimits) -> Void = { _ in }) -> PoolLimits {
        var limits = PoolLimits()
        limits.sharedConnections = 1
        limits.batchesInFlight = 1
        limits.minimumConnections = 1
        limits.maximumConnections = 2
        limits.housekeepingInterval = .milliseconds(20)
        change(&limits)
        return limits
    }

    /// Leases the only connection there is to lease and keeps it until cancelled.
    private static func hold(_ database: Database) async throws -> Task<Void, Never> {
        let isHeld = Shared(false)
        let holder = database.loop.startTask {
            // On a busy machine even the first connection may take longer than the timeout that is tested.
            while !isHeld.value, !Task.isCancelled {
                try? await database.transaction { transaction in
                    _ = try await transaction.run(SessionGet())
                    isHeld.update { $0 = true }
                    try await transaction.run(Sleep(seconds: 60))
                }
            }
        }
        while !isHeld.value { try await database.loop.sleep(for: .milliseconds(5)) }
        return holder
    }

    @Test("who waits for a busy connection longer than the acquire timeout, or than its deadline, hears so")
    func acquireTimeout() async throws {
        try await withDatabase(migrated: false) { test in
            try await test.withServer(Self.narrow { $0.acquireTimeout = .milliseconds(100) }) { database in
                let holder = try await Self.hold(database)
                let started = database.loop.now
                let late = try await failure { try await database.transaction { _ = try await $0.run(SessionGet()) } }
                #expect(late?.kind == .unavailable)
                #expect(late?.message.contains("1 leased") == true)
                let waited = database.loop.now - started
                #expect(waited > 90_000_000 && waited < 2_000_000_000)
                holder.cancel()
                await holder.value
            }
            try await test.withServer(Self.narrow()) { database in
                let holder = try await Self.hold(database)
                let started = database.loop.now
                let scope = SessionSettings(deadline: started + 100_000_000)
                let late = try await failure {
                    try await database.transaction(scope) { _ = try await $0.run(SessionGet()) }
                }
                #expect(late?.kind == .unavailable)
                #expect(database.loop.now - started < 2_000_000_000)
                holder.cancel()
                await holder.value
            }
        }
    }

    @Test("a cancelled caller leaves the line at once, and what it wanted is never sent")
    func cancelledInLine() async throws {
        try await withDatabase { test in
            try await test.execute(itemTable)
            try await test.withServer(Self.narrow()) { database in
                let tenant = UUID.v7()
                let first = database.loop.startTask { try? await database.run(Sleep(seconds: 0.3)) }
                await Task.yield()
                let outcome = Shared<PostgresError?>(nil)
                let second = database.loop.startTask {
                    let error = try? await failure {
                        _ = try await database.run(
                            ItemInsert(tenant: tenant, item: .v7(), name: "a"),
                            settings(tenant)
                        )
                    }
                    outcome.update { $0 = error ?? nil }
                }
                // Both are behind a batch that sleeps: the line, and the lease.
                let started = database.loop.now
                try await database.loop.sleep(for: .milliseconds(20))
                second.cancel()
                await second.value
                #expect(outcome.value?.kind == .cancelled)
                #expect(database.loop.now - started < 250_000_000)
                await first.value
                let rows = try await database.run(ItemList(), settings(tenant))
                #expect(rows == [])
            }
        }
    }

    @Test("a cancelled caller does not wait for its batch under way, and the next one gets its own answer")
    func cancelledInFlight() async throws {
        try await withDatabase(migrated: false) { test in
            try await test.withServer(Self.narrow()) { database in
                _ = try await database.run(Divide(divisor: 1))
                let started = database.loop.now
                let task = database.loop.startTask { try? await database.run(Sleep(seconds: 0.5)) }
                try await database.loop.sleep(for: .milliseconds(20))
                task.cancel()
                await task.value
                #expect(database.loop.now - started < 400_000_000)
                let answer = try await database.run(Divide(divisor: 4))
                #expect(answer == 25)
            }
        }
    }

    @Test("the line has an end")
    func overload() async throws {
        try await withDatabase(migrated: false) { test in
            try await test.withServer(Self.narrow { $0.waiting = 8 }) { database in
                _ = try await database.run(Divide(divisor: 1))
                let refused = try await withThrowingTaskGroup(of: Bool.self) { group in
                    for _ in 0..<40 {
                        group.addTask {
                            try await failure { _ = try await database.run(Divide(divisor: 1)) }?.kind == .overloaded
                        }
                    }
                    return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
                }
                #expect(refused >= 30)
                let answer = try await database.run(Divide(divisor: 1))
                #expect(answer == 100)
            }
        }
    }

    @Test("a statement that keeps a shared connection too long is ended by the server")
    func sharedTimeout() async throws {
        try await withDatabase(migrated: false) { test in
            try await test.withServer(Self.narrow { $0.sharedStatementTimeout = .milliseconds(100) }) { database in
                let error = try await failure { try await database.run(Sleep(seconds: 30)) }
                #expect(error?.kind == .timeout)
                let answer = try await database.run(Divide(divisor: 1))
                #expect(answer == 100)
            }
        }
    }

    @Test("connections are replaced when they are old, under load and at rest, without a failed call")
    func lifetime() async throws {
        try await withDatabase(migrated: false) { test in
            let limits = Self.narrow {
                $0.sharedConnections = 2
                $0.batchesInFlight = 4
                $0.lifetime = .milliseconds(60)
            }
            try await test.withServer(limits) { database in
                let end = database.loop.now + 60_000_000_000
                let seen = Shared<Set<Int32>>([])
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for index in 0..<12 {
                        group.addTask {
                            while seen.value.count < 8, database.loop.now < end {
                                let session =
                                    index == 0
                                    ? try await database.transaction { try await $0.run(SessionGet()) }
                                    : try await database.run(SessionGet())
                                if let session { seen.update { _ = $0.insert(session.process) } }
                            }
                        }
                    }
                    try await group.waitForAll()
                }
                #expect(seen.value.count >= 8)
            }
        }
    }

    @Test("who asks for a database that is not there waits for the grace only once, and is told why")
    func nothingThere() async throws {
        try await onLoop { loop in
            var limits = PoolLimits()
            limits.outageGrace = .milliseconds(200)
            let address = DatabaseAddress(socketDirectory: "/nonexistent/folder", database: "x", user: "y")
            var logger = Logger(label: "test")
            logger.logLevel = .critical
            let database = Database(loop: loop, address: address, limits: limits, logger: logger)
            defer { database.close() }
            let started = loop.now
            let first = try await failure { _ = try await database.run(Divide(divisor: 1)) }
            #expect(first?.kind == .unavailable)
            #expect(first?.message.contains("/nonexistent/folder") == true)
            #expect(loop.now - started < 5_000_000_000)
            let again = loop.now
            let second = try await failure { try await database.transaction { _ = try await $0.run(SessionGet()) } }
            #expect(second?.kind == .unavailable)
            #expect(loop.now - again < 50_000_000, "it is known to be away")
        }
    }

    @Test("a pool that is closed answers its callers")
    func closing() async throws {
        try await withDatabase(migrated: false) { test in
            try await test.withServer(Self.narrow()) { database in
                _ = try await database.run(Divide(divisor: 1))
                let outcomes = Shared<[PostgresError.Kind?]>([])
                let tasks = (0..<3).map { _ in
                    database.loop.startTask {
                        let error = try? await failure { try await database.run(Sleep(seconds: 5)) }
                        outcomes.update { $0.append(error?.kind) }
                    }
                }
                try await database.loop.sleep(for: .milliseconds(20))
                database.close()
                for task in tasks { await task.value }
                #expect(outcomes.value.count == 3)
                #expect(outcomes.value.allSatisfy { $0 == .unavailable || $0 == .outcomeUnknown })
                let after = try await failure { _ = try await database.run(Divide(divisor: 1)) }
                #expect(after?.kind == .unavailable)
            }
        }
    }
}
