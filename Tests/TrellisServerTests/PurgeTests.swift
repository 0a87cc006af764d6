import Domain
import EventLoop
import Postgres
import Primitives
import RPC
import Tenancy
import TestSupport
import Testing
import TrellisAPI

@testable import TrellisServer

@Suite("Purging tenants")
struct PurgeTests {
    /// Rows of a tenant in each table that holds tenants' rows, by table.
    static func rows(of tenant: String, _ database: TestDatabase) async throws -> [String: Int64] {
        try await database.withAdministrator { pool in
            try await pool.run(script: TenantRowCounts.function)
            let counts = try await pool.run(TenantRowCounts(tenant: tenant))
            return Dictionary(uniqueKeysWithValues: counts)
        }
    }

    /// Gives a tenant something of everything.
    static func populate(_ server: TestServer, _ slug: String) async throws -> (tenant: Tenant, key: String) {
        let (tenant, key) = try await server.tenant(slug)
        let site: Site = try await server.call(
            "CreateSite",
            CreateSiteRequest(displayName: "Lima", requestID: "r"),
            key
        )
        var user: User?
        for index in 0..<7 {
            let request = CreateUserRequest(email: "\(slug)\(index)@example.com", displayName: "U")
            let made: User = try await server.call("CreateUser", request, key)
            let assign = AssignRoleRequest(userID: made.id, role: "manager", siteID: site.id)
            _ = try await server.access("AssignRole", assign, key, as: RoleAssignment.self)
            user = made
        }
        let role = CreateRoleRequest(role: "seller", displayName: "Seller", permissions: ["tenancy.sites.read"])
        _ = try await server.access("CreateRole", role, key, as: Role.self)
        let invite = InviteUserRequest(
            email: "new@example.com",
            displayName: "New",
            roles: [RoleGrant(role: "member", siteID: "")]
        )
        _ = try await server.call("InviteUser", invite, key, as: Invitation.self)
        let keyRequest = CreateApiKeyRequest(displayName: "k", permissions: ["*"], userID: user?.id ?? "")
        _ = try await server.call("CreateApiKey", keyRequest, key, as: ApiKey.self)
        _ = try await server.join("member-\(slug)@example.com", key)
        var endUsers: [EndUser] = []
        for index in 0..<3 {
            let request = UpsertEndUserRequest(channel: "web", externalID: "\(slug) \(index)")
            endUsers.append(try await server.endUser("UpsertEndUser", request, key))
        }
        let merge = MergeEndUsersRequest(sourceID: endUsers[0].id, targetID: endUsers[1].id)
        _ = try await server.endUser("MergeEndUsers", merge, key)
        // Frameworks and releases refer to each other.
        let release = TrellisAPI.Release(framework: "own", version: "1", title: "Own")
        let concept = Concept(kind: .sdgGoal, code: "1", name: "Goal")
        _ = try await server.importRelease(release, [concept], [], key)
        let base: KnowledgeBase = try await server.search(
            "CreateKnowledgeBase",
            CreateKnowledgeBaseRequest(displayName: "Base"),
            key
        )
        let document = CreateDocumentRequest(
            knowledgeBaseID: base.id,
            title: "Returns",
            content: "A refund goes to a gift card."
        )
        _ = try await server.search("CreateDocument", document, key, as: Document.self)
        return (tenant, key)
    }

    /// Waits until the rows of a purged tenant are removed.
    static func swept(_ tenant: String, _ server: TestServer) async throws {
        try await server.database.withAdministrator { pool in
            while try await pool.run(IsSwept(tenant: tenant)) != true {
                try await server.database.loop.sleep(for: .milliseconds(5))
            }
        }
    }

    /// What stays of a purged tenant: that it was, how often its access changed, and its audit trail.
    static func stays(_ table: String) -> Bool {
        table == "tenant" || table == "access_epoch" || table.hasPrefix("audit_")
    }

