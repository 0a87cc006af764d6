import Audit
import Domain
import Postgres
import Primitives
import Protobuf
import RPC
import RPCClient
import TestSupport
import Testing
import TrellisAPI

@testable import TrellisServer

/// Events that are older than a year: kept compressed, and read, proven and forgotten like others.
@Suite("The archive of the audit trail")
struct AuditArchiveTests {
    /// A server with old events of a tenant.
    struct Old {
        let server: TestServer
        let tenant: UUID
        let key: String

        private static let day: Int64 = 86_400_000_000

        init(_ server: TestServer) async throws {
            self.server = server
            let (tenant, key) = try await server.tenant("acme")
            (self.tenant, self.key) = (try #require(UUID(tenant.id)), key)
        }

        /// Writes events of a time, a microsecond after each other, whose month has a partition.
        func write(_ count: Int, daysAgo: Int64, _ categories: [AuditCategory]) async throws {
            let time = Instant.now().advanced(byMicroseconds: -daysAgo * Self.day)
            try await server.database.execute(
                "SET ROLE trellis_owner; CALL trellis.audit_add_month('\(time.rfc3339.prefix(10))')"
            )
            let keys = AuditKeys(Keyring(root: testEncryptionKey))
            let tenant = tenant
            try await server.database.withServer { database in
                let inserts = (0..<count).map { index in
                    let moment = time.advanced(byMicroseconds: Int64(index))
                    var record = AuditRecord(
                        tenant: tenant,
                        id: .v7(at: moment),
                        createTime: moment,
                        category: categories[index % categories.count],
                        actorKind: "service",
                        principal: index % 10 == 0 ? tenant : .zero,
                        user: index % 10 == 1 ? tenant : nil,
                        method: index % 10 == 2 ? "rare" : "old",
                        callID: "call-\(index)",
                        address: "192.0.2.1"
                    )
                    if index % 10 == 3 { (record.outcome, record.reason) = ("PERMISSION_DENIED", "PERMISSION_DENIED") }
                    record.request = #"{"display_name":"Thing \#(index)","description":"one of very many things"}"#
                    return record.insert(keys, found: [AuditTarget("thing", "\(index % 7)")])
                }
                for start in stride(from: 0, to: count, by: 500) {
                    let part = Array(inserts[start..<min(start + 500, count)])
                    _ = try await database.run(all: part, settings: Scope.settings(tenant: tenant))
                }
            }
        }

        /// All that a filter leaves, page by page.
        func all(_ request: ListAuditEventsRequest, pageSize: Int32 = 1000) async throws -> [AuditEvent] {
            var (found, request): ([AuditEvent], ListAuditEventsRequest) = ([], request)
            request.pageSize = pageSize
            repeat {
                let page: ListAuditEventsResponse = try await server.audit("ListAuditEvents", request, key)
                found += page.auditEvents
                request.pageToken = page.nextPageToken
            } while !request.pageToken.isEmpty
            return found
        }

        /// What filters leave, each by itself.
        func byFilters() async throws -> [[AuditEvent]] {
            let id = tenant.text
            var found: [[AuditEvent]] = []
            for filter in [
                ListAuditEventsRequest(method: "old"), ListAuditEventsRequest(method: "rare"),
                ListAuditEventsRequest(userID: id), ListAuditEventsRequest(category: .authentication, method: "old"),
                ListAuditEventsRequest(principalID: id), ListAuditEventsRequest(onlyRefused: true),
                ListAuditEventsRequest(targetType: "thing", targetID: "4"),
            ] {
                found.append(try await all(filter))
            }
            return found
        }

        /// How many rows the archive has, of how many events, and bytes as they are kept and as they are.
        func archive() async throws -> ArchiveSize {
            try await server.database.withAdministrator { try await $0.run(ArchiveSize.Query()) }
        }

        /// Runs commands as a superuser for whom no trigger fires.
        func tamper(_ script: String) async throws {
            try await server.database.execute("SET session_replication_role = replica; \(script)")
        }
    }

