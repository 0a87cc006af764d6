import EventLoop
import Primitives
import Protobuf
import RPC
import RPCClient
import Tenancy
import TestSupport
import Testing
import TrellisAPI
import TrellisServer

@Suite("Who may do what")
struct AccessTests {
    static func refusal(
        _ server: TestServer,
        _ method: String,
        _ request: some Message,
        _ token: String?
    ) async -> RPCError? {
        do {
            _ = try await server.call(method, request, token, as: WhoAmIResponse.self)
            return nil
        } catch {
            return error as? RPCError
        }
    }

    @Test("without a valid credential nothing is answered, and the reason says which kind of wrong it is")
    func credentials() async throws {
        try await TestServer.with { server in
            let (tenant, key) = try await server.tenant("acme")
            let missing = await Self.refusal(server, "WhoAmI", WhoAmIRequest(), nil)
            #expect(missing?.code == .unauthenticated && missing?.reason == "CREDENTIAL_MISSING")
            let cut = await Self.refusal(server, "WhoAmI", WhoAmIRequest(), String(key.dropLast()))
            #expect(cut?.code == .unauthenticated && cut?.reason == "CREDENTIAL_MALFORMED")
            let id = try #require(UUID(tenant.id))
            let forged = Credential(owner: .tenant(id), key: .v7()).secret
            #expect(await Self.refusal(server, "WhoAmI", WhoAmIRequest(), forged)?.reason == "CREDENTIAL_REFUSED")
            // The right ids with another secret, which is what a thief of the database could make.
            let real = try #require(Credential(secret: key))
            let guessed = Credential(owner: real.owner, key: real.key).secret
            #expect(await Self.refusal(server, "WhoAmI", WhoAmIRequest(), guessed)?.reason == "CREDENTIAL_REFUSED")
            let platform = Credential(owner: .platform, key: .v7()).secret
            #expect(await Self.refusal(server, "WhoAmI", WhoAmIRequest(), platform)?.reason == "CREDENTIAL_REFUSED")
        }
    }

    @Test("a tenant's key is no platform key, and the other way round")
    func kinds() async throws {
        try await TestServer.with { server in
            let (tenant, key) = try await server.tenant("acme")
            let up = await Self.refusal(server, "GetTenant", GetTenantRequest(id: tenant.id), key)
            #expect(up?.code == .permissionDenied && up?.reason == "WRONG_CREDENTIAL_KIND")
            let down = await Self.refusal(server, "ListSites", ListSitesRequest(), server.platformKey)
            #expect(down?.code == .permissionDenied && down?.reason == "WRONG_CREDENTIAL_KIND")
        }
    }

    @Test("a key does what its permissions say, and who may not is told so before the request is looked at")
    func permissions() async throws {
        try await TestServer.with { server in
            let (_, admin) = try await server.tenant("acme")
            let reader: ApiKey = try await server.call(
                "CreateApiKey",
                CreateApiKeyRequest(displayName: "reader", permissions: ["tenancy.sites.read"]),
                admin
            )
            _ = try await server.call("ListSites", ListSitesRequest(), reader.secret, as: ListSitesResponse.self)
            // The request is wrong as well: nothing of that may show.
            let refused = await Self.refusal(server, "CreateSite", CreateSiteRequest(), reader.secret)
            #expect(refused?.code == .permissionDenied)
            #expect(try refused?.detail(ErrorInfo.self)?.metadata == ["permission": "tenancy.sites.write"])
            let wrong = await Self.refusal(server, "CreateSite", CreateSiteRequest(), admin)
            #expect(wrong?.code == .invalidArgument && wrong?.fields == ["display_name"])
        }
    }

