import Domain
import EventLoop
import Operations
import Postgres
import Primitives
import RPC
import TestSupport
import Testing
import TrellisAPI

@testable import TrellisServer

@Suite("Jobs")
struct JobTests {
    struct Refusal: Error {}

    @Test("a job is there exactly when the transaction that wanted it took effect, and runs under its tenant")
    func enqueue() async throws {
        try await withDatabase { database in
            let log = JobLog()
            // Nobody looks by itself: the notification is what has it run.
            try await database.withServers(1, log: log, limits: [.listening]) { servers in
                let tenant = try await servers[0].tenant("acme").tenant
                let scope = try Scope.service(tenant)
                await #expect(throws: Refusal.self) {
                    try await database.work(scope) { work in
                        #expect(try await work.enqueue(TestJobs.count, Site(displayName: "rolled back")) != nil)
                        throw Refusal()
                    }
                }
                let id = try await database.work(scope) { work in
                    try #require(try await work.enqueue(TestJobs.count, Site(displayName: "kept")))
                }
                let job = try await database.eventually(id, tenant: scope.tenant) { $0.state == .succeeded }
                #expect(job.tenantID == tenant.id && job.kind == "test.count" && job.attempts == 1 && job.failures == 0)
                #expect(job.startTime != nil && job.finishTime != nil && job.leaseTime == nil)
                let (ended, gone) = (try #require(job.finishTime).seconds, try #require(job.expireTime).seconds)
                #expect((30 * 86_400...30 * 86_400 + 1).contains(gone - ended))
                let list: ListJobsResponse = try await servers[0].jobs("ListJobs", ListJobsRequest(tenantID: tenant.id))
                #expect(list.jobs.map(\.id) == [id.text] && log.runs == ["kept": 1])
            }
        }
    }

    @Test("what servers wait for is told them when it is committed, and only then")
    func notifications() async throws {
        try await withDatabase { database in
            try await database.withServer { pool in
                let heard = JobLog()
                let listener = pool.listen(to: [JobSignals.channel], applicationName: "test") { event in
                    if case .notified(let notification) = event { _ = heard.note(notification.payload) }
                }
                try await eventually("it listens") { listener.process != nil }
                _ = try? await database.work(.platform) { work in
                    try await work.enqueue(TestJobs.count, Site())
                    throw Refusal()
                }
                try await listener.roundTrip()
                #expect(heard.runs == [:])
                let id = try await database.work(.platform) { work in
                    let later = Instant.now().advanced(byMicroseconds: 3_600_000_000)
                    try await work.enqueue(TestJobs.fail, Site(), at: later)
                    return try #require(try await work.enqueue(TestJobs.count, Site()))
                }
                try await listener.roundTrip()
                #expect(heard.runs == ["queued": 1])
                let claim = JobClaim(
                    kinds: ["test.count"],
                    counts: [5],
                    afterHolders: [.zero],
                    count: 5,
                    workerID: .v7(),
                    leaseMilliseconds: 60_000
                )
                #expect(try await pool.run(claim, Scope.platformSettings).map(\.jobID) == [id])
                #expect(try await pool.run(claim, Scope.platformSettings) == [])
                _ = try await pool.run(JobCancel(error: [], tenantID: .zero, jobID: id), Scope.platformSettings)
                try await listener.roundTrip()
                #expect(heard.runs == ["queued": 1, "cancel \(id)": 1])
                let back = JobGiveBack(tenantID: .zero, jobID: id, attempt: 1)
                #expect(try await pool.run(back, Scope.platformSettings) == 1)
                // Of an attempt that is over.
                #expect(try await pool.run(back, Scope.platformSettings) == 0)
                try await database.execute("UPDATE trellis.job SET cancel_time = NULL")
                _ = try await pool.run(JobCancel(error: [], tenantID: .zero, jobID: id), Scope.platformSettings)
                try await listener.roundTrip()
                #expect(heard.runs["done \(id)"] == 1)
            }
        }
    }

