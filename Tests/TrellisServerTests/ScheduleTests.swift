import Domain
import Operations
import Postgres
import Primitives
import RPC
import TestSupport
import Testing
import TrellisAPI

@testable import TrellisServer

@Suite("Schedules")
struct ScheduleTests {
    /// The server processes whose sessions hold the schedules' lock.
    struct Leaders: Statement {
        static let name = "TestLeaders"
        static let sql = """
            SELECT pid FROM pg_locks
            WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                AND (classid::bigint << 32 | objid::bigint) = hashtextextended('trellis.scheduler', 0)
            """

        func bind(_ parameters: inout Parameters) {}

        static func decode(_ result: borrowing QueryResult) throws(PostgresError) -> [Int32] {
            try result.rows { row throws(PostgresError) in try row.int32(0) }
        }
    }

    @Test("one of two servers leads; when its session is lost a server leads again; no time starts two jobs")
    func leader() async throws {
        try await withDatabase { database in
            let log = JobLog()
            try await database.withServers(2, log: log) { servers in
                func leaders() async throws -> [Int32] {
                    try await database.withAdministrator { pool in try await pool.run(Leaders()) }
                }
                func leadingServers() async throws -> Int {
                    var count = 0
                    for server in servers {
                        let text = try await server.admin("/metrics").body
                        if text.contains("trellis_scheduler_leads 1\n") { count += 1 }
                    }
                    return count
                }
                try await eventually("one leads") { try await leadingServers() == 1 }
                let first = try await leaders()
                #expect(first.count == 1)
                try await servers[0].runSchedule("test-tick")
                #expect(log.runs["tick"] == 1)
                try await database.execute("SELECT pg_terminate_backend(\(try #require(first.first)))")
                try await eventually("another session leads") {
                    let now = try await leaders()
                    return now.count == 1 && now != first
                }
                try await eventually("its server knows") { try await leadingServers() == 1 }
                try await servers[1].runSchedule("test-tick")
                #expect(log.runs["tick"] == 2)
                let jobs: ListJobsResponse = try await servers[0].jobs("ListJobs", ListJobsRequest(kind: "test.tick"))
                #expect(jobs.jobs.count == 2 && jobs.jobs.allSatisfy { $0.attempts == 1 && $0.tenantID.isEmpty })
            }
        }
    }

    @Test("the statement that starts a job does so once for a time, however many leaders there are")
    func once() async throws {
        try await withDatabase { database in
            try await database.withServer { pool in
                let settings = Scope.platformSettings
                let time = Instant(microseconds: Instant.now().microseconds - 1_000_000)
                let following = time.advanced(byMicroseconds: 3_600_000_000)
                let declare = ScheduleDeclare(scheduleName: "s", expression: "e", kind: "test.none", nextTime: time)
                _ = try await pool.run(declare, settings)
                let started = try await withThrowingTaskGroup(of: Int.self) { group in
                    for _ in 0..<8 {
                        group.addTask {
                            try await pool.transaction(settings) { transaction in
                                try await transaction.run(
                                    ScheduleStart(
                                        scheduleName: "s",
                                        nextTime: time,
                                        jobID: .v7(),
                                        kind: "test.none",
                                        payload: [],
                                        following: following
                                    )
                                )
                            }
                        }
                    }
                    return try await group.reduce(0, +)
                }
                #expect(started == 1)
                let schedules = try await pool.run(ScheduleList(), settings)
                let schedule = try #require(schedules.first)
                #expect(schedule.nextTime?.instant == following && schedule.lastTime?.instant == time)
                let made = try #require(UUID(schedule.lastJobID))
                let job = try #require(try await database.job(made))
                #expect(job.state == .queued && job.uniqueKey == "schedule s")
                // The job has not ended when the next time comes: it is the job of that time, too.
                let next = ScheduleStart(
                    scheduleName: "s",
                    nextTime: following,
                    jobID: .v7(),
                    kind: "test.none",
                    payload: [],
                    following: following.advanced(byMicroseconds: 1)
                )
                #expect(try await pool.run(next, settings) == 1)
                let after = try await pool.run(ScheduleList(), settings)
                #expect(after.first?.lastJobID == job.id && after.first?.lastTime?.instant == following)
                // A schedule that has changed forgets what was its next time; one that has not keeps it.
                _ = try await pool.run(declare, settings)
                #expect(try await pool.run(ScheduleList(), settings) == after)
                var changed = declare
                changed.expression = "f"
                _ = try await pool.run(changed, settings)
                #expect(try await pool.run(ScheduleList(), settings).first?.nextTime?.instant == time)
            }
        }
    }

