import Credentials
import Domain
import Postgres
import Primitives
import Protobuf
import RPC
import RPCClient
import Tenancy
import TestSupport
import Testing
import TrellisAPI

@testable import TrellisServer

/// API keys that are rotated, limited to sites, and tell when they were last used.
@Suite("API keys", .timeLimit(.minutes(2)))
struct ApiKeyTests {
    private static func who(_ server: TestServer, _ key: String) async -> String? {
        await AccessTests.refusal(server, "WhoAmI", WhoAmIRequest(), key)?.reason
    }

    private static func key(
        _ server: TestServer,
        _ admin: String,
        _ permissions: [String] = ["tenancy.sites.read"],
        user: String = "",
        sites: [String] = []
    ) async throws -> ApiKey {
        let request = CreateApiKeyRequest(displayName: "k", permissions: permissions, userID: user, siteIDs: sites)
        return try await server.call("CreateApiKey", request, admin)
    }

    private static func rotate(
        _ server: TestServer,
        _ key: ApiKey,
        grace: Int64,
        _ admin: String
    ) async throws -> ApiKey {
        try await server.call("RotateApiKey", RotateApiKeyRequest(id: key.id, gracePeriodSeconds: grace), admin)
    }

    // MARK: Rotation

    @Test(
        "a rotated key has a new secret at once and its old one for a time, on all servers; the next rotation ends it"
    )
    func rotation() async throws {
        try await TestServer.with { first in
            let second = try await first.second()
            let (_, admin) = try await first.tenant("acme")
            let key = try await Self.key(first, admin)
            #expect(key.previousSecretExpireTime == nil)
            let next = try await Self.rotate(first, key, grace: 3600, admin)
            #expect(next.id == key.id && next.secret != key.secret && next.permissions == key.permissions)
            #expect(next.obfuscatedSecret != key.obfuscatedSecret)
            let end = try #require(next.previousSecretExpireTime).seconds - Instant.now().microseconds / 1_000_000
            #expect(end > 3500 && end <= 3600)
            for server in [first, second] {
                #expect(await Self.who(server, key.secret) == nil)
                #expect(await Self.who(server, next.secret) == nil)
            }
            let events = try await first.events(admin, ListAuditEventsRequest(targetType: "api_key", targetID: key.id))
            let change = try #require(events.first?.changes.first)
            #expect(try AuditTrailTests.json(change.oldJSON)["obfuscated_secret"] == .string(key.obfuscatedSecret))
            #expect(try AuditTrailTests.json(change.newJSON)["obfuscated_secret"] == .string(next.obfuscatedSecret))
            let last = try await Self.rotate(second, next, grace: 604_800, admin)
            for server in [first, second] {
                #expect(await Self.who(server, key.secret) == "CREDENTIAL_REFUSED")
                #expect(await Self.who(server, next.secret) == nil)
                #expect(await Self.who(server, last.secret) == nil)
            }
            let only = try await Self.rotate(first, last, grace: 0, admin)
            #expect(only.previousSecretExpireTime == nil)
            for server in [second, first] {
                for ended in [key, next, last] { #expect(await Self.who(server, ended.secret) == "CREDENTIAL_REFUSED") }
                #expect(await Self.who(server, only.secret) == nil)
            }
            let listed: ListApiKeysResponse = try await first.call("ListApiKeys", ListApiKeysRequest(), admin)
            #expect(listed.apiKeys.filter { $0.id == key.id }.map(\.obfuscatedSecret) == [only.obfuscatedSecret])
            #expect(listed.apiKeys.allSatisfy { $0.secret.isEmpty })
            await second.stop()
        }
    }

    @Test("the old secret ends with its grace, the new one with the key")
    func grace() async throws {
        try await TestServer.with { server in
            let (tenant, admin) = try await server.tenant("acme")
            let key = try await Self.key(server, admin)
            let next = try await Self.rotate(server, key, grace: 3600, admin)
            #expect(await Self.who(server, key.secret) == nil)
            try await server.database.execute(
                "UPDATE trellis.api_key SET previous_secret_expire_time = now() WHERE api_key_id = '\(key.id)';"
                    + "SELECT pg_notify('trellis_access', '\(tenant.id) 0')"
            )
            var refused: String?
            while refused == nil { refused = await Self.who(server, key.secret) }
            #expect(refused == "CREDENTIAL_REFUSED")
            #expect(await Self.who(server, next.secret) == nil)
            for seconds in [-1, 604_801] as [Int64] {
                let wrong = RotateApiKeyRequest(id: key.id, gracePeriodSeconds: seconds)
                #expect(
                    await AccessTests.refusal(server, "RotateApiKey", wrong, admin)?.fields == ["grace_period_seconds"]
                )
            }
            try await server.database.execute(
                "UPDATE trellis.api_key SET expire_time = now() WHERE api_key_id = '\(key.id)'"
            )
            let rotate = RotateApiKeyRequest(id: key.id)
            let expired = await AccessTests.refusal(server, "RotateApiKey", rotate, admin)
            #expect(expired?.code == .failedPrecondition && expired?.reason == "API_KEY_EXPIRED")
            _ = try await server.call("RevokeApiKey", RevokeApiKeyRequest(id: key.id), admin, as: ApiKey.self)
            let revoked = await AccessTests.refusal(server, "RotateApiKey", rotate, admin)
            #expect(revoked?.code == .failedPrecondition && revoked?.reason == "API_KEY_REVOKED")
        }
    }

