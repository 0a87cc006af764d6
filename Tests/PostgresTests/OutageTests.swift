import EventLoop
import Glibc
import Logging
import Postgres
import Primitives
import PrivateCluster
import TestSupport
import Testing

/// A cluster that a test may kill.
private func withCluster(
    _ body: @escaping @Sendable (PrivateCluster, Database) async throws -> Void
) async throws {
    try await withTemporaryFolder { home in
        var options = PrivateCluster.Options(home: home, connections: 30, major: TestCluster.major)
        options.forTests = true
        try await onLoop { [options] loop in
            let cluster = try await onThread { try PrivateCluster.start(options, logger: silent) }
            do {
                try await use(cluster, loop, body)
            } catch {
                cluster.stop()
                throw error
            }
            try await onThread { cluster.stop() }
        }
    }
}

private func use(
    _ cluster: PrivateCluster,
    _ loop: EventLoop,
    _ body: (PrivateCluster, Database) async throws -> Void
) async throws {
    let administrator = Database(loop: loop, address: cluster.administratorAddress, logger: silent)
    try await administrator.run(
        script: """
            CREATE TABLE entry (writer int NOT NULL, number int NOT NULL, PRIMARY KEY (writer, number));
            GRANT ALL ON entry TO trellis_server
            """
    )
    administrator.close()
    var limits = PoolLimits()
    limits.sharedBatchTimeout = .milliseconds(500)
    limits.housekeepingInterval = .milliseconds(100)
    let database = Database(loop: loop, address: cluster.address, limits: limits, logger: silent)
    defer { database.close() }
    try await body(cluster, database)
}

/// Outages are what these tests are about: nobody needs to read of each.
private let silent: Logger = {
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    return logger
}()

private struct EntryInsert: Statement {
    static let name = "EntryInsert"
    static let sql = "INSERT INTO public.entry (writer, number) VALUES ($1, $2)"
    var writer: Int32
    var number: Int32

    func bind(_ parameters: inout Parameters) {
        parameters.add(writer)
        parameters.add(number)
    }

    static func decode(_ result: borrowing QueryResult) throws(PostgresError) -> Int { result.rowsAffected }
}

private struct EntryList: Statement {
    static let name = "EntryList"
    static let sql = "SELECT writer, number FROM public.entry"

    func bind(_ parameters: inout Parameters) {}

    static func decode(_ result: borrowing QueryResult) throws(PostgresError) -> [[Int32]] {
        try result.rows { row throws(PostgresError) in [try row.int32(0), try row.int32(1)] }
    }
}

/// What the writers were told.
private struct Told: Sendable {
    var acknowledged: Set<[Int32]> = []
    var failed = 0
    var kinds: Set<String> = []
    var isOver = false
}

/// Writes from many tasks, in batches and in transactions, while `strike` happens; then everything must work again and
/// every acknowledged row must be there.
private func underLoad(_ database: Database, _ strike: @escaping @Sendable () async throws -> Void) async throws {
    let told = Shared(Told())
    try await withThrowingTaskGroup(of: Void.self) { group in
        for writer in Int32(0)..<16 {
            group.addTask {
                var number: Int32 = 0
                while !told.value.isOver {
                    number += 1
                    let entry = EntryInsert(writer: writer, number: number)
                    do {
                        if writer < 12 {
                            _ = try await database.run(entry)
                        } else {
                            try await database.transaction { _ = try await $0.run(entry) }
                        }
                        told.update { [number] in _ = $0.acknowledged.insert([writer, number]) }
                    } catch let error as PostgresError {
                        told.update {
                            $0.failed += 1
                            $0.kinds.insert("\(error.kind)")
                        }
                        try await database.loop.sleep(for: .milliseconds(5))
                    }
                }
            }
        }
        group.addTask {
            try await waitUntil(database.loop) { told.value.acknowledged.count > 200 }
            try await strike()
            try await waitUntil(database.loop) { told.value.failed > 0 }
            let before = told.value.acknowledged.count
            // It works again by itself.
            try await waitUntil(database.loop) { told.value.acknowledged.count > before + 200 }
            told.update { $0.isOver = true }
        }
        try await group.waitForAll()
    }
    let rows = Set(try await database.run(EntryList()))
    #expect(told.value.acknowledged.subtracting(rows) == [], "no acknowledged write is missing")
    #expect(told.value.kinds.isSubset(of: ["outcomeUnknown", "unavailable", "server"]), "\(told.value.kinds)")
}

private struct WaitedTooLong: Error {}

private func waitUntil(
    _ loop: EventLoop,
    _ condition: () -> Bool,
    meanwhile: () async throws -> Void = {}
) async throws {
    let end = loop.now + 60_000_000_000
    while !condition() {
        guard loop.now < end else { throw WaitedTooLong() }
        try await meanwhile()
        try await loop.sleep(for: .milliseconds(5))
    }
}

@Suite("Postgres outages", .serialized)
struct OutageTests {
    @Test("kill -9 of one session's process under load: the others hear of it, and all goes on")
    func backendKilled() async throws {
        try await withCluster { _, database in
            try await underLoad(database) {
                let process = try await database.run(SessionGet())?.process ?? 0
                #expect(process > 1 && kill(process, SIGKILL) == 0)
            }
        }
    }

    @Test("kill -9 of PostgreSQL under load: it is started again, and no acknowledged write is missing")
    func postmasterKilled() async throws {
        try await withCluster { cluster, database in
            let first = cluster.process ?? 0
            try await underLoad(database) { #expect(first > 1 && kill(first, SIGKILL) == 0) }
            #expect(cluster.process != nil && cluster.process != first)
        }
    }

    @Test("an administrator's restart under load is survived, too")
    func restarted() async throws {
        try await withCluster { cluster, database in
            let first = cluster.process ?? 0
            try await underLoad(database) { #expect(first > 1 && kill(first, SIGINT) == 0) }
        }
    }

    @Test("a server that has stopped answering is given up, with the outcome unknown")
    func silent() async throws {
        try await withCluster { _, database in
            // Both connections are open before one of them falls silent.
            let processes = Shared<Set<Int32>>([])
            try await waitUntil(database.loop) {
                processes.value.count == 2
            } meanwhile: {
                async let one = database.run(SessionGet())
                async let other = database.run(SessionGet())
                for session in [try await one, try await other] {
                    if let session { processes.update { _ = $0.insert(session.process) } }
                }
            }
            let process = processes.value.min() ?? 0
            #expect(process > 1 && kill(process, SIGSTOP) == 0)
            let kinds = try await withThrowingTaskGroup(of: PostgresError.Kind?.self) { group in
                for number in Int32(1)...8 {
                    group.addTask {
                        try await failure { _ = try await database.run(EntryInsert(writer: 99, number: number)) }?.kind
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            kill(process, SIGCONT)
            // Half of them went to the other connection.
            #expect(kinds.contains(.outcomeUnknown))
            #expect(kinds.contains(nil))
            #expect(kinds.allSatisfy { $0 == nil || $0 == .outcomeUnknown })
            let answer = try await database.run(Divide(divisor: 1))
            #expect(answer == 100)
        }
    }
}
