import Domain
import EventLoop
import Glibc
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

/// What servers remember of callers, and how they hear that it is not true any more.
@Suite("Access on several servers", .timeLimit(.minutes(3)))
struct EpochTests {
    private static let tokens = ConsistencyTokens(Keyring(root: testEncryptionKey))

    private struct NeverRemembered: Error {}

    private static func who(
        _ server: TestServer,
        _ key: String,
        metadata: Metadata = Metadata()
    ) async throws -> RPCError? {
        do {
            _ = try await server.call("WhoAmI", WhoAmIRequest(), key, as: WhoAmIResponse.self, metadata: metadata)
            return nil
        } catch {
            return error as? RPCError
        }
    }

    private static func key(_ server: TestServer, _ admin: String, _ permissions: [String] = ["*"]) async throws
        -> ApiKey
    {
        try await server.call("CreateApiKey", CreateApiKeyRequest(displayName: "k", permissions: permissions), admin)
    }

    /// A key that is not valid any more, changed behind the servers' backs, and that this server lets in by memory.
    private static func remembered(_ server: TestServer, _ admin: String) async throws -> ApiKey {
        for _ in 0..<200 {
            let key = try await key(server, admin)
            #expect(try await who(server, key.secret) == nil)
            try await server.database.execute(
                "UPDATE trellis.api_key SET revoke_time = now() WHERE api_key_id = '\(key.id)'"
            )
            if try await who(server, key.secret) == nil { return key }
            // It does not trust itself yet.
            try await Task.sleep(for: .milliseconds(50))
        }
        throw NeverRemembered()
    }

    /// The processes of the sessions that listen.
    private static func listeners(_ database: TestDatabase) async throws -> Set<Int32> {
        try await database.withAdministrator { pool in
            Set(try await pool.run(AccessListeners(applicationName: AccessEpochs.applicationName)).map(\.process))
        }
    }

    @Test("who is known is not looked up again, until a notification says that something has changed")
    func memory() async throws {
        try await TestServer.with { server in
            let (tenant, admin) = try await server.tenant("acme")
            let (other, _) = try await server.tenant("other")
            let key = try await Self.remembered(server, admin)
            try await server.database.execute("SELECT pg_notify('trellis_access', '\(other.id) 1')")
            try await server.database.execute("SELECT pg_notify('trellis_access', 'nonsense')")
            #expect(try await Self.who(server, key.secret) == nil, "another tenant's change is not this one's")
            try await server.database.execute("SELECT pg_notify('trellis_access', '\(tenant.id) 1')")
            // By the notification, which is under way: nothing else ends what is remembered.
            var refused: RPCError?
            while refused == nil { refused = try await Self.who(server, key.secret) }
            #expect(refused?.reason == "CREDENTIAL_REFUSED")
        }
    }

