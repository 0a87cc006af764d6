import Primitives
import Protobuf
import RPC
import Testing
import TrellisAPI

/// Who may do what by the roles that they have, and where.
@Suite("Roles")
struct RolesTests {
    /// The error of a call, which must fail.
    static func refusal<Answer: Message>(_ body: () async throws -> Answer) async -> RPCError? {
        do {
            let answer = try await body()
            Issue.record("the call was answered with \(answer)")
            return nil
        } catch {
            return error as? RPCError
        }
    }

    static func site(_ name: String, _ server: TestServer, _ key: String) async throws -> Site {
        try await server.call("CreateSite", CreateSiteRequest(displayName: name), key)
    }

    @Test("a role on a site holds there and nowhere else, and lists show what it reaches")
    func siteRoles() async throws {
        try await TestServer.with { server in
            let (_, admin) = try await server.tenant("acme")
            let own = try await Self.site("own", server, admin)
            let other = try await Self.site("other", server, admin)
            let (_, key) = try await server.user("mia", roles: [("manager", own.id)], admin)
            let seen: Site = try await server.call("GetSite", GetSiteRequest(id: own.id), key)
            #expect(seen == own)
            let denied = await Self.refusal {
                try await server.call("GetSite", GetSiteRequest(id: other.id), key, as: Site.self)
            }
            #expect(denied?.code == .permissionDenied)
            // One that is not there is refused alike: nobody learns from it what there is.
            let missing = await Self.refusal {
                try await server.call("GetSite", GetSiteRequest(id: UUID.v7().text), key, as: Site.self)
            }
            #expect(missing?.code == .permissionDenied && missing?.message == denied?.message)
            let list: ListSitesResponse = try await server.call("ListSites", ListSitesRequest(), key)
            #expect(list.sites.map(\.id) == [own.id])
            let changed: Site = try await server.call(
                "UpdateSite",
                UpdateSiteRequest(id: own.id, description: "mine"),
                key
            )
            #expect(changed.description == "mine")
            let making = await Self.refusal { try await Self.site("third", server, key) }
            #expect(making?.code == .permissionDenied)
        }
    }

    @Test("the roles on the tenant hold on every site")
    func inheritance() async throws {
        try await TestServer.with { server in
            let (_, admin) = try await server.tenant("acme")
            let site = try await Self.site("one", server, admin)
            let (user, key) = try await server.user("mia", roles: [("manager", "")], admin)
            let changed: Site = try await server.call(
                "UpdateSite",
                UpdateSiteRequest(id: site.id, description: "x"),
                key
            )
            #expect(changed.description == "x")
            let held: CheckResponse = try await server.access(
                "Check",
                CheckRequest(permission: "tenancy.sites.write", siteID: site.id, userID: user.id),
                admin
            )
            #expect(held.allowed)
        }
    }

    @Test("nobody gives away, or takes away, what they do not hold there")
    func amplification() async throws {
        try await TestServer.with { server in
            let (_, root) = try await server.tenant("acme")
            let site = try await Self.site("one", server, root)
            let (_, admin) = try await server.user("adam", roles: [("admin", "")], root)
            let (_, siteAdmin) = try await server.user("sid", roles: [("admin", site.id)], root)
            let (boss, _) = try await server.user("olga", roles: [("owner", "")], root)
            let (somebody, _) = try await server.user("tom", roles: [], root)
            func assign(_ role: String, _ site: String, _ key: String) async throws -> RoleAssignment {
                let request = AssignRoleRequest(userID: somebody.id, role: role, siteID: site)
                return try await server.access("AssignRole", request, key)
            }
            let owner = await Self.refusal { try await assign("owner", "", admin) }
            #expect(owner?.reason == "PERMISSION_ESCALATION")
            let wide = await Self.refusal { try await assign("member", "", siteAdmin) }
            #expect(wide?.code == .permissionDenied)
            #expect(try await assign("admin", site.id, siteAdmin).siteID == site.id)
            #expect(try await assign("admin", "", admin).role == "admin")
            let taking = await Self.refusal {
                let request = UnassignRoleRequest(userID: boss.id, role: "owner")
                return try await server.access("UnassignRole", request, admin, as: RoleAssignment.self)
            }
            #expect(taking?.reason == "PERMISSION_ESCALATION")
            let greater = CreateRoleRequest(role: "greater", permissions: ["*"])
            let made = await Self.refusal { try await server.access("CreateRole", greater, admin, as: Role.self) }
            #expect(made?.reason == "PERMISSION_ESCALATION")
            // A role that holds more than its changer does cannot be changed by them either.
            let all = CreateRoleRequest(role: "all", permissions: ["*"])
            _ = try await server.access("CreateRole", all, root, as: Role.self)
            let narrowed = await Self.refusal {
                let request = UpdateRoleRequest(role: "all", permissions: ["tenancy.sites.read"])
                return try await server.access("UpdateRole", request, admin, as: Role.self)
            }
            #expect(narrowed?.reason == "PERMISSION_ESCALATION")
        }
    }