    @Test("of a purged tenant nothing is left but its row and its audit trail; of others, everything")
    func purge() async throws {
        try await TestServer.with { server in
            let (tenant, key) = try await Self.populate(server, "victim")
            let (other, otherKey) = try await Self.populate(server, "other")
            let before = try await Self.rows(of: tenant.id, server.database)
            let others = try await Self.rows(of: other.id, server.database)
            for table in [
                "site", "tenant_user", "subject_key", "role", "role_binding", "invitation", "api_key", "idempotency",
                "knowledge_base", "document", "reference_framework", "reference_release", "reference_concept",
                "end_user", "end_user_identity", "end_user_merge", "session", "refresh_token", "tenant_slug",
                "membership",
            ] {
                #expect(before[table, default: 0] > 0, "\(table) has no rows to remove")
            }
            _ = try await server.call(
                "DeleteTenant",
                DeleteTenantRequest(id: tenant.id),
                server.platformKey,
                as: Tenant.self
            )
            let request = PurgeTenantRequest(id: tenant.id, force: true)
            let purged: Tenant = try await server.call("PurgeTenant", request, server.platformKey)
            #expect(purged.state == .purged && purged.slug == "victim")
            #expect(purged.displayName == "" && purged.industry == "" && purged.settingsJSON == "{}")
            try await Self.swept(tenant.id, server)

            let after = try await Self.rows(of: tenant.id, server.database)
            #expect(after.filter { $0.value > 0 && !Self.stays($0.key) } == [:])
            #expect(after["tenant"] == 1)
            // The trail has the deletion and the purge beside what was there.
            #expect(after["audit_event"] == before["audit_event", default: 0] + 2)
            #expect(try await Self.rows(of: other.id, server.database) == others)

            #expect(await TenantLifeTests.reason(server, "WhoAmI", WhoAmIRequest(), key) == "CREDENTIAL_REFUSED")
            _ = try await server.call("WhoAmI", WhoAmIRequest(), otherKey, as: WhoAmIResponse.self)
            #expect(
                await TenantLifeTests.reason(server, "UndeleteTenant", UndeleteTenantRequest(id: tenant.id))
                    == "TENANT_PURGED"
            )
            #expect(await TenantLifeTests.reason(server, "PurgeTenant", request) == "TENANT_PURGED")
            let issue = IssueTenantKeyRequest(tenantID: tenant.id, displayName: "k")
            #expect(await TenantLifeTests.reason(server, "IssueTenantKey", issue) == "TENANT_PURGED")
            // The short name is free again.
            let again = try await server.tenant("victim").tenant
            #expect(again.id != tenant.id)
        }
    }

    @Test("a tenant's rows are removed in steps that can be stopped anywhere, and only once it is purged")
    func steps() async throws {
        try await TestServer.with { server in
            let (tenant, _) = try await Self.populate(server, "victim")
            let id = try #require(UUID(tenant.id))
            try await server.database.withServer { database in
                let early = await #expect(throws: PostgresError.self) {
                    try await TenantSweep.sweep(id, database)
                }
                #expect(early?.message.contains("is not purged") == true)
                try await server.database.execute(
                    "UPDATE trellis.tenant SET state = 4 WHERE tenant_id = '\(tenant.id)'"
                )
                // What the platform keeps of a tenant goes with the purge itself.
                let platform: Set = ["tenant_slug", "membership", "password_reset"]
                func rowsLeft() async throws -> Int64 {
                    try await Self.rows(of: tenant.id, server.database)
                        .filter { !Self.stays($0.key) && !platform.contains($0.key) }.values.reduce(0, +)
                }
                var left = try await rowsLeft()
                var steps = 0
                while true {
                    let removed = try await database.transaction(Scope.settings(tenant: id)) { transaction in
                        try await transaction.run(TenantRowsPurge(count: 3)).certain.removed
                    }
                    guard removed > 0 else { break }
                    steps += 1
                    let now = try await rowsLeft()
                    // Rows that go with others (ON DELETE CASCADE) are not counted.
                    #expect(now <= left - removed)
                    left = now
                }
                #expect(left == 0 && steps > 5)
            }
        }
    }

    @Test("what is under a legal hold is not purged, by nobody, until the hold is released")
    func hold() async throws {
        try await TestServer.with { server in
            let (tenant, _) = try await server.tenant("held")
            let delete = DeleteTenantRequest(id: tenant.id)
            _ = try await server.call("DeleteTenant", delete, server.platformKey, as: Tenant.self)
            try await server.database.execute(
                """
                INSERT INTO trellis.legal_hold (tenant_id, hold_id, subject_kind, subject_id, reason, placed_by)
                VALUES ('\(tenant.id)', gen_random_uuid(), 1, gen_random_uuid(), 'a lawsuit', gen_random_uuid());
                UPDATE trellis.tenant SET purge_time = now() - interval '1 second' WHERE tenant_id = '\(tenant.id)';
                """
            )
            let purge = PurgeTenantRequest(id: tenant.id, force: true)
            #expect(await TenantLifeTests.reason(server, "PurgeTenant", purge) == "LEGAL_HOLD")
            try await server.runSchedule("remove-expired")
            let get = GetTenantRequest(id: tenant.id)
            #expect(try await server.call("GetTenant", get, server.platformKey, as: Tenant.self).state == .deleted)
            try await server.database.execute("UPDATE trellis.legal_hold SET release_time = now()")
            let purged: Tenant = try await server.call("PurgeTenant", purge, server.platformKey)
            #expect(purged.state == .purged)
            try await Self.swept(tenant.id, server)
        }
    }

    @Test("a tenant whose time to be restored is over is purged by the server, and its trail says so; others wait")
    func expired() async throws {
        try await TestServer.with { server in
            let (old, _) = try await server.tenant("old")
            let (young, _) = try await server.tenant("young")
            for tenant in [old, young] {
                let request = DeleteTenantRequest(id: tenant.id)
                _ = try await server.call("DeleteTenant", request, server.platformKey, as: Tenant.self)
            }
            try await server.database.execute(
                "UPDATE trellis.tenant SET purge_time = now() - interval '1 second' WHERE tenant_id = '\(old.id)'"
            )
            try await server.runSchedule("remove-expired")
            try await Self.swept(old.id, server)
            func state(_ tenant: Tenant) async throws -> Tenant.State {
                try await server.call("GetTenant", GetTenantRequest(id: tenant.id), server.platformKey, as: Tenant.self)
                    .state
            }
            #expect(try await state(old) == .purged)
            #expect(try await state(young) == .deleted)
            #expect(try await Self.rows(of: old.id, server.database)["audit_event"] == 3)
            // What a stop has left is removed by the next look.
            try await server.database.execute(
                "UPDATE trellis.tenant SET state = 4, sweep_time = NULL WHERE tenant_id = '\(young.id)'"
            )
            try await server.runSchedule("remove-expired")
            try await Self.swept(young.id, server)
            #expect(try await Self.rows(of: young.id, server.database)["site"] == 0)
        }
    }
}

