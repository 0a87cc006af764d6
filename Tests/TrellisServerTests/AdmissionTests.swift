import EventLoop
import HTTP2
import Primitives
import Protobuf
import RPC
import RPCClient
import TLS
import Tenancy
import TestSupport
import Testing
import TrellisAPI

@testable import TrellisServer

/// From where a tenant is administered.
@Suite("Allow list", .timeLimit(.minutes(2)))
struct AllowListTests {
    private static func set(
        _ server: TestServer,
        _ networks: [String],
        _ key: String,
        etag: String = ""
    ) async -> Result<AllowList, RPCError> {
        do {
            let request = SetAllowListRequest(networks: networks, etag: etag)
            return .success(try await server.admission("SetAllowList", request, key))
        } catch let error as RPCError {
            return .failure(error)
        } catch {
            Issue.record(error)
            return .success(AllowList())
        }
    }

    private static func refusal(_ outcome: Result<AllowList, RPCError>) -> RPCError? {
        if case .failure(let error) = outcome { error } else { nil }
    }

    @Test("the list is replaced as a whole, in the form of networks, and not when it has changed")
    func replaced() async throws {
        try await TestServer.with { server in
            let (_, admin) = try await server.tenant("acme")
            let empty: AllowList = try await server.admission("GetAllowList", GetAllowListRequest(), admin)
            #expect(empty.networks.isEmpty && empty.updateTime == nil)
            let networks = ["127.0.0.1", "10.0.0.0/8", "2001:DB8::/32", "127.0.0.1/32"]
            let first = try await Self.set(server, networks, admin, etag: empty.etag).get()
            #expect(first.networks == ["127.0.0.1/32", "10.0.0.0/8", "2001:db8::/32"])
            let read: AllowList = try await server.admission("GetAllowList", GetAllowListRequest(), admin)
            #expect(read == first && read.updateTime != nil)
            #expect(Self.refusal(await Self.set(server, [], admin, etag: empty.etag))?.reason == "ETAG_MISMATCH")
            let second = try await Self.set(server, [], admin, etag: first.etag).get()
            #expect(second.networks.isEmpty && second.etag != first.etag)
        }
    }

    @Test("what is no network is named, with what would be one")
    func malformed() async throws {
        try await TestServer.with { server in
            let (_, admin) = try await server.tenant("acme")
            for (index, bad) in ["host", "127.0.0.1/33", "127.0.0.1/8", ""].enumerated() {
                let networks = Array(repeating: "127.0.0.1", count: index) + [bad]
                let refused = Self.refusal(await Self.set(server, networks, admin))
                #expect(refused?.code == .invalidArgument && refused?.fields == ["networks[\(index)]"])
            }
            let slip = Self.refusal(await Self.set(server, ["127.0.0.1/8"], admin))
            #expect(slip?.message.contains("127.0.0.0/8") == true)
            let many = (0...100).map { "10.0.0.\($0)" } + ["127.0.0.1"]
            #expect(Self.refusal(await Self.set(server, many, admin))?.fields == ["networks"])
        }
    }

    @Test("nobody shuts themselves out")
    func shutOut() async throws {
        try await TestServer.with { server in
            let (_, admin) = try await server.tenant("acme")
            for networks in [["192.0.2.0/24"], ["::/0"], ["128.0.0.0/1"]] {
                let refused = Self.refusal(await Self.set(server, networks, admin))
                #expect(refused?.code == .failedPrecondition && refused?.reason == "CALLER_SHUT_OUT")
                #expect(refused?.message.contains("127.0.0.1") == true)
            }
            let list: AllowList = try await server.admission("GetAllowList", GetAllowListRequest(), admin)
            #expect(list.networks.isEmpty)
        }
    }

