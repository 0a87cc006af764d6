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

/// Whatever is changed behind the server's back is found and named.
@Suite("The audit chain")
struct AuditChainTests {
    /// A tenant with a trail of events that are all linked, and who reads it.
    struct Trail {
        let server: TestServer
        let tenant: String
        let key: String
        /// The events, in the order of the chain.
        let events: [String]

        /// Makes one.
        init(_ server: TestServer) async throws {
            self.server = server
            let (tenant, key) = try await server.tenant("acme")
            (self.tenant, self.key) = (tenant.id, key)
            let (_, user) = try await server.user("mia", roles: [("manager", "")], key)
            for index in 0..<6 {
                let request = CreateSiteRequest(displayName: "site \(index)")
                _ = try await server.call("CreateSite", request, user, as: Site.self)
            }
            let verdict = try await server.verdict(key)
            guard verdict.intact else { throw Changed(verdict: verdict) }
            let stream = try await server.database.withServer { database in
                try await database.run(
                    AuditLinkList(tenantID: UUID(tenant.id) ?? .zero, after: 0, count: 1000),
                    Scope.settings(tenant: UUID(tenant.id) ?? .zero)
                )
            }
            events = stream.map(\.auditEventID.text)
        }

        struct Changed: Error {
            let verdict: AuditVerdict
        }

        /// Runs commands as a superuser for whom no trigger fires; `$T` is the tenant, `$1` the event at the place 1.
        func tamper(_ script: String) async throws {
            var text = script.replacing("$T", with: "'\(tenant)'")
            for (index, event) in events.enumerated().reversed() {
                text = text.replacing("$\(index + 1)", with: "'\(event)'")
            }
            try await server.database.execute("SET session_replication_role = replica; \(text)")
        }

        func verdict() async throws -> AuditVerdict { try await server.verdict(key) }
    }

    static func with(_ body: @escaping @Sendable (Trail) async throws -> Void) async throws {
        try await TestServer.with { server in try await body(Trail(server)) }
    }

    @Test("one byte of any column of an event changed: the event is named, and none when it is changed back")
    func changed() async throws {
        try await Self.with { trail in
            // A byte of each, as its type allows it, and how it is undone.
            let changes = [
                "create_time": ("create_time + interval '1 microsecond'", "create_time - interval '1 microsecond'"),
                "category": ("category + 1", "category - 1"),
                "calls": ("calls + 1", "calls - 1"),
                "principal_id": (
                    "overlay(principal_id::text PLACING translate(right(principal_id::text, 1), '0123456789abcdef', "
                        + "'1032547698badcfe') FROM 36)::uuid", ""
                ),
                "user_id": (
                    "overlay(user_id::text PLACING translate(right(user_id::text, 1), '0123456789abcdef', "
                        + "'1032547698badcfe') FROM 36)::uuid", ""
                ),
                "mac": ("set_byte(mac, 5, get_byte(mac, 5) # 1)", ""),
                "address": ("overlay(address PLACING '9' FROM 1)", "overlay(address PLACING '1' FROM 1)"),
                "actor_kind": ("overlay(actor_kind PLACING 'U' FROM 1)", "overlay(actor_kind PLACING 'u' FROM 1)"),
                "method": ("overlay(method PLACING 'T' FROM 1)", "overlay(method PLACING 't' FROM 1)"),
                "call_id": ("call_id || ' '", "left(call_id, -1)"),
                "outcome": ("overlay(outcome PLACING 'o' FROM 1)", "overlay(outcome PLACING 'O' FROM 1)"),
                "reason": ("'x'", "''"),
                "targets": ("targets || ' '", "left(targets, -1)"),
                "request": ("overlay(request PLACING ' ' FROM 1)", "overlay(request PLACING '{' FROM 1)"),
            ]
            let columns = try await trail.server.database.withAdministrator { try await $0.run(AuditColumns()) }
            // The two that say where the event is are in the next test.
            #expect(Set(columns) == Set(changes.keys).union(["tenant_id", "audit_event_id"]))
            let place = trail.events.count - 2
            for (column, (change, undo)) in changes {
                let event = "audit_event_id = $\(place)"
                try await trail.tamper("UPDATE trellis.audit_event SET \(column) = \(change) WHERE \(event)")
                let verdict = try await trail.verdict()
                #expect(!verdict.intact && verdict.fault == .eventChanged, "\(column): \(verdict)")
                #expect(verdict.auditEventID == trail.events[place - 1] && verdict.sequence == place, "\(column)")
                let back = undo.isEmpty ? change : undo
                try await trail.tamper("UPDATE trellis.audit_event SET \(column) = \(back) WHERE \(event)")
            }
            let verdict = try await trail.verdict()
            #expect(verdict.intact, "\(verdict.description)")
        }
    }

