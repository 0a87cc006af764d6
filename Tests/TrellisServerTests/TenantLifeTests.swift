import Domain
import EventLoop
import Postgres
import Primitives
import Protobuf
import RPC
import Tenancy
import TestSupport
import Testing
import TrellisAPI

@testable import TrellisServer

@Suite("The lives of tenants")
struct TenantLifeTests {
    static func reason(
        _ server: TestServer,
        _ method: String,
        _ request: some Message,
        _ token: String? = nil
    ) async -> String? {
        await AccessTests.refusal(server, method, request, token ?? server.platformKey)?.reason
    }

    @Test("a tenant is made with a first site, on the plan that was asked for, or on starter")
    func made() async throws {
        try await TestServer.with { server in
            let (tenant, key) = try await server.tenant("acme", plan: "pro")
            #expect(
                tenant.plan == "pro" && tenant.state == .active && tenant.settingsJSON == "{}" && tenant.etag == "1"
            )
            let sites: ListSitesResponse = try await server.call("ListSites", ListSitesRequest(), key)
            #expect(sites.sites.map(\.displayName) == ["Main"] && sites.sites.first?.timeZone == "UTC")
            let plain = CreateTenantRequest(slug: "plain", displayName: "Plain")
            let other: Tenant = try await server.call("CreateTenant", plain, server.platformKey)
            #expect(other.plan == "starter")
        }
    }

    @Test(
        "of an archived tenant everything is read and nothing changed, but who can sign in; the platform takes it out again"
    )
    func archive() async throws {
        try await TestServer.with { server in
            let (tenant, key) = try await server.tenant("acme")
            let request = ArchiveTenantRequest(id: tenant.id)
            let archived: Tenant = try await server.call("ArchiveTenant", request, server.platformKey)
            #expect(archived.archiveTime != nil && archived.state == .active)
            let again: Tenant = try await server.call("ArchiveTenant", request, server.platformKey)
            #expect(again == archived)
            let sites: ListSitesResponse = try await server.call("ListSites", ListSitesRequest(), key)
            #expect(sites.sites.count == 1)
            #expect(
                await Self.reason(server, "CreateSite", CreateSiteRequest(displayName: "x"), key) == "TENANT_ARCHIVED"
            )
            let made = CreateApiKeyRequest(displayName: "still", permissions: ["tenancy.sites.read"])
            _ = try await server.call("CreateApiKey", made, key, as: ApiKey.self)
            #expect(await Self.reason(server, "ArchiveTenant", request, key) == "WRONG_CREDENTIAL_KIND")
            let out: Tenant = try await server.call(
                "UnarchiveTenant",
                UnarchiveTenantRequest(id: tenant.id),
                server.platformKey
            )
            #expect(out.archiveTime == nil)
            _ = try await server.call("CreateSite", CreateSiteRequest(displayName: "x"), key, as: Site.self)
        }
    }

    @Test("the platform and the tenant's administrators change its name, industry and settings, by mask and etag")
    func update() async throws {
        try await TestServer.with { server in
            let (tenant, key) = try await server.tenant("acme")
            let change = UpdateTenantRequest(
                id: tenant.id,
                displayName: "Acme",
                industry: "retail",
                settingsJSON: #"{"colour": "blue"}"#,
                etag: tenant.etag
            )
            let changed: Tenant = try await server.call("UpdateTenant", change, server.platformKey)
            #expect(changed.displayName == "Acme" && changed.industry == "retail")
            #expect(
                changed.settingsJSON == #"{"colour": "blue"}"# && changed.slug == "acme" && changed.plan == tenant.plan
            )
            #expect(await Self.reason(server, "UpdateTenant", change) == "ETAG_MISMATCH")
            let own: Tenant = try await server.call("GetOwnTenant", GetOwnTenantRequest(), key)
            #expect(own == changed)
            var mine = UpdateOwnTenantRequest(updateMask: FieldMask(paths: ["industry", "settings_json"]))
            let emptied: Tenant = try await server.call("UpdateOwnTenant", mine, key)
            #expect(emptied.industry == "" && emptied.settingsJSON == "{}" && emptied.displayName == "Acme")
            mine = UpdateOwnTenantRequest(updateMask: FieldMask(paths: ["display_name"]))
            #expect(await AccessTests.refusal(server, "UpdateOwnTenant", mine, key)?.fields == ["display_name"])
            mine = UpdateOwnTenantRequest(settingsJSON: "[1]")
            #expect(await AccessTests.refusal(server, "UpdateOwnTenant", mine, key)?.fields == ["settings_json"])
            mine = UpdateOwnTenantRequest(updateMask: FieldMask(paths: ["plan"]))
            #expect(await AccessTests.refusal(server, "UpdateOwnTenant", mine, key)?.fields == ["update_mask.paths[0]"])
            let reader: ApiKey = try await server.call(
                "CreateApiKey",
                CreateApiKeyRequest(displayName: "reader", permissions: ["tenancy.settings.read"]),
                key
            )
            mine = UpdateOwnTenantRequest(displayName: "Mine")
            #expect(await Self.reason(server, "UpdateOwnTenant", mine, reader.secret) == "PERMISSION_DENIED")
        }
    }

    @Test("nobody of a suspended or deleted tenant is let in, and the refusal says why; others are")
    func closed() async throws {
        try await TestServer.with { server in
            let (tenant, key) = try await server.tenant("acme")
            let (_, other) = try await server.tenant("other")
            func who(_ key: String) async -> String? { await Self.reason(server, "WhoAmI", WhoAmIRequest(), key) }
            #expect(await who(key) == nil)

            let suspend = SuspendTenantRequest(id: tenant.id)
            let suspended: Tenant = try await server.call("SuspendTenant", suspend, server.platformKey)
            #expect(suspended.state == .suspended && suspended.suspendTime != nil)
            let again: Tenant = try await server.call("SuspendTenant", suspend, server.platformKey)
            #expect(again == suspended)
            let refused = await AccessTests.refusal(server, "WhoAmI", WhoAmIRequest(), key)
            #expect(refused?.code == .permissionDenied && refused?.reason == "TENANT_SUSPENDED")
            // Whoever has no valid credential learns nothing.
            let real = try #require(Credential(secret: key))
            #expect(await who(Credential(owner: real.owner, key: real.key).secret) == "CREDENTIAL_REFUSED")
            #expect(await who(other) == nil)

            let deleted: Tenant = try await server.call(
                "DeleteTenant",
                DeleteTenantRequest(id: tenant.id, etag: suspended.etag),
                server.platformKey
            )
            let window =
                try #require(deleted.purgeTime).instant.microseconds
                - #require(deleted.deleteTime).instant.microseconds
            #expect(deleted.state == .deleted && window == 30 * 86_400_000_000)
            #expect(await who(key) == "TENANT_DELETED")

            // As it was when it was deleted: suspended.
            let undelete = UndeleteTenantRequest(id: tenant.id)
            let restored: Tenant = try await server.call("UndeleteTenant", undelete, server.platformKey)
            #expect(restored.state == .suspended && restored.deleteTime == nil && restored.purgeTime == nil)
            let resumed: Tenant = try await server.call(
                "ResumeTenant",
                ResumeTenantRequest(id: tenant.id),
                server.platformKey
            )
            #expect(resumed.state == .active && resumed.suspendTime == nil)
            #expect(await who(key) == nil)
        }
    }

    @Test("what does not fit the state of a tenant is refused with its reason")
    func transitions() async throws {
        try await TestServer.with { server in
            let (tenant, _) = try await server.tenant("acme")
            let id = tenant.id
            #expect(await Self.reason(server, "UndeleteTenant", UndeleteTenantRequest(id: id)) == "TENANT_NOT_DELETED")
            #expect(
                await Self.reason(server, "PurgeTenant", PurgeTenantRequest(id: id, force: true))
                    == "TENANT_NOT_DELETED"
            )
            let stale = DeleteTenantRequest(id: id, etag: "77")
            #expect(await Self.reason(server, "DeleteTenant", stale) == "ETAG_MISMATCH")
            _ = try await server.call("DeleteTenant", DeleteTenantRequest(id: id), server.platformKey, as: Tenant.self)
            #expect(await Self.reason(server, "DeleteTenant", DeleteTenantRequest(id: id)) == "TENANT_DELETED")
            #expect(await Self.reason(server, "SuspendTenant", SuspendTenantRequest(id: id)) == "TENANT_DELETED")
            #expect(await Self.reason(server, "ResumeTenant", ResumeTenantRequest(id: id)) == "TENANT_DELETED")
            let update = UpdateTenantRequest(id: id, displayName: "x")
            #expect(await Self.reason(server, "UpdateTenant", update) == "TENANT_DELETED")
            #expect(
                await Self.reason(server, "SetTenantPlan", SetTenantPlanRequest(id: id, plan: "pro"))
                    == "TENANT_DELETED"
            )
            let issue = IssueTenantKeyRequest(tenantID: id, displayName: "k")
            #expect(await Self.reason(server, "IssueTenantKey", issue) == "TENANT_DELETED")
            #expect(await Self.reason(server, "PurgeTenant", PurgeTenantRequest(id: id)) == "UNDELETE_WINDOW_OPEN")
            // Its short name stays taken.
            let taken = CreateTenantRequest(slug: "acme", displayName: "Acme")
            #expect(await Self.reason(server, "CreateTenant", taken) == "ALREADY_EXISTS")
            let nobody = SuspendTenantRequest(id: UUID.v7().text)
            #expect(await Self.reason(server, "SuspendTenant", nobody) == "NOT_FOUND")
        }
    }

    @Test("tenants are listed by state, and deleted ones only to who asks for them")
    func list() async throws {
        try await TestServer.with { server in
            var tenants: [Tenant] = []
            for slug in ["a", "b", "c"] { tenants.append(try await server.tenant(slug).tenant) }
            let suspend = SuspendTenantRequest(id: tenants[1].id)
            _ = try await server.call("SuspendTenant", suspend, server.platformKey, as: Tenant.self)
            let delete = DeleteTenantRequest(id: tenants[2].id)
            _ = try await server.call("DeleteTenant", delete, server.platformKey, as: Tenant.self)
            func slugs(_ request: ListTenantsRequest) async throws -> [String] {
                try await server.call("ListTenants", request, server.platformKey, as: ListTenantsResponse.self)
                    .tenants.map(\.slug)
            }
            #expect(try await slugs(ListTenantsRequest()) == ["a", "b"])
            #expect(try await slugs(ListTenantsRequest(showDeleted: true)) == ["a", "b", "c"])
            #expect(try await slugs(ListTenantsRequest(state: .active)) == ["a"])
            #expect(try await slugs(ListTenantsRequest(state: .suspended)) == ["b"])
            #expect(try await slugs(ListTenantsRequest(state: .deleted)) == ["c"])
            #expect(try await slugs(ListTenantsRequest(state: .purged)) == [])
        }
    }

    /// A write of a tenant on a connection of its own, which does something before it makes a site.
    static func write(
        _ site: String,
        of tenant: UUID,
        _ database: Database,
        before: @escaping @Sendable (Work) async throws -> Void
    ) async throws -> Site {
        let scope = Scope(tenant: tenant, actor: .service(key: .v7()), grants: Grants(tenant: PermissionSet(["*"])))
        let call = WriteCall(
            scope: scope,
            method: "test",
            callID: "test",
            isAudited: false,
            keyring: Keyring(root: testEncryptionKey)
        )
        let request = CreateSiteRequest(displayName: site)
        return try await database.write(request, call) { work in
            try await before(work)
            return try await Sites.create(request, work)
        }
        .response
    }

    @Test(
        "a deletion waits for writes that are under way; writes that come later are refused, and nothing is resurrected"
    )
    func fence() async throws {
        try await TestServer.with { server in
            let (made, key) = try await server.tenant("acme")
            let tenant = try #require(UUID(made.id))
            _ = try await server.call("WhoAmI", WhoAmIRequest(), key, as: WhoAmIResponse.self)
            try await server.database.withServer { database in
                let (begun, mayEnd) = (Gate(), Gate())
                async let writer = Self.write("Early", of: tenant, database) { _ in
                    begun.open()
                    await mayEnd.wait()
                }
                await begun.wait()
                async let delete = server.call(
                    "DeleteTenant",
                    DeleteTenantRequest(id: made.id),
                    server.platformKey,
                    as: Tenant.self
                )
                try await server.database.waitForLockWaiters(1)
                // A writer that comes while the deletion waits is behind it.
                async let late = Self.write("Late", of: tenant, database) { _ in }
                try await server.database.waitForLockWaiters(2)
                mayEnd.open()
                #expect(try await writer.displayName == "Early")
                #expect(try await delete.state == .deleted)
                do {
                    _ = try await late
                    Issue.record("a write of a deleted tenant took effect")
                } catch {
                    #expect(error as? DomainError == .tenantClosed(.deleted))
                }
                await #expect(throws: DomainError.tenantClosed(.deleted)) {
                    try await Self.write("Later", of: tenant, database) { _ in }
                }
            }
            // Also a caller who may still be remembered as let in.
            let create = CreateSiteRequest(displayName: "Remembered")
            #expect(await Self.reason(server, "CreateSite", create, key) == "TENANT_DELETED")
            let undelete = UndeleteTenantRequest(id: made.id)
            _ = try await server.call("UndeleteTenant", undelete, server.platformKey, as: Tenant.self)
            let sites: ListSitesResponse = try await server.call("ListSites", ListSitesRequest(), key)
            #expect(sites.sites.map(\.displayName) == ["Main", "Early"])
        }
    }
}

/// Lets whoever waits through once it is opened.
final class Gate: Sendable {
    private let stream: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    init() { (stream, continuation) = AsyncStream.makeStream() }

    func open() { continuation.finish() }

    func wait() async { for await _ in stream {} }
}

/// How many sessions of the database wait for a lock.
private struct LockWaiters: Statement {
    static let name = "test_lock_waiters"
    static let sql = """
        SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
        """

    func bind(_ parameters: inout Parameters) {}

    static func decode(_ result: borrowing QueryResult) throws(PostgresError) -> Int64? {
        try result.first { row throws(PostgresError) in try row.int64(0) }
    }
}

extension TestDatabase {
    /// Waits until so many sessions wait for a lock.
    func waitForLockWaiters(_ count: Int64) async throws {
        try await withAdministrator { database in
            while try await database.run(LockWaiters()) != count { try await loop.sleep(for: .milliseconds(5)) }
        }
    }
}
