import Credentials
import Domain
import EventLoop
import Postgres
import Primitives
import Tenancy
import TestSupport
import Testing
import TrellisAPI

@testable import TrellisServer

/// What one loop remembers of callers, with look-ups that are held up in the database at will.
@Suite("Doorkeeper", .timeLimit(.minutes(1)))
struct DoorkeeperTests {
    private struct LockKeys: Statement {
        static let name = "LockKeys"
        static let sql = "LOCK TABLE trellis.api_key IN ACCESS EXCLUSIVE MODE"

        func bind(_ parameters: inout Parameters) {}

        static func decode(_ result: borrowing QueryResult) throws(PostgresError) {}
    }

    private struct Blocked: Statement {
        static let name = "Blocked"
        static let sql = """
            SELECT count(*) FROM pg_locks
            WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            """

        func bind(_ parameters: inout Parameters) {}

        static func decode(_ result: borrowing QueryResult) throws(PostgresError) -> Int64? {
            try result.first { row throws(PostgresError) in try row.int64(0) }
        }
    }

    /// A doorkeeper on the test's loop that trusts what it remembers, and a key. Confined to the loop. Hence @unchecked.
    private final class Door: @unchecked Sendable {
        let loop: EventLoop
        let administrator: Database
        let news = AccessNews()
        let doorkeeper: Doorkeeper
        let tenant: UUID
        let header: [UInt8]
        let evidence: Evidence
        var admitted: [Caller] = []

        init(_ server: TestServer, _ pool: Database, _ administrator: Database) async throws {
            let (tenant, key) = try await server.tenant("acme")
            self.tenant = try #require(UUID(tenant.id))
            loop = pool.loop
            self.administrator = administrator
            doorkeeper = Doorkeeper(
                loop,
                pool,
                AccessTokens(pool, CredentialSettings()),
                news,
                RateLimiter(share: 1, perAddress: 0)
            )
            header = Array("Bearer \(key)".utf8)
            evidence = try Evidence(header: header)
            news.trustedUntil = .max
        }

        var known: Caller? { header.withUnsafeBytes { doorkeeper.known($0) } }

        /// Asks for the caller as often as `meanwhile` says, with its look-ups held up until it returns.
        func holdingUp(_ meanwhile: (Door) async throws -> [Task<Void, Never>]) async throws {
            let asked = try await administrator.transaction { transaction in
                try await transaction.run(LockKeys())
                return try await meanwhile(self)
            }
            for task in asked { await task.value }
        }

        /// Begins to ask, and waits until so many look-ups in all are held up.
        func ask(isUrgent: Bool = false, blocked: Int64) async throws -> Task<Void, Never> {
            let task = loop.startTask { [self] in
                do { admitted.append(try await doorkeeper.admit(evidence, isUrgent: isUrgent)) } catch {
                    Issue.record(error)
                }
            }
            while try await administrator.run(Blocked()) != blocked { try await loop.sleep(for: .milliseconds(5)) }
            return task
        }
    }

    private static func with(_ body: @escaping @Sendable (Door) async throws -> Void) async throws {
        try await TestServer.with { server in
            let database = server.database
            try await database.loop.run {
                try await database.withServer { pool in
                    try await database.withAdministrator { administrator in
                        try await body(try await Door(server, pool, administrator))
                    }
                }
            }
        }
    }

    @Test("who was let in is known, to the end of the trust or to the next change of their tenant")
    func known() async throws {
        try await Self.with { door in
            #expect(door.known == nil)
            let caller = try await door.doorkeeper.admit(door.evidence, isUrgent: false)
            #expect(door.known === caller && caller.scope.tenant == door.tenant)
            door.news.tell(of: .v7())
            #expect(door.known === caller)
            door.news.trustedUntil = 0
            #expect(door.known == nil)
            door.news.trustedUntil = .max
            #expect(door.known === caller)
            door.news.tell(of: door.tenant)
            #expect(door.known == nil)
            let again = try await door.doorkeeper.admit(door.evidence, isUrgent: false)
            #expect(door.known === again)
            door.news.tell(of: nil)
            #expect(door.known == nil)
        }
    }

    @Test("what was asked before a change is the answer to those who asked, and is not remembered")
    func underWay() async throws {
        for everything in [false, true] {
            try await Self.with { door in
                try await door.holdingUp { door in
                    let task = try await door.ask(blocked: 1)
                    door.news.tell(of: everything ? nil : door.tenant)
                    return [task]
                }
                #expect(door.admitted.count == 1 && door.known == nil)
            }
        }
    }

    @Test("who comes after a change does not wait for what was asked before it")
    func late() async throws {
        try await Self.with { door in
            try await door.holdingUp { door in
                let early = try await door.ask(blocked: 1)
                door.news.tell(of: door.tenant)
                return [early, try await door.ask(blocked: 2)]
            }
            #expect(door.admitted.count == 2 && door.admitted[0] !== door.admitted[1])
            #expect(door.known != nil)
        }
    }

    @Test("many ask once, but those who must not and those of a server that hears nothing")
    func sharing() async throws {
        try await Self.with { door in
            try await door.holdingUp { door in
                [try await door.ask(blocked: 1), try await door.ask(blocked: 1)]
            }
            #expect(door.admitted.count == 2 && door.admitted[0] === door.admitted[1])
            try await door.holdingUp { door in
                [try await door.ask(blocked: 1), try await door.ask(isUrgent: true, blocked: 2)]
            }
            #expect(door.admitted.count == 4 && door.admitted[2] !== door.admitted[3])
            door.news.trustedUntil = 0
            try await door.holdingUp { door in
                [try await door.ask(blocked: 1), try await door.ask(blocked: 2)]
            }
            #expect(door.admitted.count == 6 && door.admitted[4] !== door.admitted[5])
        }
    }
}