    @Test("who calls from elsewhere does not administer the tenant, on any server, but does everything else")
    func elsewhere() async throws {
        try await TestServer.with { first in
            let second = try await first.second()
            let (tenant, admin) = try await first.tenant("acme")
            let (_, other) = try await first.tenant("other")
            _ = try await Self.set(first, ["127.0.0.0/8"], admin).get()
            let user = CreateUserRequest(email: "a@example.com", displayName: "A")
            for server in [first, second] {
                let key = CreateApiKeyRequest(displayName: "k", permissions: ["*"])
                _ = try await server.call("CreateApiKey", key, admin, as: ApiKey.self)
            }
            // As if we had moved.
            try await first.database.execute(
                "UPDATE trellis.allow_list SET networks = '{192.0.2.0/24,2001:db8::/32}';"
                    + "SELECT pg_notify('trellis_access', '\(tenant.id) 0')"
            )
            for server in [second, first] {
                var refused: RPCError?
                while refused == nil {
                    refused = await AccessTests.refusal(
                        server,
                        "SuspendUser",
                        SuspendUserRequest(id: UUID.v7().text),
                        admin
                    )
                    if refused?.code == .notFound { refused = nil }
                }
                #expect(refused?.code == .permissionDenied && refused?.reason == "ADDRESS_NOT_ALLOWED")
                #expect(try refused?.detail(ErrorInfo.self)?.metadata == ["address": "127.0.0.1"])
                #expect(await AccessTests.refusal(server, "CreateUser", user, admin)?.reason == "ADDRESS_NOT_ALLOWED")
                #expect(Self.refusal(await Self.set(server, [], admin))?.reason == "ADDRESS_NOT_ALLOWED")
                #expect(await AccessTests.refusal(server, "WhoAmI", WhoAmIRequest(), admin) == nil)
                let name = "\(UUID.v7())"
                _ = try await server.call("CreateSite", CreateSiteRequest(displayName: name), admin, as: Site.self)
                let theirs = CreateUserRequest(email: "\(name)@example.com", displayName: "A")
                _ = try await server.call("CreateUser", theirs, other, as: User.self)
            }
            // The platform is not subject to it: it makes a key, which is.
            let issue = IssueTenantKeyRequest(tenantID: tenant.id, displayName: "more")
            let issued: ApiKey = try await first.call("IssueTenantKey", issue, first.platformKey)
            #expect(
                await AccessTests.refusal(first, "CreateUser", user, issued.secret)?.reason == "ADDRESS_NOT_ALLOWED"
            )
            await second.stop()
        }
    }

    @Test("who guesses at a tenant's credentials from elsewhere is refused before one is looked up")
    func guessing() async throws {
        try await TestServer.with { server in
            let (tenant, admin) = try await server.tenant("acme")
            let id = try #require(UUID(tenant.id))
            try await server.database.execute(
                "INSERT INTO trellis.allow_list (tenant_id, networks) VALUES ('\(tenant.id)', '{192.0.2.0/24}')"
            )
            // Somebody of the tenant has called; when the server trusts what it has read then, the guess comes to nothing.
            var reasons: Set<String> = []
            while !reasons.contains("ADDRESS_NOT_ALLOWED") {
                _ = try await server.call("WhoAmI", WhoAmIRequest(), admin, as: WhoAmIResponse.self)
                let guess = Credential(owner: .tenant(id), key: .v7()).secret
                let list = RevokeApiKeyRequest(id: UUID.v7().text)
                reasons.insert(await AccessTests.refusal(server, "RevokeApiKey", list, guess)?.reason ?? "let in")
            }
            #expect(reasons.isSubset(of: ["CREDENTIAL_REFUSED", "ADDRESS_NOT_ALLOWED"]))
        }
    }
}

/// Programs that are known by their certificates.
@Suite("Service principals", .timeLimit(.minutes(2)))
struct ServicePrincipalTests {
    /// Runs `body` against a server that asks its clients for certificates, and takes it down.
    private static func with(
        _ body: @escaping @Sendable (TestServer, Certificates) async throws -> Void
    ) async throws {
        let certificates = try await Certificates()
        try await withDatabase { database in
            let server = try await start(database, certificates)
            let outcome: Result<Void, any Error>
            do { outcome = .success(try await body(server, certificates)) } catch { outcome = .failure(error) }
            await server.stop()
            try outcome.get()
        }
    }