    @Test("a tenant keeps its last owner, whoever tries to take them away and how")
    func lastOwner() async throws {
        try await TestServer.with { server in
            let (_, root) = try await server.tenant("acme")
            let (first, _) = try await server.user("olga", roles: [("owner", "")], root)
            let (second, _) = try await server.user("oleg", roles: [("owner", "")], root)
            func suspend(_ id: String) async throws -> User {
                try await server.call("SuspendUser", SuspendUserRequest(id: id), root)
            }
            #expect(try await suspend(second.id).state == .suspended)
            for attempt in ["SuspendUser", "DeleteUser", "UnassignRole"] {
                let refused = await Self.refusal { () async throws -> User in
                    switch attempt {
                    case "SuspendUser": return try await suspend(first.id)
                    case "DeleteUser":
                        return try await server.call("DeleteUser", DeleteUserRequest(id: first.id), root)
                    default:
                        let request = UnassignRoleRequest(userID: first.id, role: "owner")
                        _ = try await server.access("UnassignRole", request, root, as: RoleAssignment.self)
                        return User()
                    }
                }
                #expect(refused?.reason == "LAST_OWNER", "\(attempt)")
            }
            // Both at once: one of them stays.
            _ = try await server.call("ResumeUser", ResumeUserRequest(id: second.id), root, as: User.self)
            async let one = Result { try await suspend(first.id) }
            async let other = Result { try await suspend(second.id) }
            let outcomes = await [one, other]
            #expect(outcomes.count { (try? $0.get()) != nil } == 1)
        }
    }

    @Test("a role of the tenant's own: made, given, changed, taken, deleted")
    func customRoles() async throws {
        try await TestServer.with { server in
            let (_, root) = try await server.tenant("acme")
            let role: Role = try await server.access(
                "CreateRole",
                CreateRoleRequest(role: "reader", permissions: ["tenancy.sites.read"]),
                root
            )
            #expect(role.displayName == "reader" && !role.system)
            let (user, key) = try await server.user("mia", roles: [("reader", "")], root)
            _ = try await server.call("ListSites", ListSitesRequest(), key, as: ListSitesResponse.self)
            let used = await Self.refusal {
                try await server.access("DeleteRole", DeleteRoleRequest(role: "reader"), root, as: Role.self)
            }
            #expect(used?.reason == "ROLE_IN_USE")
            let stale = UpdateRoleRequest(role: "reader", permissions: ["search.*"], etag: "99")
            let aborted = await Self.refusal { try await server.access("UpdateRole", stale, root, as: Role.self) }
            #expect(aborted?.code == .aborted)
            let unknown = UpdateRoleRequest(role: "reader", permissions: ["tenancy.moon.walk"])
            let invalid = await Self.refusal { try await server.access("UpdateRole", unknown, root, as: Role.self) }
            #expect(invalid?.fields == ["permissions[0]"])
            let effective: ListEffectivePermissionsResponse = try await server.access(
                "ListEffectivePermissions",
                ListEffectivePermissionsRequest(userID: user.id),
                root
            )
            #expect(effective.permissions == ["tenancy.sites.read"])
            #expect(effective.roleAssignments.map(\.role) == ["reader"])
            _ = try await server.access(
                "UnassignRole",
                UnassignRoleRequest(userID: user.id, role: "reader"),
                root,
                as: RoleAssignment.self
            )
            _ = try await server.access("DeleteRole", DeleteRoleRequest(role: "reader"), root, as: Role.self)
            let gone = await Self.refusal {
                try await server.access("GetRole", GetRoleRequest(role: "reader"), root, as: Role.self)
            }
            #expect(gone?.code == .notFound)
            let list: ListRolesResponse = try await server.access("ListRoles", ListRolesRequest(), root)
            #expect(list.roles.map(\.role) == ["member", "manager", "admin", "owner"])
            let system = await Self.refusal {
                try await server.access("DeleteRole", DeleteRoleRequest(role: "admin"), root, as: Role.self)
            }
            #expect(system?.reason == "SYSTEM_ROLE")
        }
    }

    @Test("questions are answered at one moment, for oneself freely, for others by permission")
    func questions() async throws {
        try await TestServer.with { server in
            let (_, root) = try await server.tenant("acme")
            let site = try await Self.site("one", server, root)
            let (mia, miaKey) = try await server.user("mia", roles: [("member", site.id)], root)
            let (tom, _) = try await server.user("tom", roles: [("admin", "")], root)
            let bulk = CheckBulkRequest(checks: [
                CheckRequest(permission: "tenancy.sites.read", siteID: site.id),
                CheckRequest(permission: "tenancy.sites.read"),
                CheckRequest(permission: "tenancy.sites.read", siteID: UUID.v7().text),
                CheckRequest(permission: "tenancy.sites.read", siteID: site.id, userID: mia.id),
            ])
            let answers: CheckBulkResponse = try await server.access("CheckBulk", bulk, miaKey)
            #expect(answers.results.map(\.allowed) == [true, false, false, true])
            let nosy = await Self.refusal {
                let request = CheckRequest(permission: "tenancy.sites.read", userID: tom.id)
                return try await server.access("Check", request, miaKey, as: CheckResponse.self)
            }
            #expect(nosy?.code == .permissionDenied)
            _ = try await server.call("SuspendUser", SuspendUserRequest(id: tom.id), root, as: User.self)
            let suspended: CheckResponse = try await server.access(
                "Check",
                CheckRequest(permission: "tenancy.sites.read", userID: tom.id),
                root
            )
            #expect(!suspended.allowed)
            let misspelt = await Self.refusal {
                let request = CheckBulkRequest(checks: [CheckRequest(permission: "tenancy.sights.read")])
                return try await server.access("CheckBulk", request, root, as: CheckBulkResponse.self)
            }
            #expect(misspelt?.fields == ["checks[0].permission"])
            let all: ListPermissionsResponse = try await server.access(
                "ListPermissions",
                ListPermissionsRequest(),
                miaKey
            )
            let write = try #require(all.permissions.first { $0.name == "tenancy.sites.write" })
            #expect(write.systemRoles == ["manager", "admin", "owner"] && !write.description.isEmpty)
        }
    }
}

extension Result where Failure == any Error {
    /// What an async body returns or throws.
    init(_ body: () async throws -> Success) async {
        do { self = .success(try await body()) } catch { self = .failure(error) }
    }
}