    @Test("nobody can give away what they do not hold")
    func escalation() async throws {
        try await TestServer.with { server in
            let (_, admin) = try await server.tenant("acme")
            let maker: ApiKey = try await server.call(
                "CreateApiKey",
                CreateApiKeyRequest(
                    displayName: "maker",
                    permissions: ["tenancy.api_keys.write", "tenancy.sites.read"]
                ),
                admin
            )
            for beyond in [["*"], ["tenancy.*"], ["tenancy.sites.read", "tenancy.sites.write"]] {
                let request = CreateApiKeyRequest(displayName: "more", permissions: beyond)
                let refused = await Self.refusal(server, "CreateApiKey", request, maker.secret)
                #expect(refused?.code == .permissionDenied && refused?.reason == "PERMISSION_ESCALATION")
            }
            let platform = CreateApiKeyRequest(displayName: "more", permissions: ["tenancy.tenants.write"])
            #expect(await Self.refusal(server, "CreateApiKey", platform, admin)?.fields == ["permissions[0]"])
            let fewer: ApiKey = try await server.call(
                "CreateApiKey",
                CreateApiKeyRequest(displayName: "fewer", permissions: ["tenancy.sites.read"]),
                maker.secret
            )
            #expect(fewer.permissions == ["tenancy.sites.read"])
        }
    }

    @Test("a key that acts for a user makes keys for that user only")
    func impersonation() async throws {
        try await TestServer.with { server in
            let (_, admin) = try await server.tenant("acme")
            var users: [User] = []
            for name in ["ana", "ben"] {
                let request = CreateUserRequest(email: "\(name)@example.com", displayName: name)
                users.append(try await server.call("CreateUser", request, admin))
                let assign = AssignRoleRequest(userID: users[users.count - 1].id, role: "owner")
                _ = try await server.access("AssignRole", assign, admin, as: RoleAssignment.self)
            }
            func request(_ user: String) -> CreateApiKeyRequest {
                CreateApiKeyRequest(displayName: "k", permissions: ["tenancy.*"], userID: user)
            }
            let ana: ApiKey = try await server.call("CreateApiKey", request(users[0].id), admin)
            let who: WhoAmIResponse = try await server.call("WhoAmI", WhoAmIRequest(), ana.secret)
            #expect(who.kind == .user && who.user == users[0])
            _ = try await server.call("CreateApiKey", request(users[0].id), ana.secret, as: ApiKey.self)
            for other in [users[1].id, ""] {
                #expect(await Self.refusal(server, "CreateApiKey", request(other), ana.secret)?.fields == ["user_id"])
            }
            let nobody = await Self.refusal(server, "CreateApiKey", request(UUID.v7().text), admin)
            #expect(nobody?.code == .notFound)
        }
    }