    static func with(_ body: @escaping @Sendable (Old) async throws -> Void) async throws {
        try await TestServer.with { server in try await body(Old(server)) }
    }

    @Test(
        "events of months that are over a year old are archived, and lists, filters, exports and the proof say the same"
    )
    func archived() async throws {
        try await Self.with { old in
            try await old.write(2_500, daysAgo: 500, [.dataChange, .administration, .authentication])
            try await old.write(30, daysAgo: 300, [.dataChange])
            _ = try await old.server.verdict(old.key)
            let before = try await old.byFilters()
            #expect(before.map(\.count) == [2_277, 253, 253, 749, 253, 253, 361])
            try await old.server.runSchedule("keep-audit-trail")
            let size = try await old.archive()
            #expect(size.rows == 3 && size.events == 2_500)
            // Of text that repeats itself; a fifth is what it came to.
            #expect(size.kept * 3 < size.bytes, "\(size)")
            #expect(try await old.byFilters() == before)
            let rare = try await old.all(ListAuditEventsRequest(method: "rare"), pageSize: 7)
            #expect(rare == before[1])
            #expect(try await old.server.export(old.key, ExportAuditEventsRequest(method: "old")) == before[0])
            let middle = before[1][100]
            let one: AuditEvent = try await old.server.audit(
                "GetAuditEvent",
                GetAuditEventRequest(id: middle.id),
                old.key
            )
            #expect(one == middle)
            let since = ListAuditEventsRequest(method: "rare", startTime: middle.createTime)
            #expect(try await old.all(since).contains(middle))
            let verdict = try await old.server.verdict(old.key)
            #expect(verdict.intact && verdict.forgotten == 0 && verdict.headSequence > 2_530, "\(verdict.description)")
            // Another tenant sees none of it, and who runs the schedule again archives nothing twice.
            let (_, other) = try await old.server.tenant("other")
            #expect(try await old.server.events(other, ListAuditEventsRequest(method: "old")).isEmpty)
            try await old.server.runSchedule("keep-audit-trail")
            #expect(try await old.archive() == size)
        }
    }

