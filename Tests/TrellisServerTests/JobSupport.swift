import Domain
import EventLoop
import Operations
import Postgres
import Primitives
import Protobuf
import RPC
import RPCClient
import Synchronization
import TestSupport
import Testing
import TrellisAPI

@testable import TrellisServer

/// What the jobs of a test have done, and what they wait for: shared by all servers of the test.
final class JobLog: Sendable {
    private struct State {
        var runs: [String: Int] = [:]
        var now = 0
        var most = 0
        var isOpen = false
    }

    private let state = Mutex(State())

    /// How often each name was noted.
    var runs: [String: Int] { state.withLock { $0.runs } }
    /// How many ran at the same time at most.
    var most: Int { state.withLock { $0.most } }

    func note(_ name: String) -> Int {
        state.withLock { state in
            state.runs[name, default: 0] += 1
            return state.runs[name] ?? 0
        }
    }

    func began() { state.withLock { ($0.now, $0.most) = ($0.now + 1, max($0.most, $0.now + 1)) } }
    func ended() { state.withLock { $0.now -= 1 } }

    /// Lets those go on who wait.
    func open() { state.withLock { $0.isOpen = true } }

    /// Waits until somebody opens.
    func waitUntilOpen(_ loop: EventLoop) async throws {
        while !state.withLock({ $0.isOpen }) { try await loop.sleep(for: .milliseconds(10)) }
    }
}

/// The kinds of jobs that tests run; the payload's display_name tells them apart.
enum TestJobs {
    static let count = JobKind<Site>("test.count")
    static let single = JobKind<Site>("test.single", concurrency: 1)
    static let fail = JobKind<Site>("test.fail")
    static let refuse = JobKind<Site>("test.refuse")
    static let wait = OperationKind<Site, Site>("test.wait")
    static let finish = JobKind<Site>("test.finish")
    static let tick = JobKind<NoPayload>("test.tick")

    struct Failure: Error, CustomStringConvertible {
        let description = "as it was told"
    }

    static func registry(_ log: JobLog) -> JobRegistry {
        var registry = JobRegistry()
        registry.handle(count) { payload, _ in _ = log.note(payload.displayName) }
        registry.handle(single) { _, context in
            log.began()
            try await context.loop.sleep(for: .milliseconds(5))
            log.ended()
        }
        registry.handle(fail) { payload, _ in
            _ = log.note(payload.displayName)
            throw Failure()
        }
        registry.handle(refuse) { payload, _ in
            _ = log.note(payload.displayName)
            throw DomainError.invalid("display_name", "it is refused")
        }
        // Reports, waits, and answers with what it was given.
        registry.handle(wait) { payload, context in
            _ = log.note(payload.displayName)
            try await context.report(done: 1, total: 2, message: "waiting")
            try await log.waitUntilOpen(context.loop)
            return payload
        }
        // The first attempt waits, all of them end with a transaction of their own.
        registry.handle(finish) { payload, context in
            if log.note(payload.displayName) == 1 { try await log.waitUntilOpen(context.loop) }
            try await context.finish { work in
                try await work.enqueue(count, Site(displayName: "after \(payload.displayName)"))
            }
        }
        registry.handle(tick) { _, _ in _ = log.note("tick") }
        registry.schedule("test-tick", .cron(CronExpression(literal: "0 0 1 1 *")), tick, NoPayload())
        return registry
    }
}

extension TestDatabase {
    /// Runs servers on this database, whose jobs keep `log`, and stops them.
    func withServers(
        _ count: Int,
        log: JobLog,
        limits: [JobLimits] = [],
        _ body: ([TestServer]) async throws -> Void
    ) async throws {
        let key = Server.newPlatformKey()
        var servers: [TestServer] = []
        for index in 0..<count {
            servers.append(
                try await TestServer(
                    on: self,
                    platformKey: key,
                    jobs: TestJobs.registry(log),
                    jobLimits: index < limits.count ? limits[index] : JobLimits()
                )
            )
        }
        let outcome: Result<Void, any Error>
        do { outcome = .success(try await body(servers)) } catch { outcome = .failure(error) }
        for server in servers { await server.stop() }
        try outcome.get()
    }