    @Test(
        "who rotates a key gets its secret, so nobody rotates one that holds more than they do, or acts for somebody else"
    )
    func escalation() async throws {
        try await TestServer.with { server in
            let (_, admin) = try await server.tenant("acme")
            let (_, stranger) = try await server.tenant("other")
            let strong = try await Self.key(server, admin, ["*"])
            let maker = try await Self.key(server, admin, ["tenancy.api_keys.write", "tenancy.sites.read"])
            let rotate = RotateApiKeyRequest(id: strong.id)
            let refused = await AccessTests.refusal(server, "RotateApiKey", rotate, maker.secret)
            #expect(refused?.reason == "PERMISSION_ESCALATION")
            #expect(await AccessTests.refusal(server, "RotateApiKey", rotate, stranger)?.code == .notFound)
            #expect(await Self.who(server, strong.secret) == nil)
            let (ana, anaKey) = try await server.user("ana", roles: [("admin", "")], admin)
            let (_, benKey) = try await server.user("ben", roles: [("admin", "")], admin)
            let anas = try await Self.key(server, admin, user: ana.id)
            let other = RotateApiKeyRequest(id: anas.id)
            #expect(await AccessTests.refusal(server, "RotateApiKey", other, benKey)?.fields == ["id"])
            let own: ApiKey = try await server.call("RotateApiKey", other, anaKey)
            #expect(await Self.who(server, own.secret) == nil)
        }
    }

    // MARK: Changes