    @Test(
        "roles and users that are taken away count on no server, and roles that are given on all, once that is answered"
    )
    func roles() async throws {
        try await TestServer.with { first in
            let second = try await first.second()
            let (_, admin) = try await first.tenant("acme")
            let (user, key) = try await first.user("mia", roles: [], admin)
            func reads(_ server: TestServer) async -> RPCError? {
                do {
                    _ = try await server.call("ListSites", ListSitesRequest(), key, as: ListSitesResponse.self)
                    return nil
                } catch {
                    return error as? RPCError
                }
            }
            // Long enough for both to trust what they remember, and a little longer: each turn takes both by surprise.
            for _ in 0..<8 {
                let assign = AssignRoleRequest(userID: user.id, role: "member")
                _ = try await first.access("AssignRole", assign, admin, as: RoleAssignment.self)
                for server in [second, first] { #expect(await reads(server) == nil) }
                let unassign = UnassignRoleRequest(userID: user.id, role: "member")
                _ = try await second.access("UnassignRole", unassign, admin, as: RoleAssignment.self)
                for server in [first, second] { #expect(await reads(server)?.reason == "PERMISSION_DENIED") }
            }
            _ = try await first.call("SuspendUser", SuspendUserRequest(id: user.id), admin, as: User.self)
            for server in [second, first] { #expect(await reads(server)?.reason == "CREDENTIAL_REFUSED") }
            _ = try await second.call("ResumeUser", ResumeUserRequest(id: user.id), admin, as: User.self)
            for server in [first, second] { #expect(await reads(server)?.reason == "PERMISSION_DENIED") }
            await second.stop()
        }
    }

    @Test("a server whose listening session was ended lets nobody in by memory who was revoked meanwhile")
    func terminated() async throws {
        try await TestServer.with { first in
            let own = try await Self.listeners(first.database)
            #expect(own.count == 1)
            let second = try await first.second()
            let (_, admin) = try await first.tenant("acme")
            // When both remember, the rest is a test.
            _ = try await Self.remembered(first, admin)
            _ = try await Self.remembered(second, admin)
            for _ in 0..<6 {
                let key = try await Self.key(first, admin)
                #expect(try await Self.who(second, key.secret) == nil)
                for process in try await Self.listeners(first.database).subtracting(own) {
                    try await first.database.execute("SELECT pg_terminate_backend(\(process))")
                }
                _ = try await first.call("RevokeApiKey", RevokeApiKeyRequest(id: key.id), admin, as: ApiKey.self)
                #expect(try await Self.who(second, key.secret)?.reason == "CREDENTIAL_REFUSED")
            }
            // It listens again by itself, and remembers again.
            _ = try await Self.remembered(second, admin)
            await second.stop()
        }
    }

    @Test("a server that hears nothing, though its session is there, stops trusting itself before others rely on that")
    func silent() async throws {
        try await TestServer.with { first in
            let own = try await Self.listeners(first.database)
            let second = try await first.second()
            let (_, admin) = try await first.tenant("acme")
            _ = try await Self.remembered(first, admin)
            let kept = try await Self.remembered(second, admin)
            let deaf = try await Self.listeners(first.database).subtracting(own)
            #expect(deaf.count == 1)
            let key = try await Self.key(first, admin)
            #expect(try await Self.who(second, key.secret) == nil)
            #expect(deaf.allSatisfy { kill($0, SIGSTOP) == 0 })
            defer { for process in deaf { kill(process, SIGCONT) } }
            _ = try await first.call("RevokeApiKey", RevokeApiKeyRequest(id: key.id), admin, as: ApiKey.self)
            #expect(try await Self.who(second, key.secret)?.reason == "CREDENTIAL_REFUSED")
            #expect(try await Self.who(second, kept.secret)?.reason == "CREDENTIAL_REFUSED")
            // It serves all the same.
            #expect(try await Self.who(second, admin) == nil)
            for process in deaf { kill(process, SIGCONT) }
            _ = try await Self.remembered(second, admin)
            await second.stop()
        }
    }

    @Test("many look-ups of one caller at a time, while they change, leave nothing behind that is not true")
    func races() async throws {
        try await TestServer.with { server in
            let (_, admin) = try await server.tenant("acme")
            _ = try await Self.remembered(server, admin)
            for _ in 0..<30 {
                let key = try await Self.key(server, admin)
                // First sights that are under way when the notification comes.
                async let early = Self.who(server, key.secret)
                async let late = Self.who(server, key.secret)
                _ = try await server.call("RevokeApiKey", RevokeApiKeyRequest(id: key.id), admin, as: ApiKey.self)
                #expect(try await Self.who(server, key.secret)?.reason == "CREDENTIAL_REFUSED")
                _ = try await (early, late)
                #expect(try await Self.who(server, key.secret)?.reason == "CREDENTIAL_REFUSED")
            }
        }
    }

    @Test("a retry of a call that changed access is answered as the first, and waits for all servers anew")
    func replay() async throws {
        try await TestServer.with { server in
            let (tenant, admin) = try await server.tenant("acme")
            let (user, key) = try await server.user("mia", roles: [("member", "")], admin)
            let suspend = SuspendUserRequest(id: user.id, requestID: "once")
            let first: User = try await server.call("SuspendUser", suspend, admin)
            _ = try await server.call("ResumeUser", ResumeUserRequest(id: user.id), admin, as: User.self)
            let remembered = try await Self.remembered(server, admin)
            #expect(try await Self.who(server, key) == nil)
            let again: User = try await server.call("SuspendUser", suspend, admin)
            #expect(again == first && again.state == .suspended)
            // It has done nothing, but that the tenant's callers are looked up again.
            #expect(try await Self.who(server, key) == nil)
            var refused: RPCError?
            while refused == nil { refused = try await Self.who(server, remembered.secret) }
            #expect(refused?.reason == "CREDENTIAL_REFUSED")
            #expect(try await Self.epoch(server, tenant.id) == 3, "one role, one suspension, one end of it")
        }
    }

    @Test("whoever repeats a call that was given up is answered when all servers know, whoever's access it has changed")
    func repeated() async throws {
        try await TestServer.with { first in
            let own = try await Self.listeners(first.database)
            let second = try await first.second()
            let (_, admin) = try await first.tenant("acme")
            let (_, otherAdmin) = try await first.tenant("other")
            let mine = try await first.join("ana@example.com", admin)
            let there = try await first.join("ana@example.com", otherAdmin)
            _ = try await Self.remembered(first, admin)
            _ = try await Self.remembered(second, admin)
            #expect(await second.reason(there.accessToken) == nil)
            let deaf = try await Self.listeners(first.database).subtracting(own)
            #expect(deaf.allSatisfy { kill($0, SIGSTOP) == 0 })
            defer { for process in deaf { kill(process, SIGCONT) } }
            let change = ChangePasswordRequest(
                oldPassword: TestServer.password,
                newPassword: "five other words of mine",
                requestID: "change-1"
            )
            let token = mine.accessToken
            let givenUp = Task {
                try await first.sign("ChangePassword", change, token, as: ChangePasswordResponse.self)
            }
            try await eventually("it has taken effect") {
                try await first.rows("SELECT 'x' FROM trellis.session WHERE revoke_time IS NOT NULL") == ["x"]
            }
            givenUp.cancel()
            let again: ChangePasswordResponse = try await first.sign("ChangePassword", change, token)
            #expect(again.revokedSessions == 1)
            #expect(await second.isRefused(there.accessToken))
            _ = await givenUp.result
            for process in deaf { kill(process, SIGCONT) }
            await second.stop()
        }
    }

    /// How often the access of a tenant has changed.
    private static func epoch(_ server: TestServer, _ tenant: String) async throws -> Int64? {
        let id = try #require(UUID(tenant))
        return try await server.database.withAdministrator { try await $0.run(AccessEpochGet(tenantID: id)) }?.epoch
    }

    // MARK: Consistency tokens

    private static func token(_ metadata: Metadata) throws -> ConsistencyToken? {
        try metadata.withValue(ConsistencyToken.metadata) { try $0.map { try tokens.read($0) } }
    }

    @Test("each write answers with a token of what it has changed, or of what was seen")
    func tokensGoOut() async throws {
        try await TestServer.with { server in
            let (tenant, admin) = try await server.tenant("acme")
            let id = try #require(UUID(tenant.id))
            let site = CreateSiteRequest(displayName: "Lima")
            let written = try await server.response("CreateSite", site, admin, as: Site.self)
            #expect(try Self.token(written.metadata) == ConsistencyToken(tenant: id, epoch: 0))
            let key = try await Self.key(server, admin)
            let revoke = RevokeApiKeyRequest(id: key.id)
            for epoch in Int64(1)...2 {
                let revoked = try await server.response("RevokeApiKey", revoke, admin, as: ApiKey.self)
                #expect(try Self.token(revoked.metadata) == ConsistencyToken(tenant: id, epoch: epoch))
            }
            let second = CreateSiteRequest(displayName: "Cusco")
            let later = try await server.response("CreateSite", second, admin, as: Site.self)
            #expect(try Self.token(later.metadata) == ConsistencyToken(tenant: id, epoch: 2))
            let read = try await server.response("ListSites", ListSitesRequest(), admin, as: ListSitesResponse.self)
            #expect(try Self.token(read.metadata) == nil)
        }
    }

    @Test("a server that has seen less than a token says asks the database; a token of another tenant says nothing")
    func tokensComeIn() async throws {
        try await TestServer.with { server in
            let (tenant, admin) = try await server.tenant("acme")
            let id = try #require(UUID(tenant.id))
            let key = try await Self.remembered(server, admin)
            func with(_ tenant: UUID, _ epoch: Int64) -> Metadata {
                ["x-consistency-token": Self.tokens.text(ConsistencyToken(tenant: tenant, epoch: epoch))]
            }
            let epoch = try await Self.epoch(server, tenant.id) ?? 0
            #expect(try await Self.who(server, key.secret, metadata: with(id, epoch)) == nil)
            #expect(try await Self.who(server, key.secret, metadata: with(.v7(), epoch + 1)) == nil)
            let asked = try await Self.who(server, key.secret, metadata: with(id, epoch + 1))
            #expect(asked?.reason == "CREDENTIAL_REFUSED")
            #expect(try await Self.who(server, admin, metadata: with(id, epoch + 1)) == nil)
        }
    }

    @Test("what is no token of this platform's is an argument error, whoever sends it")
    func malformedTokens() async throws {
        try await TestServer.with { server in
            let (tenant, admin) = try await server.tenant("acme")
            let id = try #require(UUID(tenant.id))
            let good = Self.tokens.text(ConsistencyToken(tenant: id, epoch: 1))
            let foreign = ConsistencyTokens(Keyring(root: [UInt8](repeating: 1, count: 32)))
                .text(ConsistencyToken(tenant: id, epoch: 1))
            let changed = (good.first == "A" ? "B" : "A") + good.dropFirst()
            for bad in [
                "", "x", String(good.dropLast(2)), good + "AA", foreign, changed, String(repeating: "A", count: 4096),
            ] {
                // Known and unknown callers alike.
                for key in [admin, Credential(owner: .tenant(id), key: .v7()).secret] {
                    let refused = try await Self.who(server, key, metadata: ["x-consistency-token": bad])
                    #expect(refused?.code == .invalidArgument && refused?.fields == ["x-consistency-token"], "\(bad)")
                }
            }
            #expect(try await Self.who(server, admin, metadata: ["x-consistency-token": good]) == nil)
        }
    }
}