    @Test("an event moved to another tenant or id, or deleted, is missed")
    func missing() async throws {
        let scripts = [
            "UPDATE trellis.audit_event SET tenant_id = gen_random_uuid() WHERE audit_event_id = $4",
            "UPDATE trellis.audit_event SET audit_event_id = gen_random_uuid() WHERE audit_event_id = $4",
            "DELETE FROM trellis.audit_event WHERE audit_event_id = $4",
        ]
        for script in scripts {
            try await Self.with { trail in
                try await trail.tamper(script)
                let verdict = try await trail.verdict()
                #expect(verdict.fault == .eventMissing && verdict.sequence == 4, "\(script): \(verdict)")
                #expect(verdict.auditEventID == trail.events[3])
            }
        }
    }

    @Test("an event that was slipped in is named, whether it is put in line to be linked or not")
    func inserted() async throws {
        try await Self.with { trail in
            let id = UUID.v7().text
            let copy = """
                INSERT INTO trellis.audit_event
                SELECT tenant_id, '\(id)', create_time, category, actor_kind, principal_id, user_id, method, call_id, address,
                    outcome, reason, calls, targets, request, mac
                FROM trellis.audit_event WHERE audit_event_id = $4;
                """
            try await trail.tamper(copy)
            var verdict = try await trail.verdict()
            #expect(verdict.fault == .eventInserted && verdict.auditEventID == id, "\(verdict)")
            try await trail.tamper("INSERT INTO trellis.audit_pending VALUES ($T, '\(id)')")
            verdict = try await trail.verdict()
            #expect(verdict.fault == .eventChanged && verdict.auditEventID == id, "\(verdict)")
            // What is written by the server meanwhile is linked all the same.
            let request = CreateSiteRequest(displayName: "later")
            _ = try await trail.server.call("CreateSite", request, trail.key, as: Site.self)
            let later = try await trail.verdict()
            #expect(later.headSequence > verdict.headSequence && later.auditEventID == id)
        }
    }

    @Test("an event that is deleted before it is linked is missed")
    func deletedEarly() async throws {
        try await Self.with { trail in
            let id = UUID.v7().text
            try await trail.tamper("INSERT INTO trellis.audit_pending VALUES ($T, '\(id)')")
            let verdict = try await trail.verdict()
            #expect(verdict.fault == .eventMissing && verdict.auditEventID == id, "\(verdict)")
        }
    }

    @Test(
        "a link changed, removed, exchanged with another, or added is named by its place",
        arguments: [
            ("UPDATE audit_link SET create_time = create_time - interval '9 years' WHERE sequence = 4", true, 4),
            ("UPDATE audit_link SET category = 2 WHERE sequence = 4", true, 4),
            ("UPDATE audit_link SET audit_event_id = gen_random_uuid() WHERE sequence = 4", true, 4),
            ("UPDATE audit_link SET event_mac = sha256(event_mac) WHERE sequence = 4", true, 4),
            ("UPDATE audit_link SET hash = set_byte(hash, 31, get_byte(hash, 31) # 1) WHERE sequence = 4", true, 4),
            (
                "UPDATE audit_link SET sequence = CASE sequence WHEN 4 THEN -5 ELSE -4 END WHERE sequence IN (4, 5); "
                    + "UPDATE audit_link SET sequence = -sequence WHERE sequence < 0", true, 4
            ),
            ("DELETE FROM audit_link WHERE sequence = 4", false, 4),
            ("DELETE FROM audit_link WHERE sequence = 1", false, 1),
            ("DELETE FROM audit_link WHERE sequence >= 7", false, 7),
            ("DELETE FROM audit_link", false, 1),
        ]
    )
    func links(_ script: String, _ isChanged: Bool, _ place: Int64) async throws {
        try await Self.with { trail in
            let own = script.replacing("WHERE ", with: "WHERE tenant_id = $T AND ")
            try await trail.tamper("SET search_path = trellis; \(own)")
            let verdict = try await trail.verdict()
            #expect(verdict.fault == (isChanged ? .linkChanged : .linkMissing), "\(verdict)")
            #expect(verdict.sequence == place)
        }
    }

    @Test("a link that was added after the last, and a head that was changed or removed, are named")
    func head() async throws {
        try await Self.with { trail in
            let last = trail.events.count
            let link = """
                INSERT INTO trellis.audit_link
                SELECT tenant_id, \(last + 1), gen_random_uuid(), create_time, category, event_mac, hash
                FROM trellis.audit_link WHERE tenant_id = $T AND sequence = \(last)
                """
            try await trail.tamper(link)
            var verdict = try await trail.verdict()
            #expect(verdict.fault == .linkInserted && verdict.sequence == last + 1, "\(verdict)")
            // It is also where the next link belongs, which changes nothing of the finding.
            _ = try await trail.server.call("CreateSite", CreateSiteRequest(displayName: "x"), trail.key, as: Site.self)
            verdict = try await trail.verdict()
            #expect(verdict.fault == .linkInserted && verdict.sequence == last + 1, "\(verdict)")
            try await trail.tamper("DELETE FROM trellis.audit_link WHERE tenant_id = $T AND sequence > \(last)")
            #expect(try await trail.verdict().intact)
        }
        // Cut at the end, with the head taken back to the link before: the head's own code gives it away.
        try await Self.with { trail in
            try await trail.tamper(
                """
                DELETE FROM trellis.audit_link WHERE tenant_id = $T AND sequence > 5;
                UPDATE trellis.audit_head SET (sequence, hash) = (
                    SELECT sequence, hash FROM trellis.audit_link WHERE tenant_id = $T AND sequence = 5
                ) WHERE tenant_id = $T
                """
            )
            let verdict = try await trail.verdict()
            #expect(verdict.fault == .headChanged && verdict.sequence == 5, "\(verdict)")
        }
        try await Self.with { trail in
            try await trail.tamper("DELETE FROM trellis.audit_head WHERE tenant_id = $T")
            let verdict = try await trail.verdict()
            #expect(!verdict.intact, "\(verdict)")
        }
    }