    private static func start(
        _ database: TestDatabase,
        _ certificates: Certificates,
        platformKey: String = Server.newPlatformKey()
    ) async throws -> TestServer {
        let pair = try await certificates.make("server", "DNS:localhost,IP:127.0.0.1")
        var configuration = ServerTLSConfiguration(certificateFile: pair.certificate, keyFile: pair.key)
        configuration.clientCAFile = certificates.ca
        configuration.clientCertificates = .optional
        return try await TestServer(
            on: database,
            platformKey: platformKey,
            security: (try ServerTLS(configuration), try client(certificates))
        )
    }

    private static func client(_ certificates: Certificates, _ pair: Certificates.Pair? = nil) throws -> ClientTLS {
        var configuration = ClientTLSConfiguration()
        configuration.caFile = certificates.ca
        configuration.certificateFile = pair?.certificate
        configuration.keyFile = pair?.key
        return try ClientTLS(configuration)
    }

    /// Who a server takes the holder of a certificate for, or why it takes them for nobody.
    private static func who(
        _ server: TestServer,
        _ certificates: Certificates,
        _ pair: Certificates.Pair?,
        header: String? = nil
    ) async throws -> Result<WhoAmIResponse, RPCError> {
        var configuration = ChannelConfiguration()
        configuration.security = try client(certificates, pair)
        let channel = try Channel(address: server.started.address.description, configuration: configuration)
        var options = CallOptions()
        if let header { options.metadata.append("authorization", header) }
        let path = "/trellis.tenancy.v1.TenancyService/WhoAmI"
        let outcome: Result<WhoAmIResponse, RPCError>
        do throws(RPCError) {
            outcome = .success(try await channel.unary(path, WhoAmIRequest(), options, returning: WhoAmIResponse.self))
        } catch {
            outcome = .failure(error)
        }
        await channel.close()
        return outcome
    }

    private static func reason(_ outcome: Result<WhoAmIResponse, RPCError>) -> String? {
        if case .failure(let error) = outcome { error.reason } else { nil }
    }

    private static func request(_ tenant: Tenant, _ certificate: String) -> CreateServicePrincipalRequest {
        CreateServicePrincipalRequest(
            tenantID: tenant.id,
            displayName: "billing",
            certificate: certificate,
            permissions: ["tenancy.sites.read"]
        )
    }

    private static func make(_ server: TestServer, _ tenant: Tenant, _ certificate: String) async throws
        -> ServicePrincipal
    {
        try await server.admission("CreateServicePrincipal", request(tenant, certificate), server.platformKey)
    }

    private static func refusal(_ server: TestServer, _ request: CreateServicePrincipalRequest) async -> RPCError? {
        do {
            _ = try await server.admission(
                "CreateServicePrincipal",
                request,
                server.platformKey,
                as: ServicePrincipal.self
            )
            return nil
        } catch {
            return error as? RPCError
        }
    }