    @Test("times that passed while no server ran are made up for by one job, and the next time is to come")
    func missed() async throws {
        try await withDatabase { database in
            let log = JobLog()
            try await database.withServers(1, log: log) { servers in
                let before = try await servers[0].schedule("purge-outcomes")
                #expect(before.expression == "0 * * * *" && before.kind == "domain.purge_outcomes")
                try await database.execute(
                    "UPDATE trellis.schedule SET next_time = now() - interval '5 hours' WHERE name = 'purge-outcomes'"
                )
                try await eventually("it has run") { try await servers[0].schedule("purge-outcomes").lastTime != nil }
                let after = try await servers[0].schedule("purge-outcomes")
                #expect(try #require(after.nextTime).instant > Instant.now())
                let id = try #require(UUID(after.lastJobID))
                _ = try await database.eventually(id) { $0.state == .succeeded }
                let jobs: ListJobsResponse = try await servers[0].jobs("ListJobs", ListJobsRequest(kind: after.kind))
                #expect(jobs.jobs.map(\.id) == [after.lastJobID])
            }
        }
    }

    @Test("deleted users go for good when their time is over, with their keys, roles and invitations; others stay")
    func users() async throws {
        try await withDatabase { database in
            try await database.withServers(1, log: JobLog()) { servers in
                let server = servers[0]
                let (_, key) = try await server.tenant("acme")
                let (gone, goneKey) = try await server.user("gone", roles: [("member", "")], key)
                let (late, _) = try await server.user("late", roles: [("member", "")], key)
                let (alive, aliveKey) = try await server.user("alive", roles: [("member", "")], key)
                for user in [gone, late] {
                    _ = try await server.call("DeleteUser", DeleteUserRequest(id: user.id), key, as: User.self)
                }
                try await database.execute(
                    "UPDATE trellis.tenant_user SET purge_time = now() - interval '1 second' WHERE user_id = '\(gone.id)'"
                )
                try await server.runSchedule("purge-users")
                let absent = await AccessTests.refusal(server, "GetUser", GetUserRequest(id: gone.id), key)
                #expect(absent?.code == .notFound)
                let there: User = try await server.call("UndeleteUser", UndeleteUserRequest(id: late.id), key)
                #expect(there.displayName == late.displayName)
                let stays: User = try await server.call("GetUser", GetUserRequest(id: alive.id), key)
                #expect(stays.email == alive.email)
                #expect(await AccessTests.refusal(server, "WhoAmI", WhoAmIRequest(), aliveKey) == nil)
                let refused = await AccessTests.refusal(server, "WhoAmI", WhoAmIRequest(), goneKey)
                #expect(refused?.code == .unauthenticated)
                let events = try await server.events(key, ListAuditEventsRequest(method: "tenancy.purge_users"))
                #expect(events.map(\.targets) == [["user/\(gone.id)"]])
                let job = try await server.schedule("purge-users").lastJobID
                #expect(events.first?.actor == AuditActor(kind: "job", principalID: job))
                // Raises an error that names a table where there is still something of theirs.
                try await database.execute(
                    """
                    DO $$
                    DECLARE
                        place regclass;
                        found bigint;
                    BEGIN
                        FOREACH place IN ARRAY ARRAY[
                            'trellis.tenant_user', 'trellis.subject_key', 'trellis.api_key', 'trellis.role_binding',
                            'trellis.invitation']::regclass[]
                        LOOP
                            EXECUTE format('SELECT count(*) FROM %s AS t WHERE t::text LIKE %L', place, '%\(gone.id)%')
                                INTO found;
                            IF found > 0 THEN RAISE EXCEPTION 'there is something left in %', place; END IF;
                        END LOOP;
                    END
                    $$
                    """
                )
            }
        }
    }

    @Test("jobs go 30 days after they have ended")
    func jobs() async throws {
        try await withDatabase { database in
            try await database.withServers(1, log: JobLog()) { servers in
                let scope = try Scope.service(try await servers[0].tenant("acme").tenant)
                var ids: [UUID] = []
                for name in ["old", "young"] {
                    let id = try await database.work(scope) { work in
                        try #require(try await work.enqueue(TestJobs.count, Site(displayName: name)))
                    }
                    _ = try await database.eventually(id, tenant: scope.tenant) { $0.state == .succeeded }
                    ids.append(id)
                }
                try await database.execute("UPDATE trellis.job SET expire_time = now() WHERE job_id = '\(ids[0])'")
                try await servers[0].runSchedule("purge-jobs")
                #expect(try await database.job(ids[0], tenant: scope.tenant) == nil)
                #expect(try await database.job(ids[1], tenant: scope.tenant) != nil)
            }
        }
    }
}
