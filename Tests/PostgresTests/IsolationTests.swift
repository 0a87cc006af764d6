import EventLoop
import Postgres
import Primitives
import TestSupport
import Testing

/// Numbers that repeat from run to run, so that a failure does.
private struct SeededNumbers: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }

    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state
    }
}

/// What a tenant's worker did, counted.
private struct Tally: Sendable {
    var reads = 0
    var foreign = 0
    var failed = 0
    var cancelled = 0
}

@Suite("Postgres isolation")
struct IsolationTests {
    private static let tenants = 64
    private static let rounds = 60

    @Test("64 tenants on one pipelined connection, with aborts and cancellations among them, see their own rows only")
    func oneConnection() async throws {
        try await withDatabase { test in
            try await test.execute(itemTable)
            var limits = PoolLimits()
            limits.sharedConnections = 1
            limits.minimumConnections = 1
            let tenants = (0..<Self.tenants).map { _ in UUID.v7() }
            try await test.withServer(limits) { database in
                let (before, _) = try await database.run(SessionGet(), Divide(divisor: 1), settings: .none)
                let tally = try await withThrowingTaskGroup(of: Tally.self) { group in
                    for (index, tenant) in tenants.enumerated() {
                        group.addTask { try await Self.work(database, tenant, tenants, seed: UInt64(index + 1)) }
                    }
                    var sum = Tally()
                    for try await part in group {
                        sum.reads += part.reads
                        sum.foreign += part.foreign
                        sum.failed += part.failed
                        sum.cancelled += part.cancelled
                    }
                    return sum
                }
                #expect(tally.foreign == 0)
                // The test means something only if all of it happened.
                #expect(tally.reads > Self.tenants * 10)
                #expect(tally.failed > Self.tenants)
                #expect(tally.cancelled > Self.tenants)

                let after = try await database.run(SessionGet())
                #expect(after?.process == before?.process, "all of it went over one connection")
                #expect(after?.tenant == "", "no tenant survives its batch")
                #expect(after?.actor == "", "no actor survives its batch")
                #expect(after?.role == "trellis_server")
                let rows = try await database.run(ItemList())
                #expect(rows == [], "without a tenant there are no rows")
            }
            try await Self.checkRows(test, tenants)
        }
    }

    /// One tenant's work: it writes, reads, aborts and cancels as its numbers tell it.
    private static func work(
        _ database: Database,
        _ tenant: UUID,
        _ tenants: [UUID],
        seed: UInt64
    ) async throws -> Tally {
        var numbers = SeededNumbers(seed)
        var tally = Tally()
        let scope = settings(tenant)
        for round in 0..<rounds {
            let item = UUID.v7()
            let insert = ItemInsert(tenant: tenant, item: item, name: "\(seed)/\(round)")
            switch Int.random(in: 0..<6, using: &numbers) {
            case 0, 1:
                let (_, rows) = try await database.run(insert, ItemList(), settings: scope)
                tally.reads += 1
                tally.foreign += rows.count { $0.tenant != tenant }
                if !rows.contains(where: { $0.item == item }) { tally.foreign += 1 }
            case 2:
                // A batch that aborts after its settings took effect.
                let error = try await failure {
                    _ = try await database.run(insert, Divide(divisor: 0), ItemList(), settings: scope)
                }
                if error?.sqlState?.rawValue == "22012" { tally.failed += 1 }
            case 3:
                // A row of another tenant is refused.
                let other = tenants[Int.random(in: 0..<tenants.count, using: &numbers)]
                guard other != tenant else { continue }
                let error = try await failure {
                    _ = try await database.run(ItemInsert(tenant: other, item: item, name: "stolen"), scope)
                }
                if error?.sqlState == .insufficientPrivilege { tally.failed += 1 }
            case 4:
                let wait = Int.random(in: 0..<3, using: &numbers)
                let task = database.loop.startTask { _ = try? await database.run(insert, scope) }
                for _ in 0..<wait { await Task.yield() }
                task.cancel()
                await task.value
                tally.cancelled += 1
            default:
                let rows = try await database.run(ItemList(), scope)
                tally.reads += 1
                tally.foreign += rows.count { $0.tenant != tenant }
            }
        }
        return tally
    }

    /// Whatever was written says itself whose it is: the name begins with the number of its tenant.
    private static func checkRows(_ test: TestDatabase, _ tenants: [UUID]) async throws {
        let rows = try await test.withAdministrator { try await $0.run(ItemList()) }
        #expect(rows.count > tenants.count)
        let owners = Dictionary(uniqueKeysWithValues: tenants.enumerated().map { (String($0.offset + 1), $0.element) })
        let misplaced = rows.filter { row in
            owners[String(row.name.prefix { $0 != "/" })] != row.tenant
        }
        #expect(misplaced == [])
    }

    @Test("the platform's role lasts for one batch, and is not lent without being asked for")
    func platform() async throws {
        try await withDatabase { test in
            try await test.execute(itemTable)
            try await test.execute(
                """
                SET ROLE trellis_owner;
                CREATE TABLE trellis.open_item (tenant_id uuid NOT NULL, item_id uuid NOT NULL,
                    PRIMARY KEY (tenant_id, item_id));
                CALL trellis.protect_tenant_table('trellis.open_item', platform => true);
                RESET ROLE;
                INSERT INTO trellis.open_item SELECT gen_random_uuid(), gen_random_uuid() FROM generate_series(1, 10)
                """
            )
            struct Count: Statement {
                static let name = "Count"
                static let sql = "SELECT count(*) FROM trellis.open_item"
                func bind(_ parameters: inout Parameters) {}
                static func decode(_ result: borrowing QueryResult) throws(PostgresError) -> Int64? {
                    try result.first { row throws(PostgresError) in try row.int64(0) }
                }
            }
            var limits = PoolLimits()
            limits.sharedConnections = 1
            try await test.withServer(limits) { database in
                var platform = SessionSettings()
                platform.set("role", "trellis_platform")
                for _ in 0..<8 {
                    let all = try await database.run(Count(), platform)
                    #expect(all == 10)
                    let none = try await database.run(Count(), settings(.v7()))
                    #expect(none == 0)
                    let role = try await database.run(SessionGet())?.role
                    #expect(role == "trellis_server")
                    let closed = try await failure { _ = try await database.run(ItemList(), platform) }
                    #expect(closed?.sqlState == .insufficientPrivilege)
                }
                var owner = SessionSettings()
                owner.set("role", "trellis_owner")
                let refused = try await failure { _ = try await database.run(Count(), owner) }
                #expect(refused?.sqlState == .insufficientPrivilege)
            }
        }
    }
}