    /// Does work as a use case does it: in one transaction, under a scope.
    func work<Value>(_ scope: Scope, _ body: (Work) async throws -> Value) async throws -> Value {
        let call = WriteCall(
            scope: scope,
            method: "test",
            callID: "test",
            isAudited: false,
            keyring: Keyring(root: testEncryptionKey)
        )
        return try await withServer { database in
            var value: Value?
            _ = try await database.write(CreateSiteRequest(), call) { work in
                value = try await body(work)
                return Site()
            }
            return try #require(value)
        }
    }

    /// The row of a job.
    func job(_ id: UUID, tenant: UUID = .zero) async throws -> Job? {
        try await withServer { try await $0.run(JobGet(tenantID: tenant, jobID: id), Scope.platformSettings) }
    }

    /// Waits until a job is as it is to be.
    func eventually(
        _ id: UUID,
        tenant: UUID = .zero,
        _ condition: (Job) -> Bool,
        _ location: SourceLocation = #_sourceLocation
    ) async throws -> Job {
        var last: Job?
        for _ in 0..<2000 {
            last = try await job(id, tenant: tenant)
            if let last, condition(last) { return last }
            try await loop.sleep(for: .milliseconds(10))
        }
        Issue.record("job \(id) is still \(String(describing: last))", sourceLocation: location)
        throw CancellationError()
    }
}

/// Waits until something holds.
func eventually(
    _ what: String,
    _ location: SourceLocation = #_sourceLocation,
    _ condition: () async throws -> Bool
) async throws {
    for _ in 0..<2000 {
        if try await condition() { return }
        try await Task.sleep(for: .milliseconds(10))
    }
    Issue.record("in vain: \(what)", sourceLocation: location)
    throw CancellationError()
}

extension Scope {
    /// The platform, by some key.
    static let platform = Scope(
        tenant: .zero,
        actor: .platform(key: .v7()),
        grants: Grants(tenant: PermissionSet(["*"]))
    )

    /// A program of a tenant.
    static func service(_ tenant: Tenant, key: UUID = .v7()) throws -> Scope {
        Scope(
            tenant: try #require(UUID(tenant.id)),
            actor: .service(key: key),
            grants: Grants(tenant: PermissionSet(["*"]))
        )
    }
}

extension JobLimits {
    /// A server that hears of everything by notifications alone.
    static var listening: JobLimits {
        var limits = JobLimits()
        limits.pollInterval = .seconds(3600)
        limits.lease = .seconds(3600)
        return limits
    }
}

extension TestServer {
    /// Calls a method of OperationsService.
    func operations<Answer: Message>(
        _ method: String,
        _ request: some Message,
        _ token: String,
        as: Answer.Type = Answer.self
    ) async throws -> Answer {
        try await knowledge("operations.v1.OperationsService/\(method)", request, token)
    }

    /// Calls a method of JobsService as the platform.
    func jobs<Answer: Message>(
        _ method: String,
        _ request: some Message,
        as: Answer.Type = Answer.self
    ) async throws -> Answer {
        try await knowledge("operations.v1.JobsService/\(method)", request, platformKey)
    }

    /// How a call is refused.
    func refused(_ body: () async throws -> some Sendable) async -> RPCError? {
        do {
            _ = try await body()
            return nil
        } catch {
            return error as? RPCError
        }
    }

    /// Has a schedule's time come, and waits until its job has ended.
    func runSchedule(_ name: String) async throws {
        let before = try await schedule(name)
        try await database.execute("UPDATE trellis.schedule SET next_time = now() WHERE name = '\(name)'")
        try await eventually("\(name) runs") {
            let after = try await schedule(name)
            guard after.lastJobID != before.lastJobID, let id = UUID(after.lastJobID) else { return false }
            return try await database.job(id)?.state == .succeeded
        }
    }

    /// A schedule; waits until there is a leader that has made it known.
    func schedule(_ name: String) async throws -> Schedule {
        var found: Schedule?
        try await eventually("there is the schedule \(name)") {
            let list: ListSchedulesResponse = try await jobs("ListSchedules", ListSchedulesRequest())
            found = list.schedules.first { $0.name == name }
            return found != nil
        }
        return try #require(found)
    }
}
