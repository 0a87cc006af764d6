import Domain
import Postgres
import Primitives
import Protobuf
import RPC
import Tenancy
import TestSupport
import Testing
import TrellisAPI

@testable import TrellisServer

@Suite("The lives of sites")
struct SiteLifeTests {
    static func names(_ server: TestServer, _ key: String, _ request: ListSitesRequest = .init()) async throws
        -> [String]
    {
        try await server.call("ListSites", request, key, as: ListSitesResponse.self).sites.map(\.displayName)
    }

    @Test("an archived site is read and no longer changed, until it is taken out of the archive")
    func archive() async throws {
        try await TestServer.with { server in
            let (_, key) = try await server.tenant("acme")
            let site: Site = try await server.call("CreateSite", CreateSiteRequest(displayName: "Lima"), key)
            let archived: Site = try await server.call("ArchiveSite", ArchiveSiteRequest(id: site.id), key)
            #expect(archived.archiveTime != nil && archived.etag != site.etag)
            let again: Site = try await server.call("ArchiveSite", ArchiveSiteRequest(id: site.id), key)
            #expect(again == archived)
            #expect(try await server.call("GetSite", GetSiteRequest(id: site.id), key, as: Site.self) == archived)
            #expect(try await Self.names(server, key) == ["Main"])
            #expect(try await Self.names(server, key, ListSitesRequest(showArchived: true)) == ["Main", "Lima"])
            let change = UpdateSiteRequest(id: site.id, displayName: "Cusco")
            let refused = await AccessTests.refusal(server, "UpdateSite", change, key)
            #expect(refused?.code == .failedPrecondition && refused?.reason == "SITE_ARCHIVED")
            #expect(try refused?.detail(PreconditionFailure.self)?.violations.first?.subject == "sites/\(site.id)")
            let back: Site = try await server.call("UnarchiveSite", UnarchiveSiteRequest(id: site.id), key)
            #expect(back.archiveTime == nil)
            let changed: Site = try await server.call("UpdateSite", change, key)
            #expect(changed.displayName == "Cusco")
        }
    }