    @Test("a thousand jobs over two servers run once each")
    func exactlyOnce() async throws {
        try await withDatabase { database in
            let log = JobLog()
            try await database.withServers(2, log: log) { servers in
                let scope = try Scope.service(try await servers[0].tenant("acme").tenant)
                try await database.work(scope) { work in
                    for index in 0..<1000 { try await work.enqueue(TestJobs.count, Site(displayName: "job \(index)")) }
                }
                try await eventually("all are done") {
                    let open = ListJobsRequest(kind: "test.count", state: .succeeded, pageSize: 1000)
                    return try await servers[1].jobs("ListJobs", open, as: ListJobsResponse.self).jobs.count == 1000
                }
                #expect(log.runs.count == 1000 && log.runs.values.allSatisfy { $0 == 1 })
                let request = ListJobsRequest(kind: "test.count", pageSize: 1000)
                let jobs: ListJobsResponse = try await servers[0].jobs("ListJobs", request)
                #expect(jobs.jobs.allSatisfy { $0.attempts == 1 && $0.failures == 0 })
            }
        }
    }

    @Test("a job whose server is not heard of is taken over, and what the first server then does has no effect")
    func takenOver() async throws {
        try await withDatabase { database in
            let log = JobLog()
            try await database.withServers(2, log: log) { servers in
                let id = try await database.work(.platform) { work in
                    try #require(try await work.enqueue(TestJobs.finish, Site(displayName: "twice")))
                }
                _ = try await database.eventually(id) { $0.state == .running }
                try await eventually("the first attempt waits") { log.runs["twice"] == 1 }
                try await database.execute(
                    "UPDATE trellis.job SET lease_time = now() - interval '1 second' WHERE job_id = '\(id)'"
                )
                let job = try await database.eventually(id) { $0.state == .succeeded }
                #expect(job.attempts == 2 && job.failures == 1 && log.runs["twice"] == 2)
                log.open()
                try await eventually("the first attempt is known to be lost") {
                    var text = ""
                    for server in servers { text += try await server.admin("/metrics").body }
                    return text.contains(#"trellis_jobs_ended_total{kind="test.finish",outcome="lost"} 1"#)
                }
                try await eventually("what the second has enqueued has run") { log.runs["after twice"] != nil }
                #expect(log.runs["after twice"] == 1)
                #expect(try await database.job(id) == job)
            }
        }
    }

    @Test("a job that fails is tried again after 2, 4 and 8 seconds, then fails for good, and can be retried by hand")
    func retries() async throws {
        try await withDatabase { database in
            let log = JobLog()
            try await database.withServers(1, log: log) { servers in
                let id = try await database.work(.platform) { work in
                    try #require(try await work.enqueue(TestJobs.fail, Site(displayName: "fails")))
                }
                for failures in 1...3 {
                    let job = try await database.eventually(id) { $0.state == .queued && $0.failures == failures }
                    let (failed, next) = (try #require(job.updateTime).instant, try #require(job.runTime).instant)
                    #expect(next == failed.advanced(byMicroseconds: 1_000_000 << failures) && job.attempts == failures)
                    #expect(job.lastError == "as it was told" && job.leaseTime == nil && job.finishTime == nil)
                    try await database.execute("UPDATE trellis.job SET run_time = now() WHERE job_id = '\(id)'")
                }
                let job = try await database.eventually(id) { $0.state == .failed }
                #expect(job.attempts == 4 && job.failures == 4 && log.runs == ["fails": 4])
                let retried: Job = try await servers[0].jobs("RetryJob", RetryJobRequest(id: id.text))
                #expect(retried.failures == 0 && retried.finishTime == nil)
                let again = try await database.eventually(id) { $0.failures == 1 && $0.state == .queued }
                #expect(again.attempts == 5)
                // One that waits for its time can be run at once, too.
                _ = try await servers[0].jobs("RetryJob", RetryJobRequest(id: id.text), as: Job.self)
                _ = try await database.eventually(id) { $0.attempts == 6 }
            }
        }
    }

    @Test("what the domain refuses is not tried again")
    func permanent() async throws {
        try await withDatabase { database in
            let log = JobLog()
            try await database.withServers(1, log: log) { servers in
                let id = try await database.work(.platform) { work in
                    try #require(try await work.enqueue(TestJobs.refuse, Site(displayName: "refused")))
                }
                let job = try await database.eventually(id) { $0.state == .failed }
                #expect(job.attempts == 1 && job.lastError == "INVALID_FIELDS: display_name: it is refused")
                let done = try await database.work(.platform) { work in
                    try #require(try await work.enqueue(TestJobs.count, Site(displayName: "done")))
                }
                _ = try await database.eventually(done) { $0.state == .succeeded }
                let refused = await servers[0].refused {
                    try await servers[0].jobs("RetryJob", RetryJobRequest(id: done.text), as: Job.self)
                }
                #expect(refused?.code == .failedPrecondition && refused?.reason == "JOB_NOT_RETRYABLE")
                let absent = await servers[0].refused {
                    try await servers[0].jobs("GetJob", GetJobRequest(id: UUID.v7().text), as: Job.self)
                }
                #expect(absent?.code == .notFound)
            }
        }
    }

    @Test("a running job is cancelled, and one that waits for its time ends at once")
    func cancel() async throws {
        try await withDatabase { database in
            let log = JobLog()
            try await database.withServers(1, log: log, limits: [.listening]) { servers in
                let (running, waiting) = try await database.work(.platform) { work in
                    let later = Instant.now().advanced(byMicroseconds: 3_600_000_000)
                    return (
                        try await work.startOperation(TestJobs.wait, Site(displayName: "runs")).id,
                        try #require(try await work.enqueue(TestJobs.count, Site(displayName: "waits"), at: later)).text
                    )
                }
                let id = try #require(UUID(running))
                _ = try await database.eventually(id) { $0.state == .running && $0.progressDone == 1 }
                let asked: Job = try await servers[0].jobs("CancelJob", CancelJobRequest(id: running))
                #expect(asked.cancelTime != nil)
                let job = try await database.eventually(id) { $0.state == .cancelled }
                #expect(job.attempts == 1 && job.failures == 0)
                let ended: Job = try await servers[0].jobs("CancelJob", CancelJobRequest(id: waiting))
                #expect(ended.state == .cancelled && ended.finishTime != nil && ended.attempts == 0)
                // Cancelled again it stays as it is; retried it runs.
                let again: Job = try await servers[0].jobs("CancelJob", CancelJobRequest(id: waiting))
                #expect(again == ended)
                _ = try await servers[0].jobs("RetryJob", RetryJobRequest(id: waiting), as: Job.self)
                try await eventually("it runs after all") { log.runs["waits"] == 1 }
            }
        }
    }

    @Test("a job whose server died after somebody had asked for it to be given up is not begun again")
    func cancelledWhileLost() async throws {
        try await withDatabase { database in
            let log = JobLog()
            var none = JobLimits()
            none.slots = 0
            try await database.withServers(1, log: log, limits: [none]) { _ in
                let id = try await database.work(.platform) { work in
                    try #require(try await work.enqueue(TestJobs.count, Site(displayName: "dead")))
                }
                try await database.execute(
                    """
                    UPDATE trellis.job SET state = 2, attempts = 1, lease_time = now() - interval '1 second',
                        cancel_time = now() WHERE job_id = '\(id)'
                    """
                )
                try await database.withServers(1, log: log) { _ in
                    let job = try await database.eventually(id) { $0.state == .cancelled }
                    #expect(job.attempts == 2 && log.runs == [:])
                }
            }
        }
    }

    @Test("a job that kills its servers is given up as often as it would be tried")
    func abandoned() async throws {
        try await withDatabase { database in
            let log = JobLog()
            let id = try await database.work(.platform) { work in
                try #require(try await work.enqueue(TestJobs.count, Site(displayName: "deadly")))
            }
            try await database.execute(
                """
                UPDATE trellis.job SET state = 2, attempts = 4, failures = 3, lease_time = now() - interval '1 second'
                WHERE job_id = '\(id)'
                """
            )
            try await database.withServers(1, log: log) { _ in
                let job = try await database.eventually(id) { $0.state == .failed }
                #expect(job.attempts == 5 && log.runs == [:])
                #expect(job.lastError.contains("not heard of again"))
            }
        }
    }

    @Test("a server that stops gives back what it has not ended within its grace, and another one goes on")
    func givenBack() async throws {
        try await withDatabase { database in
            let log = JobLog()
            var id = UUID.zero
            try await database.withServers(1, log: log) { servers in
                let operation = try await database.work(.platform) { work in
                    try await work.startOperation(TestJobs.wait, Site(displayName: "long"))
                }
                id = try #require(UUID(operation.id))
                _ = try await database.eventually(id) { $0.state == .running && $0.progressDone == 1 }
                await servers[0].server.stop(grace: .zero)
                let job = try #require(try await database.job(id))
                #expect(job.state == .queued && job.attempts == 1 && job.failures == 0 && job.leaseTime == nil)
            }
            log.open()
            let stopped = id
            try await database.withServers(1, log: log) { _ in
                let job = try await database.eventually(stopped) { $0.state == .succeeded }
                #expect(job.attempts == 2 && log.runs == ["long": 2])
            }
        }
    }

    @Test("while a job with a unique key has not ended, its tenant gets no other of its kind")
    func unique() async throws {
        try await withDatabase { database in
            let log = JobLog()
            try await database.withServers(1, log: log) { servers in
                let scope = try Scope.service(try await servers[0].tenant("acme").tenant)
                let other = try Scope.service(try await servers[0].tenant("other").tenant)
                let later = Instant.now().advanced(byMicroseconds: 3_600_000_000)
                func enqueue(_ scope: Scope, _ name: String) async throws -> UUID? {
                    try await database.work(scope) { work in
                        try await work.enqueue(TestJobs.count, Site(displayName: name), at: later, uniqueKey: "k")
                    }
                }
                let first = try #require(try await enqueue(scope, "first"))
                #expect(try await enqueue(scope, "second") == nil)
                #expect(try await enqueue(other, "third") != nil)
                let request = CancelJobRequest(id: first.text, tenantID: scope.tenant.text)
                _ = try await servers[0].jobs("CancelJob", request, as: Job.self)
                #expect(try await enqueue(scope, "fourth") != nil)
                let refused = await servers[0].refused {
                    let request = RetryJobRequest(id: first.text, tenantID: scope.tenant.text)
                    return try await servers[0].jobs("RetryJob", request, as: Job.self)
                }
                #expect(refused?.code == .failedPrecondition && refused?.reason == "JOB_SUPERSEDED")
            }
        }
    }

    @Test("who wants one thing done does not wait behind all that another wants done")
    func fairness() async throws {
        try await withDatabase { database in
            var idle = JobLimits()
            idle.slots = 0
            try await database.withServers(1, log: JobLog(), limits: [idle]) { servers in
                let flood = try Scope.service(try await servers[0].tenant("flood").tenant)
                var others = [Scope.platform]
                for slug in ["acme", "zenith"] {
                    others.append(try Scope.service(try await servers[0].tenant(slug).tenant))
                }
                func enqueue(_ count: Int, _ scope: Scope) async throws {
                    try await database.work(scope) { work in
                        for _ in 0..<count { try await work.enqueue(TestJobs.single, Site()) }
                    }
                }
                try await enqueue(30, flood)
                for other in others { try await enqueue(2, other) }
                let worker = try await TestServer(
                    on: database,
                    platformKey: servers[0].platformKey,
                    jobs: TestJobs.registry(JobLog())
                )
                var done: [Job] = []
                try await eventually("all are done") {
                    let list = ListJobsRequest(kind: "test.single", state: .succeeded, pageSize: 100)
                    done = try await servers[0].jobs("ListJobs", list, as: ListJobsResponse.self).jobs
                    return done.count == 36
                }
                await worker.stop()
                // In turns: the four of them, and again, before the rest of the flood.
                let order = try done.sorted { try #require($0.startTime).instant < #require($1.startTime).instant }
                for other in others {
                    let id = other.isPlatform ? "" : other.tenant.text
                    #expect(order.prefix(8).count { $0.tenantID == id } == 2)
                }
                #expect(order.dropFirst(8).allSatisfy { $0.tenantID == flood.tenant.text })
            }
        }
    }

    @Test("a job that has taken effect, but was lost before all servers knew, is ended and not done again")
    func storedResponse() async throws {
        try await withDatabase { database in
            let log = JobLog()
            try await database.withServers(1, log: log) { _ in
                let id = try await database.work(.platform) { work in
                    let later = Instant.now().advanced(byMicroseconds: 3_600_000_000)
                    return try #require(try await work.enqueue(TestJobs.count, Site(displayName: "once"), at: later))
                }
                try await database.execute(
                    "UPDATE trellis.job SET state = 2, attempts = 1, lease_time = now(), response = 'kept' WHERE job_id = '\(id)'"
                )
                let job = try await database.eventually(id) { $0.state == .succeeded }
                #expect(job.attempts == 2 && log.runs == [:])
            }
        }
    }

    @Test("a kind's limit holds in each process")
    func concurrency() async throws {
        try await withDatabase { database in
            let log = JobLog()
            try await database.withServers(1, log: log) { servers in
                try await database.work(.platform) { work in
                    for _ in 0..<20 { try await work.enqueue(TestJobs.single, Site()) }
                }
                try await eventually("all are done") {
                    let open = ListJobsRequest(kind: "test.single", state: .succeeded)
                    return try await servers[0].jobs("ListJobs", open, as: ListJobsResponse.self).jobs.count == 20
                }
                #expect(log.most == 1)
            }
        }
    }

    @Test("the pages of all jobs hold each once, and filters leave out the others")
    func pages() async throws {
        try await withDatabase { database in
            var none = JobLimits()
            none.slots = 0
            try await database.withServers(1, log: JobLog(), limits: [none]) { servers in
                let server = servers[0]
                var ids: Set<String> = []
                for slug in ["a", "b"] {
                    let scope = try Scope.service(try await server.tenant(slug).tenant)
                    for _ in 0..<3 {
                        let id = try await database.work(scope) { try await $0.enqueue(TestJobs.count, Site()) }
                        ids.insert(try #require(id).text)
                    }
                }
                let own = try await database.work(.platform) { try await $0.enqueue(TestJobs.fail, Site()) }
                ids.insert(try #require(own).text)
                var (found, token): ([Job], String) = ([], "")
                repeat {
                    let page: ListJobsResponse = try await server.jobs(
                        "ListJobs",
                        ListJobsRequest(pageSize: 2, pageToken: token)
                    )
                    found += page.jobs
                    token = page.nextPageToken
                } while !token.isEmpty
                #expect(found.count == 7 && Set(found.map(\.id)) == ids)
                #expect(found.last?.tenantID == "" && found.allSatisfy { $0.state == .queued })
                let platform = ListJobsRequest(tenantID: UUID.zero.text)
                #expect(try await server.jobs("ListJobs", platform, as: ListJobsResponse.self).jobs.count == 1)
                let kind = ListJobsRequest(kind: "test.count", state: .queued)
                #expect(try await server.jobs("ListJobs", kind, as: ListJobsResponse.self).jobs.count == 6)
                let state = ListJobsRequest(state: .failed)
                #expect(try await server.jobs("ListJobs", state, as: ListJobsResponse.self).jobs.isEmpty)
            }
        }
    }

    @Test("metrics tell what waits, what runs and how jobs have ended")
    func metrics() async throws {
        try await withDatabase { database in
            let log = JobLog()
            try await database.withServers(1, log: log) { servers in
                try await database.work(.platform) { work in
                    _ = try await work.startOperation(TestJobs.wait, Site(displayName: "runs"))
                    let later = Instant.now().advanced(byMicroseconds: 3_600_000_000)
                    try await work.enqueue(TestJobs.count, Site(displayName: "waits"), at: later)
                    try await work.enqueue(TestJobs.refuse, Site(displayName: "fails"))
                }
                try await eventually("all three are counted") {
                    let text = try await servers[0].admin("/metrics").body
                    return text.contains("trellis_jobs_running{kind=\"test.wait\"} 1\n")
                        && text.contains("trellis_jobs_queued{kind=\"test.count\"} 1\n")
                        && text.contains("trellis_jobs_lag_seconds{kind=\"test.count\"} 0.0\n")
                        && text.contains("trellis_jobs_ended_total{kind=\"test.refuse\",outcome=\"failed\"} 1\n")
                        && text.contains("trellis_scheduler_leads 1\n")
                }
            }
        }
    }
}
