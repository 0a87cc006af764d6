import Domain
import Postgres
import Primitives
import RPC
import TestSupport
import Testing
import TrellisAPI

@Suite("Writes that are sent again")
struct RetryTests {
    /// The sites beside the one that every tenant begins with.
    static func sites(_ server: TestServer, _ key: String) async throws -> [Site] {
        try await server.call("ListSites", ListSitesRequest(), key, as: ListSitesResponse.self).sites
            .filter { $0.displayName != "Main" }
    }

    @Test("the same request_id with the same body gets the first answer and changes nothing")
    func replay() async throws {
        try await TestServer.with { server in
            let (_, key) = try await server.tenant("acme")
            let request = CreateSiteRequest(displayName: "Lima", requestID: "r-1")
            let first: Site = try await server.call("CreateSite", request, key)
            let second: Site = try await server.call("CreateSite", request, key)
            #expect(first == second)
            #expect(try await Self.sites(server, key).count == 1)
        }
    }

    @Test("the same request_id with another body is refused, and so is nothing else")
    func reused() async throws {
        try await TestServer.with { server in
            let (_, key) = try await server.tenant("acme")
            let (_, other) = try await server.tenant("other")
            _ = try await server.call(
                "CreateSite",
                CreateSiteRequest(displayName: "Lima", requestID: "r-1"),
                key,
                as: Site.self
            )
            let refused = await AccessTests.refusal(
                server,
                "CreateSite",
                CreateSiteRequest(displayName: "Cusco", requestID: "r-1"),
                key
            )
            #expect(refused?.code == .invalidArgument && refused?.reason == "REQUEST_ID_REUSED")
            #expect(refused?.fields == ["request_id"])
            // Another method, another tenant: other ids.
            let user = CreateUserRequest(email: "a@example.com", displayName: "A", requestID: "r-1")
            _ = try await server.call("CreateUser", user, key, as: User.self)
            let site = CreateSiteRequest(displayName: "Cusco", requestID: "r-1")
            _ = try await server.call("CreateSite", site, other, as: Site.self)
            #expect(try await Self.sites(server, key).map(\.displayName) == ["Lima"])
        }
    }

    @Test("many at once with one request_id: one effect, one answer")
    func concurrent() async throws {
        try await TestServer.with { server in
            let (_, key) = try await server.tenant("acme")
            let request = CreateSiteRequest(displayName: "Lima", requestID: "r-1")
            let answers = try await withThrowingTaskGroup(of: Site.self) { tasks in
                for _ in 0..<10 { tasks.addTask { try await server.call("CreateSite", request, key) } }
                return try await tasks.reduce(into: [Site]()) { $0.append($1) }
            }
            #expect(Set(answers.map(\.id)).count == 1)
            #expect(try await Self.sites(server, key).count == 1)
        }
    }

    @Test("a call that failed is not remembered")
    func failed() async throws {
        try await TestServer.with { server in
            let (_, key) = try await server.tenant("acme")
            let first: Site = try await server.call("CreateSite", CreateSiteRequest(displayName: "Lima"), key)
            let request = CreateSiteRequest(displayName: "Lima", requestID: "r-1")
            #expect(await AccessTests.refusal(server, "CreateSite", request, key)?.code == .alreadyExists)
            let rename = UpdateSiteRequest(id: first.id, displayName: "Cusco")
            _ = try await server.call("UpdateSite", rename, key, as: Site.self)
            let second: Site = try await server.call("CreateSite", request, key)
            #expect(second.id != first.id)
        }
    }

    @Test("the secret of a key comes again with a retry, but lies nowhere in the database")
    func secrets() async throws {
        try await TestServer.with { server in
            let (_, admin) = try await server.tenant("acme")
            let request = CreateApiKeyRequest(displayName: "k", permissions: ["*"], requestID: "r-1")
            let first: ApiKey = try await server.call("CreateApiKey", request, admin)
            let second: ApiKey = try await server.call("CreateApiKey", request, admin)
            #expect(first == second && first.secret.hasPrefix("trl_tenant_"))
            _ = try await server.call("WhoAmI", WhoAmIRequest(), second.secret, as: WhoAmIResponse.self)
            let events = try await server.events(admin)
            #expect(events.map { $0.method.split(separator: "/").last } == ["CreateApiKey", "IssueTenantKey"])
            #expect(events.map { $0.actor?.kind } == ["service", "platform"])
            #expect(events.first?.requestJSON == #"{"display_name":"k","permissions":["*"]}"#)
            #expect(events.allSatisfy { $0.targets.first?.hasPrefix("api_key/") == true })
            // Neither a secret nor a request_id is in a row of any table.
            try await server.scan(
                for: [first.secret, Hex.encode(first.secret.utf8), Hex.encode("r-1".utf8), "r-1"]
            )
        }
    }
}