    @Test("a key is changed under its id and secret, on all servers, and its trail says how")
    func update() async throws {
        try await TestServer.with { first in
            let second = try await first.second()
            let (_, admin) = try await first.tenant("acme")
            let site = try await RolesTests.site("own", first, admin)
            let key = try await Self.key(first, admin, ["tenancy.*"])
            func update(_ request: UpdateApiKeyRequest) async throws -> ApiKey {
                try await first.call("UpdateApiKey", request, admin)
            }
            func reads(_ server: TestServer) async -> String? {
                await AccessTests.refusal(server, "ListSites", ListSitesRequest(), key.secret)?.reason
            }
            for server in [first, second] { #expect(await reads(server) == nil) }
            let fewer = try await update(UpdateApiKeyRequest(id: key.id, permissions: ["tenancy.users.read"]))
            for server in [second, first] { #expect(await reads(server) == "PERMISSION_DENIED") }
            #expect(fewer.displayName == key.displayName && fewer.secret.isEmpty && fewer.etag != key.etag)
            #expect(fewer.obfuscatedSecret == key.obfuscatedSecret && fewer.siteIDs == key.siteIDs)

            let stale = UpdateApiKeyRequest(id: key.id, displayName: "new", etag: key.etag)
            #expect(await AccessTests.refusal(first, "UpdateApiKey", stale, admin)?.reason == "ETAG_MISMATCH")
            let end = Timestamp(Instant.now().advanced(byMicroseconds: 86_400_000_000))
            let changed = try await update(
                UpdateApiKeyRequest(
                    id: key.id,
                    displayName: "new",
                    permissions: ["tenancy.sites.read"],
                    expireTime: end,
                    siteIDs: [site.id],
                    etag: fewer.etag
                )
            )
            #expect(changed.displayName == "new" && changed.expireTime == end && changed.siteIDs == [site.id])
            let who: WhoAmIResponse = try await second.call("WhoAmI", WhoAmIRequest(), key.secret)
            #expect(who.apiKey?.displayName == "new" && who.apiKey?.etag == changed.etag)
            // By the mask, and empty: on the whole tenant, and without an end.
            let wide = try await update(
                UpdateApiKeyRequest(id: key.id, updateMask: FieldMask(paths: ["site_ids", "expire_time"]))
            )
            #expect(wide.siteIDs.isEmpty && wide.expireTime == nil && wide.displayName == "new")

            let method = "trellis.tenancy.v1.TenancyService/UpdateApiKey"
            let events = try await first.events(admin, ListAuditEventsRequest(method: method))
            #expect(events.count == 3 && events.allSatisfy { $0.targets == ["api_key/\(key.id)"] })
            let change = try #require(events.last?.changes.first)
            #expect(try AuditTrailTests.json(change.oldJSON)["permissions"] == .array([.string("tenancy.*")]))
            #expect(try AuditTrailTests.json(change.newJSON)["permissions"] == .array([.string("tenancy.users.read")]))
            await second.stop()
        }
    }

    @Test("a key is not changed by who does not hold what it holds or is to hold, nor once it has ended")
    func updateRefusals() async throws {
        try await TestServer.with { server in
            let (_, admin) = try await server.tenant("acme")
            let (_, stranger) = try await server.tenant("other")
            let site = try await RolesTests.site("own", server, admin)
            let maker = try await Self.key(server, admin, ["tenancy.api_keys.write", "tenancy.sites.read"]).secret
            let (strong, weak) = (try await Self.key(server, admin, ["*"]), try await Self.key(server, admin))
            func refused(_ request: UpdateApiKeyRequest, _ token: String) async -> RPCError? {
                await AccessTests.refusal(server, "UpdateApiKey", request, token)
            }
            for request in [
                UpdateApiKeyRequest(id: strong.id, displayName: "mine"),
                UpdateApiKeyRequest(id: strong.id, permissions: ["tenancy.sites.read"]),
                UpdateApiKeyRequest(id: weak.id, permissions: ["*"]),
                UpdateApiKeyRequest(id: weak.id, permissions: ["tenancy.sites.write"], siteIDs: [site.id]),
            ] {
                #expect(await refused(request, maker)?.reason == "PERMISSION_ESCALATION")
            }
            #expect(await refused(UpdateApiKeyRequest(id: weak.id, displayName: "x"), stranger)?.code == .notFound)
            // One that is limited to a site holds nothing beyond it: who holds all of that may not widen it.
            let limited = try await Self.key(server, admin, ["tenancy.sites.write"], sites: [site.id])
            let (_, siteKey) = try await server.user("eva", roles: [("admin", site.id)], admin)
            let widen = UpdateApiKeyRequest(id: limited.id, updateMask: FieldMask(paths: ["site_ids"]))
            #expect(await refused(widen, siteKey)?.code == .permissionDenied)
            let (ana, _) = try await server.user("ana", roles: [("admin", "")], admin)
            let (_, benKey) = try await server.user("ben", roles: [("admin", "")], admin)
            let anas = try await Self.key(server, admin, user: ana.id)
            #expect(await refused(UpdateApiKeyRequest(id: anas.id, displayName: "x"), benKey)?.fields == ["id"])
            let masked = { UpdateApiKeyRequest(id: weak.id, updateMask: FieldMask(paths: [$0])) }
            for field in ["display_name", "permissions"] {
                #expect(await refused(masked(field), admin)?.fields == [field])
            }
            #expect(await refused(masked("secret"), admin)?.fields == ["update_mask.paths[0]"])
            let unknown = UpdateApiKeyRequest(id: weak.id, permissions: ["tenancy.nothing"])
            #expect(await refused(unknown, admin)?.fields == ["permissions[0]"])
            let past = UpdateApiKeyRequest(id: weak.id, expireTime: Timestamp(Instant.now()))
            #expect(await refused(past, admin)?.fields == ["expire_time"])
            let nowhere = UpdateApiKeyRequest(id: weak.id, siteIDs: [UUID.v7().text])
            #expect(await refused(nowhere, admin)?.code == .notFound)
            let list: ListApiKeysResponse = try await server.call("ListApiKeys", ListApiKeysRequest(), admin)
            #expect(list.apiKeys.first { $0.id == weak.id }?.etag == weak.etag, "what was refused has changed nothing")
            _ = try await server.call("RevokeApiKey", RevokeApiKeyRequest(id: weak.id), admin, as: ApiKey.self)
            let rename = UpdateApiKeyRequest(id: weak.id, displayName: "x")
            #expect(await refused(rename, admin)?.reason == "API_KEY_REVOKED")
        }
    }

    @Test("to let somebody in who is seen for the first time takes one batch, whatever they show")
    func firstSight() async throws {
        try await TestServer.with { server in
            let (tenant, admin) = try await server.tenant("acme")
            let (_, userKey) = try await server.user("ana", roles: [("member", "")], admin)
            let session = try await server.join("eva@example.com", admin)
            let bind = CreateServicePrincipalRequest(
                tenantID: tenant.id,
                displayName: "billing",
                certificate: "dns:billing.example.org",
                permissions: ["tenancy.sites.read"]
            )
            let principal: ServicePrincipal = try await server.admission(
                "CreateServicePrincipal",
                bind,
                server.platformKey
            )
            let catalogue = PermissionCatalogue([], platform: [])
            try await server.database.withServer { database in
                func batches(_ body: () async throws -> Void) async throws -> Int {
                    let before = database.batchCount
                    try await body()
                    return database.batchCount - before
                }
                for secret in [admin, userKey, server.platformKey] {
                    let credential = try #require(Credential(secret: secret))
                    let count = try await batches {
                        let admitted = try await Admission.admit(credential, database, catalogue)
                        #expect(admitted != nil)
                    }
                    #expect(count == 1)
                }
                let name = try #require(CertificateName(principal.certificate))
                let byCertificate = try await batches {
                    let admitted = try await Admission.admit([name], database)
                    #expect(admitted != nil)
                }
                #expect(byCertificate == 1)
                let tokens = AccessTokens(database, .cheap)
                // The published keys are read with the first token of all.
                for count in [2, 1] {
                    let byToken = try await batches { _ = try await tokens.admit(session.accessToken, catalogue) }
                    #expect(byToken == count)
                }
            }
        }
    }

    // MARK: Sites

    @Test("a key that is limited to sites holds nothing beyond them, whatever its user holds")
    func sites() async throws {
        try await TestServer.with { server in
            let (_, admin) = try await server.tenant("acme")
            let own = try await RolesTests.site("own", server, admin)
            let other = try await RolesTests.site("other", server, admin)
            let (user, _) = try await server.user("mia", roles: [("owner", "")], admin)
            for key in [
                try await Self.key(server, admin, ["*"], sites: [own.id, own.id]),
                try await Self.key(server, admin, ["*"], user: user.id, sites: [own.id]),
            ] {
                #expect(key.siteIDs == [own.id])
                let list: ListSitesResponse = try await server.call("ListSites", ListSitesRequest(), key.secret)
                #expect(list.sites.map(\.id) == [own.id])
                let update = UpdateSiteRequest(id: own.id, description: key.id)
                _ = try await server.call("UpdateSite", update, key.secret, as: Site.self)
                let refusals = [
                    await AccessTests.refusal(server, "GetSite", GetSiteRequest(id: other.id), key.secret),
                    await AccessTests.refusal(server, "CreateSite", CreateSiteRequest(displayName: "x"), key.secret),
                    await AccessTests.refusal(server, "ListUsers", ListUsersRequest(), key.secret),
                    await AccessTests.refusal(
                        server,
                        "CreateApiKey",
                        CreateApiKeyRequest(displayName: "x", permissions: ["*"]),
                        key.secret
                    ),
                ]
                #expect(refusals.map(\.?.reason) == Array(repeating: "PERMISSION_DENIED", count: 4))
            }
            // One whose user holds nothing there holds nothing there.
            let (member, _) = try await server.user("ben", roles: [("member", other.id)], admin)
            let useless = try await Self.key(server, admin, ["*"], user: member.id, sites: [own.id])
            let denied = await AccessTests.refusal(server, "GetSite", GetSiteRequest(id: own.id), useless.secret)
            #expect(denied?.reason == "PERMISSION_DENIED")
        }
    }

    @Test(
        "a key is limited to sites that are there, and to what its maker holds on them; one on a deleted site holds nothing"
    )
    func siteLimits() async throws {
        try await TestServer.with { server in
            let (_, admin) = try await server.tenant("acme")
            let (_, stranger) = try await server.tenant("other")
            let site = try await RolesTests.site("one", server, admin)
            let foreign = try await RolesTests.site("theirs", server, stranger)
            func request(_ sites: [String], _ permissions: [String] = ["*"]) -> CreateApiKeyRequest {
                CreateApiKeyRequest(displayName: "k", permissions: permissions, siteIDs: sites)
            }
            for missing in [foreign.id, UUID.v7().text] {
                #expect(
                    await AccessTests.refusal(server, "CreateApiKey", request([site.id, missing]), admin)?.code
                        == .notFound
                )
            }
            #expect(await AccessTests.refusal(server, "CreateApiKey", request(["x"]), admin)?.fields == ["site_ids[0]"])
            let maker = try await Self.key(server, admin, ["tenancy.api_keys.write", "tenancy.sites.read"])
            let more = await AccessTests.refusal(server, "CreateApiKey", request([site.id]), maker.secret)
            #expect(more?.reason == "PERMISSION_ESCALATION")
            let key: ApiKey = try await server.call(
                "CreateApiKey",
                request([site.id], ["tenancy.sites.read"]),
                maker.secret
            )
            _ = try await server.call("GetSite", GetSiteRequest(id: site.id), key.secret, as: Site.self)
            try await server.database.execute(
                "UPDATE trellis.site SET delete_time = now() WHERE site_id = '\(site.id)'"
            )
            // A change of the tenant's access has it looked up again.
            _ = try await server.call("RevokeApiKey", RevokeApiKeyRequest(id: maker.id), admin, as: ApiKey.self)
            let denied = await AccessTests.refusal(server, "GetSite", GetSiteRequest(id: site.id), key.secret)
            #expect(denied?.reason == "PERMISSION_DENIED")
        }
    }

    // MARK: Use

    @Test("keys tell when they were last used, by whichever server and loop, also one that has stopped")
    func lastUse() async throws {
        try await TestServer.with { first in
            let (_, admin) = try await first.tenant("acme")
            let (used, unused) = (try await Self.key(first, admin), try await Self.key(first, admin))
            func times() async throws -> [String: Timestamp] {
                let list: ListApiKeysResponse = try await first.call("ListApiKeys", ListApiKeysRequest(), admin)
                return Dictionary(
                    uniqueKeysWithValues: list.apiKeys.compactMap { key in key.lastUseTime.map { (key.id, $0) } }
                )
            }
            let begin = Timestamp(Instant.now())
            #expect(await Self.who(first, used.secret) == nil)
            #expect(try await times()[used.id] == nil)
            try await first.server.noteUses()
            let noted = try await times()
            let time = try #require(noted[used.id])
            #expect(time.instant >= begin.instant && time.instant <= Instant.now())
            #expect(noted[unused.id] == nil)
            // Nothing new was used; nothing is written again.
            try await first.server.noteUses()
            #expect(try await times()[used.id] == time)
            let second = try await first.second()
            #expect(await Self.who(second, used.secret) == nil)
            #expect(await Self.who(second, unused.secret) == nil)
            await second.stop()
            let after = try await times()
            #expect(try #require(after[used.id]).instant > time.instant)
            #expect(after[unused.id] != nil)
        }
    }
}