    @Test("once a revocation is answered, no loop of any server lets the key in")
    func revocation() async throws {
        try await TestServer.with { first in
            let second = try await first.second()
            let (_, admin) = try await first.tenant("acme")
            let key: ApiKey = try await first.call(
                "CreateApiKey",
                CreateApiKeyRequest(displayName: "k", permissions: ["*"]),
                admin
            )
            // Connections to every loop of both servers, each of which knows the key.
            var channels: [Channel] = []
            for server in [first, first, second, second] {
                channels.append(try Channel(address: server.started.address.description))
            }
            let options = CallOptions(metadata: ["authorization": "Bearer \(key.secret)"])
            let path = "/trellis.tenancy.v1.TenancyService/WhoAmI"
            for channel in channels {
                _ = try await channel.unary(path, WhoAmIRequest(), options, returning: WhoAmIResponse.self)
            }
            // Keep every loop asking up to the last moment, so that look-ups are under way when it is revoked.
            let busy = channels.map { channel in
                Task {
                    while !Task.isCancelled {
                        _ = try? await channel.unary(path, WhoAmIRequest(), options, returning: WhoAmIResponse.self)
                    }
                }
            }
            let revoked: ApiKey = try await first.call("RevokeApiKey", RevokeApiKeyRequest(id: key.id), admin)
            #expect(revoked.revokeTime != nil && revoked.secret.isEmpty)
            for channel in channels {
                let refused = await #expect(throws: RPCError.self) {
                    try await channel.unary(path, WhoAmIRequest(), options, returning: WhoAmIResponse.self)
                }
                #expect(refused?.reason == "CREDENTIAL_REFUSED")
            }
            for task in busy { task.cancel() }
            for task in busy { await task.value }
            for channel in channels { await channel.close() }
            await second.stop()
            let left: ListApiKeysResponse = try await first.call("ListApiKeys", ListApiKeysRequest(), admin)
            #expect(!left.apiKeys.contains { $0.id == key.id })
            let all: ListApiKeysResponse = try await first.call(
                "ListApiKeys",
                ListApiKeysRequest(showRevoked: true),
                admin
            )
            #expect(all.apiKeys.contains { $0.id == key.id && $0.revokeTime == revoked.revokeTime })
        }
    }

    @Test("a key ends at its time, and no later than ten years from now")
    func expiry() async throws {
        try await TestServer.with { server in
            let (_, admin) = try await server.tenant("acme")
            // Long enough for the server to remember it meanwhile.
            let later = Timestamp(Instant.now().advanced(byMicroseconds: 3_000_000))
            let key: ApiKey = try await server.call(
                "CreateApiKey",
                CreateApiKeyRequest(displayName: "k", permissions: ["*"], expireTime: later),
                admin
            )
            #expect(key.expireTime == later)
            // A call a turn until then.
            var refused: RPCError?
            while refused == nil { refused = await Self.refusal(server, "WhoAmI", WhoAmIRequest(), key.secret) }
            #expect(refused?.reason == "CREDENTIAL_REFUSED" && Instant.now() >= later.instant)
            for time in [Timestamp(Instant.now()), Timestamp(seconds: 253_402_300_799)] {
                let request = CreateApiKeyRequest(displayName: "k", permissions: ["*"], expireTime: time)
                #expect(await Self.refusal(server, "CreateApiKey", request, admin)?.fields == ["expire_time"])
            }
        }
    }

    @Test("the ids of another tenant lead nowhere and change nothing")
    func strangers() async throws {
        try await TestServer.with { server in
            let (_, alpha) = try await server.tenant("alpha")
            let (_, beta) = try await server.tenant("beta")
            let site: Site = try await server.call("CreateSite", CreateSiteRequest(displayName: "Lima"), alpha)
            let user: User = try await server.call(
                "CreateUser",
                CreateUserRequest(email: "a@example.com", displayName: "A"),
                alpha
            )
            let key: ApiKey = try await server.call(
                "CreateApiKey",
                CreateApiKeyRequest(displayName: "k", permissions: ["*"], userID: user.id),
                alpha
            )
            let calls: [(String, any Message)] = [
                ("GetSite", GetSiteRequest(id: site.id)),
                ("UpdateSite", UpdateSiteRequest(id: site.id, displayName: "Mine")),
                ("GetUser", GetUserRequest(id: user.id)),
                ("RevokeApiKey", RevokeApiKeyRequest(id: key.id)),
                ("CreateApiKey", CreateApiKeyRequest(displayName: "x", permissions: ["*"], userID: user.id)),
            ]
            for (method, request) in calls {
                #expect(await Self.refusal(server, method, request, beta)?.code == .notFound, "\(method)")
            }
            let keys: ListApiKeysResponse = try await server.call(
                "ListApiKeys",
                ListApiKeysRequest(userID: user.id, showRevoked: true),
                beta
            )
            #expect(keys.apiKeys.isEmpty)
            let sites: ListSitesResponse = try await server.call("ListSites", ListSitesRequest(), beta)
            #expect(sites.sites.map(\.displayName) == ["Main"])
            #expect(try await server.call("GetSite", GetSiteRequest(id: site.id), alpha, as: Site.self) == site)
            _ = try await server.call("WhoAmI", WhoAmIRequest(), key.secret, as: WhoAmIResponse.self)
        }
    }
}