    @Test("one byte changed in the archive, an event taken out, put in or put back: the event is named")
    func tampered() async throws {
        try await Self.with { old in
            try await old.write(1_200, daysAgo: 500, [.dataChange])
            try await old.server.runSchedule("keep-audit-trail")
            #expect(try await old.server.verdict(old.key).intact)
            let events = try await old.all(ListAuditEventsRequest(category: .dataChange, endTime: Timestamp(.now())))
                .filter { $0.callID.hasPrefix("call-") }
            let ids = Array(events.map(\.id).reversed())
            try #require(ids.count == 1_200)
            let fresh = UUID.v7(at: try #require(events.last?.createTime?.instant)).text
            // The second row of the archive, and the fourth event in it.
            let (row, event) = ("WHERE first_id = '\(ids[1_000])'", ids[1_003])
            let change = "UPDATE trellis.audit_archive SET events"
            try await old.tamper("CREATE TABLE public.whole AS TABLE trellis.audit_archive")
            for (script, fault, named) in [
                ("\(change)[4].reason = 'x' \(row)", AuditFault.eventChanged, event),
                (
                    "\(change)[4].mac = set_byte(events[4].mac, 5, get_byte(events[4].mac, 5) # 1) \(row)",
                    .eventChanged, event
                ),
                ("\(change) = events[:3] || events[5:] \(row)", .eventMissing, event),
                ("DELETE FROM trellis.audit_archive \(row)", .eventMissing, ids[1_000]),
                ("UPDATE trellis.audit_archive SET tenant_id = gen_random_uuid() \(row)", .eventMissing, ids[1_000]),
                (
                    "\(change)[201] = events[4] \(row); \(change)[201].audit_event_id = '\(fresh)' \(row)",
                    .eventInserted, fresh
                ),
                ("\(change)[201] = events[4] \(row)", .eventInserted, event),
                (
                    "INSERT INTO trellis.audit_event SELECT tenant_id, (events[4]).* FROM trellis.audit_archive \(row)",
                    .eventInserted, event
                ),
            ] {
                try await old.tamper(script)
                let verdict = try await old.server.verdict(old.key)
                #expect(verdict.fault == fault && verdict.auditEventID == named, "\(script): \(verdict)")
                try await old.tamper(
                    "DELETE FROM trellis.audit_archive; INSERT INTO trellis.audit_archive TABLE public.whole;"
                        + "DELETE FROM trellis.audit_event WHERE audit_event_id = '\(event)'"
                )
                #expect(try await old.server.verdict(old.key).intact, "\(script)")
            }
        }
    }

    @Test("the database refuses to change or delete what is archived, even to who owns it")
    func immutable() async throws {
        try await Self.with { old in
            try await old.write(10, daysAgo: 500, [.dataChange])
            try await old.server.runSchedule("keep-audit-trail")
            for command in [
                "UPDATE trellis.audit_archive SET events[1].reason = 'x'", "DELETE FROM trellis.audit_archive",
                "UPDATE trellis.audit_archive SET events = events[2:]",
                "UPDATE trellis.audit_archive SET last_id = first_id",
            ] {
                await #expect(throws: PostgresError.self, "\(command)") {
                    try await old.server.database.execute(command)
                }
            }
            for role in ["trellis_server", "trellis_platform"] {
                await #expect(throws: PostgresError.self, "\(role)") {
                    try await old.server.database.execute("SET ROLE \(role); DELETE FROM trellis.audit_archive")
                }
            }
        }
    }

    @Test("what is archived is forgotten category by category, and the month at last")
    func forgotten() async throws {
        try await Self.with { old in
            let categories: [AuditCategory] = [.dataChange, .access, .authentication, .administration, .schema]
            try await old.write(20, daysAgo: 1_900, categories)
            try await old.write(20, daysAgo: 1_200, categories)
            _ = try await old.server.verdict(old.key)
            // Before anything of it is forgotten, as if time went by afterwards.
            for _ in 0..<2 {
                try await old.server.database.execute("SET ROLE trellis_owner; SELECT trellis.audit_archive_month()")
            }
            #expect(try await old.archive().events == 40)
            try await old.server.runSchedule("keep-audit-trail")
            let left = try await old.all(ListAuditEventsRequest(targetType: "thing", targetID: "4"))
            #expect(left.map(\.category) == [.schema])
            #expect(try await old.archive().events == 4)
            let verdict = try await old.server.verdict(old.key)
            #expect(verdict.intact && verdict.forgotten == 36, "\(verdict.description)")
        }
    }
}

/// What the archive holds.
struct ArchiveSize: Equatable {
    var rows: Int64 = 0
    var events: Int64 = 0
    var kept: Int64 = 0
    var bytes: Int64 = 0

    struct Query: Statement {
        static let name = "ArchiveSize"
        static let sql = """
            SELECT count(*), coalesce(sum(cardinality(events)), 0), coalesce(sum(pg_column_size(events)), 0)::bigint,
                coalesce(sum((SELECT sum(octet_length(event::text)) FROM unnest(events) AS event)), 0)::bigint
            FROM trellis.audit_archive
            """

        func bind(_ parameters: inout Parameters) {}

        static func decode(_ result: borrowing QueryResult) throws(PostgresError) -> ArchiveSize {
            let rows = try result.rows { row throws(PostgresError) in
                ArchiveSize(
                    rows: try row.int64(0),
                    events: try row.int64(1),
                    kept: try row.int64(2),
                    bytes: try row.int64(3)
                )
            }
            return rows.first ?? ArchiveSize()
        }
    }
}