    @Test("a deleted site is shown to who asks for it, keeps its name, and comes back as it was; the last one stays")
    func delete() async throws {
        try await TestServer.with { server in
            let (_, key) = try await server.tenant("acme")
            func reason(_ method: String, _ request: some Message) async -> String? {
                await AccessTests.refusal(server, method, request, key)?.reason
            }
            let site: Site = try await server.call("CreateSite", CreateSiteRequest(displayName: "Lima"), key)
            #expect(await reason("DeleteSite", DeleteSiteRequest(id: site.id, etag: "77")) == "ETAG_MISMATCH")
            let deleted: Site = try await server.call(
                "DeleteSite",
                DeleteSiteRequest(id: site.id, etag: site.etag),
                key
            )
            let window =
                try #require(deleted.purgeTime).instant.microseconds
                - #require(deleted.deleteTime).instant.microseconds
            #expect(window == 30 * 86_400_000_000)
            #expect(try await Self.names(server, key) == ["Main"])
            #expect(try await Self.names(server, key, ListSitesRequest(showDeleted: true)) == ["Main", "Lima"])
            #expect(try await server.call("GetSite", GetSiteRequest(id: site.id), key, as: Site.self) == deleted)
            #expect(await reason("DeleteSite", DeleteSiteRequest(id: site.id)) == "SITE_DELETED")
            #expect(await reason("ArchiveSite", ArchiveSiteRequest(id: site.id)) == "SITE_DELETED")
            #expect(await reason("UpdateSite", UpdateSiteRequest(id: site.id, displayName: "x")) == "SITE_DELETED")
            #expect(await reason("CreateSite", CreateSiteRequest(displayName: "LIMA")) == "ALREADY_EXISTS")

            let main = try #require(
                try await server.call("ListSites", ListSitesRequest(), key, as: ListSitesResponse.self).sites.first
            )
            #expect(await reason("DeleteSite", DeleteSiteRequest(id: main.id)) == "LAST_SITE")
            let restored: Site = try await server.call("UndeleteSite", UndeleteSiteRequest(id: site.id), key)
            #expect(restored.deleteTime == nil && restored.purgeTime == nil && restored.displayName == "Lima")
            #expect(await reason("UndeleteSite", UndeleteSiteRequest(id: site.id)) == "SITE_NOT_DELETED")
            let gone: Site = try await server.call("DeleteSite", DeleteSiteRequest(id: main.id), key)
            #expect(gone.deleteTime != nil)
        }
    }

    @Test("of two that delete the last two sites at once, one is refused")
    func last() async throws {
        try await TestServer.with { server in
            let (_, key) = try await server.tenant("acme")
            for turn in 0..<5 {
                _ = try await server.call("CreateSite", CreateSiteRequest(displayName: "\(turn)"), key, as: Site.self)
                let sites = try await server.call("ListSites", ListSitesRequest(), key, as: ListSitesResponse.self)
                    .sites
                #expect(sites.count == 2)
                let outcomes = await withTaskGroup(of: String?.self) { tasks in
                    for site in sites {
                        tasks.addTask {
                            await AccessTests.refusal(server, "DeleteSite", DeleteSiteRequest(id: site.id), key)?.reason
                        }
                    }
                    return await tasks.reduce(into: [String?]()) { $0.append($1) }
                }
                #expect(outcomes.count { $0 == nil } == 1 && outcomes.contains("LAST_SITE"))
            }
        }
    }

    @Test("roles on a deleted site grant nothing, and can be given on none; they come back with it")
    func roles() async throws {
        try await TestServer.with { server in
            let (_, admin) = try await server.tenant("acme")
            let site: Site = try await server.call("CreateSite", CreateSiteRequest(displayName: "Lima"), admin)
            let request = CreateUserRequest(email: "ana@example.com", displayName: "Ana")
            let user: User = try await server.call("CreateUser", request, admin)
            let assign = AssignRoleRequest(userID: user.id, role: "manager", siteID: site.id)
            _ = try await server.access("AssignRole", assign, admin, as: RoleAssignment.self)
            let key: ApiKey = try await server.call(
                "CreateApiKey",
                CreateApiKeyRequest(displayName: "ana", permissions: ["*"], userID: user.id),
                admin
            )
            let get = GetSiteRequest(id: site.id)
            #expect(try await server.call("GetSite", get, key.secret, as: Site.self).id == site.id)
            let check = CheckRequest(permission: "tenancy.sites.read", siteID: site.id, userID: user.id)
            #expect(try await server.access("Check", check, admin, as: CheckResponse.self).allowed)

            let delete = DeleteSiteRequest(id: site.id)
            _ = try await server.call("DeleteSite", delete, admin, as: Site.self)
            #expect(await AccessTests.refusal(server, "GetSite", get, key.secret)?.reason == "PERMISSION_DENIED")
            #expect(try await !server.access("Check", check, admin, as: CheckResponse.self).allowed)
            await #expect(throws: RPCError.self) {
                try await server.access("AssignRole", assign, admin, as: RoleAssignment.self)
            }
            _ = try await server.call("UndeleteSite", UndeleteSiteRequest(id: site.id), admin, as: Site.self)
            #expect(try await server.call("GetSite", get, key.secret, as: Site.self).id == site.id)
        }
    }

    @Test("archiving waits for writes of the site that are under way; those that come later are refused")
    func fence() async throws {
        try await TestServer.with { server in
            let (made, key) = try await server.tenant("acme")
            let tenant = try #require(UUID(made.id))
            let site: Site = try await server.call("CreateSite", CreateSiteRequest(displayName: "Lima"), key)
            let id = try #require(UUID(site.id))
            try await server.database.withServer { database in
                let (begun, mayEnd) = (Gate(), Gate())
                @Sendable func write(_ body: @escaping @Sendable () async -> Void) async throws {
                    _ = try await TenantLifeTests.write(
                        "x",
                        of: tenant,
                        database,
                        before: { work in
                            try await work.requireWritable(site: id)
                            await body()
                            throw CancellationError()
                        }
                    )
                }
                async let early: Void = write {
                    begun.open()
                    await mayEnd.wait()
                }
                await begun.wait()
                async let archive = server.call("ArchiveSite", ArchiveSiteRequest(id: site.id), key, as: Site.self)
                try await server.database.waitForLockWaiters(1)
                async let late: Void = write {}
                try await server.database.waitForLockWaiters(2)
                mayEnd.open()
                do { try await early } catch { #expect(error is CancellationError) }
                #expect(try await archive.archiveTime != nil)
                do { try await late } catch { #expect((error as? DomainError)?.reason == "SITE_ARCHIVED") }
            }
        }
    }

    @Test("a site whose time to be restored is over is removed with the roles on it, and no other")
    func purge() async throws {
        try await TestServer.with { server in
            let (_, key) = try await server.tenant("acme")
            var sites: [Site] = []
            for name in ["old", "young", "alive"] {
                sites.append(try await server.call("CreateSite", CreateSiteRequest(displayName: name), key))
            }
            let request = CreateUserRequest(email: "ana@example.com", displayName: "Ana")
            let user: User = try await server.call("CreateUser", request, key)
            for site in sites {
                let assign = AssignRoleRequest(userID: user.id, role: "member", siteID: site.id)
                _ = try await server.access("AssignRole", assign, key, as: RoleAssignment.self)
            }
            for site in sites.prefix(2) {
                _ = try await server.call("DeleteSite", DeleteSiteRequest(id: site.id), key, as: Site.self)
            }
            try await server.database.execute(
                "UPDATE trellis.site SET purge_time = now() - interval '1 second' WHERE site_id = '\(sites[0].id)'"
            )
            try await server.runSchedule("remove-expired")
            let all = ListSitesRequest(showDeleted: true)
            #expect(try await Self.names(server, key, all) == ["Main", "young", "alive"])
            let left = try await server.access(
                "ListRoleAssignments",
                ListRoleAssignmentsRequest(userID: user.id),
                key,
                as: ListRoleAssignmentsResponse.self
            )
            #expect(Set(left.roleAssignments.map(\.siteID)) == [sites[1].id, sites[2].id])
            let events = try await server.events(key, ListAuditEventsRequest(method: "tenancy.remove_expired"))
            #expect(events.map(\.targets) == [["site/\(sites[0].id)"]])
        }
    }
}