    @Test("a trail that was taken back to an earlier time as a whole is found with an anchor")
    func anchor() async throws {
        try await Self.with { trail in
            try await trail.tamper(
                "CREATE TABLE kept AS SELECT * FROM trellis.audit_head WHERE tenant_id = $T"
            )
            let early = try await trail.verdict()
            _ = try await trail.server.call("CreateSite", CreateSiteRequest(displayName: "x"), trail.key, as: Site.self)
            let late = try await trail.verdict()
            #expect(late.intact && late.headSequence > early.headSequence)
            func verdict(_ anchor: AuditVerdict) async throws -> AuditVerdict {
                try await trail.server.verdict(
                    trail.key,
                    VerifyAuditChainRequest(anchorSequence: anchor.headSequence, anchorHash: anchor.headHash)
                )
            }
            #expect(try await verdict(early).intact)
            #expect(try await verdict(late).intact)
            try await trail.tamper(
                """
                DELETE FROM trellis.audit_event WHERE tenant_id = $T AND audit_event_id IN (
                    SELECT audit_event_id FROM trellis.audit_link WHERE sequence > \(early.headSequence)
                );
                DELETE FROM trellis.audit_link WHERE tenant_id = $T AND sequence > \(early.headSequence);
                DELETE FROM trellis.audit_head WHERE tenant_id = $T;
                INSERT INTO trellis.audit_head SELECT * FROM kept
                """
            )
            #expect(try await verdict(early).intact)
            #expect(try await verdict(late).fault == .anchorMissed)
            // And once it has grown again.
            for name in ["y", "z"] {
                let request = CreateSiteRequest(displayName: name)
                _ = try await trail.server.call("CreateSite", request, trail.key, as: Site.self)
            }
            let grown = try await verdict(late)
            #expect(grown.fault == .anchorMissed && grown.sequence == late.headSequence)
        }
    }

    @Test("sixteen writers of one tenant and two servers that link: every event has one place, and the chain verifies")
    func writers() async throws {
        try await TestServer.with { first in
            let second = try await first.second()
            let (_, key) = try await first.tenant("acme")
            try await withThrowingTaskGroup { tasks in
                for writer in 0..<16 {
                    tasks.addTask {
                        let server = writer % 2 == 0 ? first : second
                        for index in 0..<20 {
                            let request = CreateSiteRequest(displayName: "site \(writer) \(index)")
                            _ = try await server.call("CreateSite", request, key, as: Site.self)
                        }
                    }
                }
                // Verified meanwhile, from both sides: nothing that is under way is taken for a fault.
                for server in [first, second] {
                    tasks.addTask {
                        for _ in 0..<5 {
                            let verdict = try await server.verdict(key)
                            #expect(verdict.intact, "\(verdict.description)")
                        }
                    }
                }
                try await tasks.waitForAll()
            }
            let verdict = try await second.verdict(key)
            #expect(verdict.intact && verdict.headSequence >= 320, "\(verdict.description)")
            await second.stop()
        }
    }

    @Test("a server links by itself what was written, without anybody asking")
    func sealing() async throws {
        try await TestServer.with { server in
            let (tenant, key) = try await server.tenant("acme")
            _ = try await server.call("CreateSite", CreateSiteRequest(displayName: "Lima"), key, as: Site.self)
            let id = try #require(UUID(tenant.id))
            try await server.database.withServer { database in
                var linked = 0
                while linked < 2 {
                    linked = try await database.run(
                        AuditLinkList(tenantID: id, after: 0, count: 10),
                        Scope.settings(tenant: id)
                    ).count
                }
            }
        }
    }
}

/// The columns of audit events.
private struct AuditColumns: Statement {
    static let name = "AuditColumns"
    static let sql = """
        SELECT attname::text FROM pg_attribute
        WHERE attrelid = 'trellis.audit_event'::regclass AND attnum > 0 AND NOT attisdropped
        """

    func bind(_ parameters: inout Parameters) {}

    static func decode(_ result: borrowing QueryResult) throws(PostgresError) -> [String] {
        try result.rows { row throws(PostgresError) in try row.text(0) }
    }
}