    @Test("a call without a credential over mutual TLS is made by the principal whose name the certificate bears")
    func principal() async throws {
        try await Self.with { server, certificates in
            let (tenant, admin) = try await server.tenant("acme")
            let names = "URI:spiffe://example.org/billing,DNS:Billing.example.org"
            let pair = try await certificates.make("billing", names)
            let other = try await certificates.make("other-program", "DNS:other.example.org")
            #expect(Self.reason(try await Self.who(server, certificates, pair)) == "CERTIFICATE_UNKNOWN")
            #expect(Self.reason(try await Self.who(server, certificates, nil)) == "CREDENTIAL_MISSING")
            var made: [String?] = []
            for certificate in [
                "uri:spiffe://example.org/billing", "dns:BILLING.example.org", "subject:CN=billing,O=Trellis",
            ] {
                let principal = try await Self.make(server, tenant, certificate)
                made.append(principal.id)
                #expect(principal.permissions == ["tenancy.sites.read"] && principal.lastUseTime == nil)
                let found = try await Self.who(server, certificates, pair).get()
                #expect(found.kind == .service && found.tenant?.id == tenant.id && found.apiKey == nil)
                #expect(found.servicePrincipal == principal && found.permissions == ["tenancy.sites.read"])
                #expect(Self.reason(try await Self.who(server, certificates, other)) == "CERTIFICATE_UNKNOWN")
                try await server.server.noteUses()
                let list: ListServicePrincipalsResponse = try await server.admission(
                    "ListServicePrincipals",
                    ListServicePrincipalsRequest(),
                    admin
                )
                #expect(
                    list.servicePrincipals.map(\.id) == [principal.id] && list.servicePrincipals[0].lastUseTime != nil
                )
                _ = try await server.admission(
                    "RevokeServicePrincipal",
                    RevokeServicePrincipalRequest(id: principal.id),
                    admin,
                    as: ServicePrincipal.self
                )
                #expect(Self.reason(try await Self.who(server, certificates, pair)) == "CERTIFICATE_UNKNOWN")
            }
            let method = "trellis.tenancy.v1.AdmissionService/RevokeServicePrincipal"
            let revocations = try await server.events(admin, ListAuditEventsRequest(method: method))
            #expect(revocations.count == 3)
            for event in revocations {
                let change = try #require(event.changes.first)
                #expect(try AuditTrailTests.json(change.oldJSON)["revoke_time"] == nil)
                #expect(try AuditTrailTests.json(change.newJSON)["revoke_time"]?.text != nil)
            }
            // Whoever comes with the certificate of one who was revoked is refused in the trail of their tenant.
            try await server.server.recordRefusals()
            let refusals = try await server.events(admin, ListAuditEventsRequest(onlyRefused: true))
                .filter { $0.reason == "CERTIFICATE_UNKNOWN" }
            #expect(Set(refusals.map { $0.actor?.principalID }) == Set(made))
            #expect(refusals.allSatisfy { $0.actor?.kind == "service" && $0.outcome == "UNAUTHENTICATED" })
            let all: ListServicePrincipalsResponse = try await server.admission(
                "ListServicePrincipals",
                ListServicePrincipalsRequest(showRevoked: true),
                admin
            )
            #expect(all.servicePrincipals.count == 3 && all.servicePrincipals.allSatisfy { $0.revokeTime != nil })
        }
    }

    @Test("a caller who sends a credential is who that says, and a fingerprint is no credential")
    func header() async throws {
        try await Self.with { server, certificates in
            let (tenant, admin) = try await server.tenant("acme")
            let pair = try await certificates.make("billing", "DNS:billing.example.org")
            let text = try await Certificates.openssl(
                ["x509", "-in", pair.certificate, "-noout", "-fingerprint", "-sha256"]
            )
            let digits = (text.split(separator: "=").last ?? "").filter(\.isHexDigit).lowercased()
            #expect(digits.count == 64)
            let made = try await Self.make(server, tenant, "sha256:\(digits.uppercased())")
            #expect(made.certificate == "sha256:\(digits)")
            // Until it is remembered, and longer.
            for _ in 0..<100 { _ = try await Self.who(server, certificates, pair).get() }
            for header in [digits, "Bearer \(digits)"] {
                for certificate in [nil, pair] {
                    let outcome = try await Self.who(server, certificates, certificate, header: header)
                    #expect(Self.reason(outcome) == "CREDENTIAL_MALFORMED")
                }
            }
            let keyed = try await Self.who(server, certificates, pair, header: "Bearer \(admin)").get()
            #expect(keyed.servicePrincipal == nil && keyed.apiKey != nil)
        }
    }

    @Test("a principal that is revoked is let in by no server, once that is answered")
    func revoked() async throws {
        try await Self.with { first, certificates in
            let second = try await Self.start(first.database, certificates, platformKey: first.platformKey)
            let (tenant, admin) = try await first.tenant("acme")
            let pair = try await certificates.make("billing", "DNS:billing.example.org")
            for server in [first, second, first] {
                let made = try await Self.make(first, tenant, "dns:billing.example.org")
                for server in [first, second] {
                    #expect(try await Self.who(server, certificates, pair).get().servicePrincipal?.id == made.id)
                }
                let revoke = RevokeServicePrincipalRequest(id: made.id)
                _ = try await server.admission("RevokeServicePrincipal", revoke, admin, as: ServicePrincipal.self)
                for server in [second, first] {
                    #expect(Self.reason(try await Self.who(server, certificates, pair)) == "CERTIFICATE_UNKNOWN")
                }
            }
            await second.stop()
        }
    }

    @Test(
        "a name is one principal's of all tenants, until that is revoked; a certificate of two principals is nobody's"
    )
    func unique() async throws {
        try await Self.with { server, certificates in
            let (alpha, alphaKey) = try await server.tenant("alpha")
            let (beta, betaKey) = try await server.tenant("beta")
            let first = try await Self.make(server, alpha, "dns:billing.example.org")
            for tenant in [alpha, beta] {
                let taken = await Self.refusal(server, Self.request(tenant, "dns:billing.EXAMPLE.org"))
                #expect(taken?.code == .alreadyExists)
                #expect(try taken?.detail(ErrorInfo.self)?.metadata == ["field": "certificate"])
            }
            let pair = try await certificates.make(
                "billing",
                "DNS:billing.example.org,URI:spiffe://example.org/billing"
            )
            #expect(try await Self.who(server, certificates, pair).get().tenant?.id == alpha.id)
            let second = try await Self.make(server, beta, "uri:spiffe://example.org/billing")
            // Who knows the first goes on knowing it; a server that looks finds two.
            try await server.database.execute("SELECT pg_notify('trellis_access', '\(alpha.id) 0')")
            var reason: String?
            while reason == nil { reason = Self.reason(try await Self.who(server, certificates, pair)) }
            #expect(reason == "CERTIFICATE_UNKNOWN")
            // Another tenant cannot revoke it.
            let revoke = RevokeServicePrincipalRequest(id: first.id)
            let stranger = await RolesTests.refusal {
                try await server.admission("RevokeServicePrincipal", revoke, betaKey, as: ServicePrincipal.self)
            }
            #expect(stranger?.code == .notFound)
            _ = try await server.admission("RevokeServicePrincipal", revoke, alphaKey, as: ServicePrincipal.self)
            #expect(try await Self.who(server, certificates, pair).get().servicePrincipal?.id == second.id)
            _ = try await Self.make(server, beta, "dns:billing.example.org")
        }
    }

    @Test("what cannot be a name of a certificate, a permission or a tenant is refused, and tenants bind nothing")
    func malformed() async throws {
        try await TestServer.with { server in
            let (tenant, admin) = try await server.tenant("acme")
            let digits = String(repeating: "a", count: 63)
            for bad in ["billing", "dns:", "ip:192.0.2.7", "sha256:\(digits)", "sha256:\(digits)g"] {
                #expect(await Self.refusal(server, Self.request(tenant, bad))?.fields == ["certificate"])
            }
            var request = Self.request(tenant, "dns:a.example.org")
            request.permissions = ["tenancy.tenants.write"]
            #expect(await Self.refusal(server, request)?.fields == ["permissions[0]"])
            request = Self.request(tenant, "dns:a.example.org")
            request.tenantID = UUID.v7().text
            #expect(await Self.refusal(server, request)?.code == .notFound)
            let own = await RolesTests.refusal {
                try await server.admission(
                    "CreateServicePrincipal",
                    Self.request(tenant, "dns:a.example.org"),
                    admin,
                    as: ServicePrincipal.self
                )
            }
            #expect(own?.reason == "WRONG_CREDENTIAL_KIND")
        }
    }
}