/// How many rows of a tenant each table has, counted behind the server's back.
private struct TenantRowCounts: Statement {
    static let name = "test_tenant_row_counts"
    static let sql = "SELECT name, count FROM public.test_tenant_row_counts($1::text)"
    /// What the statement asks: made by the first who does.
    static let function = """
        CREATE OR REPLACE FUNCTION public.test_tenant_row_counts(tenant text) RETURNS TABLE (name text, count bigint)
            LANGUAGE plpgsql AS $$
        DECLARE of_tenant text;
        BEGIN
            FOR name IN
                SELECT relname FROM pg_class
                JOIN pg_attribute ON attrelid = pg_class.oid AND attname = 'tenant_id' AND NOT attisdropped
                WHERE relnamespace = 'trellis'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
            LOOP
                EXECUTE format('SELECT count(*) FROM trellis.%I WHERE tenant_id = $1', name)
                    INTO count USING tenant::uuid;
                RETURN NEXT;
            END LOOP;
            -- What belongs to no tenant and refers to one.
            FOR name, of_tenant IN
                SELECT relname, attname FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid
                JOIN pg_attribute ON attrelid = conrelid AND attnum = conkey[1]
                WHERE contype = 'f' AND confrelid = 'trellis.tenant'::regclass AND attname <> 'tenant_id'
            LOOP
                EXECUTE format('SELECT count(*) FROM trellis.%I WHERE %I = $1', name, of_tenant)
                    INTO count USING tenant::uuid;
                RETURN NEXT;
            END LOOP;
        END $$
        """
    var tenant: String

    func bind(_ parameters: inout Parameters) { parameters.add(tenant) }

    static func decode(_ result: borrowing QueryResult) throws(PostgresError) -> [(String, Int64)] {
        try result.rows { row throws(PostgresError) in (try row.text(0), try row.int64(1)) }
    }
}

private struct IsSwept: Statement {
    static let name = "test_is_swept"
    static let sql = "SELECT sweep_time IS NOT NULL FROM trellis.tenant WHERE tenant_id = $1::text::uuid"
    var tenant: String

    func bind(_ parameters: inout Parameters) { parameters.add(tenant) }

    static func decode(_ result: borrowing QueryResult) throws(PostgresError) -> Bool? {
        try result.first { row throws(PostgresError) in try row.bool(0) }
    }
}
