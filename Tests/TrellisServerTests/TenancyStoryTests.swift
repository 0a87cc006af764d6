import Primitives
import RPC
import RPCClient
import Testing
import TrellisAPI

@Suite("Tenancy over the wire")
struct TenancyStoryTests {
    @Test("a tenant is made, gets a key, and works with sites and users under it")
    func story() async throws {
        try await TestServer.with { server in
            let (tenant, key) = try await server.tenant("acme")
            #expect(UUID(tenant.id)?.version == 7 && tenant.slug == "acme" && tenant.createTime != nil)
            let read: Tenant = try await server.call("GetTenant", GetTenantRequest(id: tenant.id), server.platformKey)
            #expect(read == tenant)

            let who: WhoAmIResponse = try await server.call("WhoAmI", WhoAmIRequest(), key)
            #expect(who.kind == .service && who.tenant == tenant && who.user == nil)
            #expect(who.permissions.contains("tenancy.sites.write"))
            #expect(!who.permissions.contains("tenancy.tenants.write"))
            #expect(who.apiKey?.secret == "" && who.apiKey?.permissions == ["*"])

            let made: Site = try await server.call(
                "CreateSite",
                CreateSiteRequest(displayName: "Lima", timeZone: "America/Lima"),
                key
            )
            #expect(made.displayName == "Lima" && made.timeZone == "America/Lima" && !made.etag.isEmpty)
            let site: Site = try await server.call("GetSite", GetSiteRequest(id: made.id), key)
            #expect(site == made)
            let user: User = try await server.call(
                "CreateUser",
                CreateUserRequest(email: "Ana@example.com", displayName: "Ana"),
                key
            )
            #expect(user.email == "Ana@example.com" && user.language == "en" && user.timeZone == "UTC")
            let found: ListUsersResponse = try await server.call(
                "ListUsers",
                ListUsersRequest(email: "ANA@EXAMPLE.COM"),
                key
            )
            #expect(found.users == [user])
        }
    }

    @Test("names that are taken are refused without regard to case, per tenant for sites, for all for slugs")
    func taken() async throws {
        try await TestServer.with { server in
            let (_, alpha) = try await server.tenant("alpha")
            let (_, beta) = try await server.tenant("beta")
            for key in [alpha, beta] {
                _ = try await server.call("CreateSite", CreateSiteRequest(displayName: "Lima"), key, as: Site.self)
            }
            let site = await #expect(throws: RPCError.self) {
                try await server.call("CreateSite", CreateSiteRequest(displayName: "LIMA"), alpha, as: Site.self)
            }
            #expect(site?.code == .alreadyExists && site?.reason == "ALREADY_EXISTS")
            let slug = await #expect(throws: RPCError.self) { try await server.tenant("alpha") }
            #expect(slug?.code == .alreadyExists)
            let tenants: ListTenantsResponse = try await server.call(
                "ListTenants",
                ListTenantsRequest(),
                server.platformKey
            )
            #expect(tenants.tenants.map(\.slug) == ["alpha", "beta"])
        }
    }

    @Test("an update sets what its mask names, and only on the version that was read")
    func update() async throws {
        try await TestServer.with { server in
            let (_, key) = try await server.tenant("acme")
            let old: Site = try await server.call(
                "CreateSite",
                CreateSiteRequest(displayName: "Lima", description: "South"),
                key
            )
            var change = UpdateSiteRequest(id: old.id, displayName: "Cusco", etag: old.etag)
            let new: Site = try await server.call("UpdateSite", change, key)
            #expect(new.displayName == "Cusco" && new.description == "South" && new.etag != old.etag)
            #expect(new.createTime == old.createTime && new.updateTime != old.updateTime)
            let stale = await #expect(throws: RPCError.self) {
                try await server.call("UpdateSite", change, key, as: Site.self)
            }
            #expect(stale?.code == .aborted && stale?.reason == "ETAG_MISMATCH")

            change = UpdateSiteRequest(id: old.id, updateMask: FieldMask(paths: ["description"]))
            let emptied: Site = try await server.call("UpdateSite", change, key)
            #expect(emptied.description.isEmpty && emptied.displayName == "Cusco")
            change = UpdateSiteRequest(id: old.id, updateMask: FieldMask(paths: ["display_name"]))
            let nameless = await #expect(throws: RPCError.self) {
                try await server.call("UpdateSite", change, key, as: Site.self)
            }
            #expect(nameless?.fields == ["display_name"])
        }
    }

    @Test("of many writers with one etag, one wins")
    func writers() async throws {
        try await TestServer.with { server in
            let (_, key) = try await server.tenant("acme")
            let site: Site = try await server.call("CreateSite", CreateSiteRequest(displayName: "Lima"), key)
            let outcomes = await withTaskGroup(of: StatusCode.self) { tasks in
                for index in 0..<8 {
                    tasks.addTask {
                        let change = UpdateSiteRequest(id: site.id, displayName: "Lima \(index)", etag: site.etag)
                        do {
                            _ = try await server.call("UpdateSite", change, key, as: Site.self)
                            return .ok
                        } catch {
                            return (error as? RPCError)?.code ?? .unknown
                        }
                    }
                }
                return await tasks.reduce(into: [StatusCode]()) { $0.append($1) }
            }
            #expect(outcomes.filter { $0 == .ok }.count == 1)
            #expect(outcomes.filter { $0 == .aborted }.count == 7)
        }
    }

    @Test("pages of a list that grows meanwhile show every old row once")
    func pages() async throws {
        try await TestServer.with { server in
            let (_, key) = try await server.tenant("acme")
            var made: [String] = []
            for index in 0..<7 {
                let site: Site = try await server.call(
                    "CreateSite",
                    CreateSiteRequest(displayName: "site \(index)"),
                    key
                )
                made.append(site.id)
            }
            var (seen, token, pages): ([String], String, Int) = ([], "", 0)
            repeat {
                let page: ListSitesResponse = try await server.call(
                    "ListSites",
                    ListSitesRequest(pageSize: 3, pageToken: token),
                    key
                )
                #expect(page.sites.count <= 3)
                (seen, token, pages) = (seen + page.sites.map(\.id), page.nextPageToken, pages + 1)
                if pages < 3 {
                    let late = CreateSiteRequest(displayName: "late \(pages)")
                    _ = try await server.call("CreateSite", late, key, as: Site.self)
                }
            } while !token.isEmpty
            #expect(Set(seen).count == seen.count)
            #expect(made.allSatisfy(seen.contains))
        }
    }
}
