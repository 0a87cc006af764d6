import EventLoop
import Primitives
import Protobuf
import RPC
import RPCClient
import TestSupport
import Testing
import TrellisAPI

@testable import TrellisServer

@Suite("Plans and rates over the wire")
struct RateLimitTests {
    /// Makes all rates of a plan so small that one call a second and `burst` at once are let through.
    static func slow(_ server: TestServer, _ plan: String, burst: Int32, credentialBurst: Int32? = nil) async throws
        -> Plan
    {
        let rates = [RateClass.read, .write, .heavy, .credential].map {
            PlanRate(
                rateClass: $0,
                tenantPerSecond: 1,
                tenantBurst: burst,
                credentialPerSecond: 1,
                credentialBurst: credentialBurst ?? burst
            )
        }
        return try await server.plan("SetPlanRates", SetPlanRatesRequest(plan: plan, rates: rates))
    }

    @Test("who calls too much is told whose limit it is and when to come back; nobody else notices")
    func flood() async throws {
        try await TestServer.with { server in
            _ = try await Self.slow(server, "starter", burst: 5)
            let (flooder, key) = try await server.tenant("flooder", plan: "starter")
            let (_, other) = try await server.tenant("other", plan: "pro")
            var refusals: [RPCError] = []
            for _ in 0..<25 {
                do {
                    _ = try await server.call("ListSites", ListSitesRequest(), key, as: ListSitesResponse.self)
                } catch {
                    refusals.append(try #require(error as? RPCError))
                }
                _ = try await server.call("ListSites", ListSitesRequest(), other, as: ListSitesResponse.self)
            }
            // A token may have come meanwhile, once a second.
            #expect(refusals.count > 10 && refusals.count <= 20)
            let refused = try #require(refusals.first)
            #expect(refused.code == .resourceExhausted && refused.reason == "RATE_LIMITED")
            let quota = try #require(try refused.detail(QuotaFailure.self)?.violations.first)
            #expect(
                quota.subject.hasPrefix("credentials/") && quota.description.contains("1 reads a second and 5 at once")
            )
            let delay = try #require(try refused.detail(RetryInfo.self)?.retryDelay).duration
            #expect(delay > .zero && delay <= .seconds(1))
            #expect(refused.metadata["ratelimit-limit"] == "1, 1;w=1;burst=5")
            #expect(refused.metadata["ratelimit-remaining"] == "0" && refused.metadata["ratelimit-reset"] == "1")
            // Another class has its own.
            _ = try await server.call("CreateSite", CreateSiteRequest(displayName: "Lima"), key, as: Site.self)
            let metrics = try await server.admin("/metrics").body
            let counted = "trellis_rate_limited_total{subject=\"credential\",class=\"read\"} \(refusals.count)\n"
            #expect(metrics.contains(counted))
            #expect(metrics.contains("trellis_rate_limited_total{subject=\"tenant\",class=\"read\"} 0\n"))
            #expect(!flooder.id.isEmpty)
        }
    }

    @Test("a tenant's limit is one for all its credentials, over all loops")
    func tenant() async throws {
        try await TestServer.with { server in
            _ = try await Self.slow(server, "starter", burst: 12, credentialBurst: 8)
            let (tenant, admin) = try await server.tenant("acme", plan: "starter")
            var keys = [admin]
            for index in 0..<2 {
                let request = IssueTenantKeyRequest(tenantID: tenant.id, displayName: "\(index)")
                keys.append(
                    try await server.call("IssueTenantKey", request, server.platformKey, as: ApiKey.self).secret
                )
            }
            var channels: [Channel] = []
            for _ in 0..<4 { channels.append(try Channel(address: server.started.address.description)) }
            var (passed, subjects) = (0, Set<String>())
            for turn in 0..<40 {
                let options = CallOptions(metadata: ["authorization": "Bearer \(keys[turn % 3])"])
                let path = "/trellis.tenancy.v1.TenancyService/ListSites"
                do {
                    _ = try await channels[turn % 4].unary(
                        path,
                        ListSitesRequest(),
                        options,
                        returning: ListSitesResponse.self
                    )
                    passed += 1
                } catch {
                    let refused = try #require(error as? RPCError)
                    subjects.insert(try refused.detail(QuotaFailure.self)?.violations.first?.subject ?? "")
                }
            }
            for channel in channels { await channel.close() }
            // Each has eight, all together twelve, and one comes a second.
            #expect(passed >= 12 && passed < 22)
            #expect(subjects == ["tenants/\(tenant.id)"])
        }
    }

    @Test("a refusal comes before anything of the request is looked at, and those who may not call are counted, too")
    func early() async throws {
        try await TestServer.with { server in
            _ = try await Self.slow(server, "starter", burst: 3)
            let (tenant, _) = try await server.tenant("acme", plan: "starter")
            let request = IssueTenantKeyRequest(tenantID: tenant.id, displayName: "reader")
            let admin: ApiKey = try await server.call("IssueTenantKey", request, server.platformKey)
            let reader: ApiKey = try await server.call(
                "CreateApiKey",
                CreateApiKeyRequest(displayName: "reader", permissions: ["tenancy.sites.read"]),
                admin.secret
            )
            // The request is wrong, and its caller may not make it: before both comes that there were too many.
            var reasons: [String?] = []
            for _ in 0..<6 {
                reasons.append(
                    await AccessTests.refusal(server, "CreateSite", CreateSiteRequest(), reader.secret)?.reason
                )
            }
            #expect(reasons.prefix(2) == ["PERMISSION_DENIED", "PERMISSION_DENIED"])
            #expect(reasons.suffix(3).contains("RATE_LIMITED"))
            #expect(reasons.allSatisfy { $0 == "PERMISSION_DENIED" || $0 == "RATE_LIMITED" })
        }
    }

    @Test("new rates, and another plan, hold when they are answered")
    func changes() async throws {
        try await TestServer.with { server in
            let (tenant, key) = try await server.tenant("acme", plan: "pro")
            func outcome() async -> String? {
                await AccessTests.refusal(server, "ListSites", ListSitesRequest(), key)?.reason
            }
            for _ in 0..<20 { #expect(await outcome() == nil) }
            let slowed = try await Self.slow(server, "pro", burst: 1)
            #expect(slowed.rates.map(\.tenantBurst) == [1, 1, 1, 1])
            try await server.accessSettles()
            var refused = 0
            for _ in 0..<10 where await outcome() == "RATE_LIMITED" { refused += 1 }
            #expect(refused >= 7)
            let request = SetTenantPlanRequest(id: tenant.id, plan: "enterprise")
            let moved: Tenant = try await server.call("SetTenantPlan", request, server.platformKey)
            #expect(moved.plan == "enterprise" && moved.etag != tenant.etag)
            try await server.accessSettles()
            for _ in 0..<20 { #expect(await outcome() == nil) }
        }
    }

    @Test("who guesses at credentials is held up by address, whatever they guess at, and nobody who has one is")
    func addresses() async throws {
        try await withDatabase { database in
            let server = try await TestServer(on: database, credentialCallsPerAddress: 1)
            let (_, key) = try await server.tenant("acme")
            var refusals: [RPCError] = []
            for index in 0..<25 {
                let guess = SignInRequest(email: "\(index)@example.com", password: "not the right one")
                let refused = try #require(await server.refusal("SignIn", guess))
                if refused.code == .resourceExhausted { refusals.append(refused) }
                #expect(await TenantLifeTests.reason(server, "WhoAmI", WhoAmIRequest(), key) == nil)
            }
            // Ten at once, and one more a second.
            #expect(refusals.count > 0 && refusals.count <= 15)
            let refused = try #require(refusals.first)
            #expect(refused.reason == "RATE_LIMITED")
            #expect(try refused.detail(QuotaFailure.self)?.violations.first?.subject == "addresses/127.0.0.1")
            await server.stop()
        }
    }

    @Test("plans are listed and read, changed by class under their etag, and are the platform's alone")
    func plans() async throws {
        try await TestServer.with { server in
            let listed: ListPlansResponse = try await server.plan("ListPlans", ListPlansRequest(pageSize: 2))
            #expect(listed.plans.map(\.plan) == ["enterprise", "pro"] && !listed.nextPageToken.isEmpty)
            let rest: ListPlansResponse = try await server.plan(
                "ListPlans",
                ListPlansRequest(pageSize: 2, pageToken: listed.nextPageToken)
            )
            #expect(rest.plans.map(\.plan) == ["starter"] && rest.nextPageToken.isEmpty)
            let pro: Plan = try await server.plan("GetPlan", GetPlanRequest(plan: "pro"))
            #expect(pro == listed.plans[1] && pro.rates.map(\.rateClass) == [.read, .write, .heavy, .credential])

            let reads = PlanRate(
                rateClass: .read,
                tenantPerSecond: 7,
                tenantBurst: 8,
                credentialPerSecond: 5,
                credentialBurst: 6
            )
            var request = SetPlanRatesRequest(plan: "pro", rates: [reads], etag: pro.etag)
            let changed: Plan = try await server.plan("SetPlanRates", request)
            #expect(changed.rates == [reads] + pro.rates.dropFirst() && changed.etag != pro.etag)
            #expect(await server.planRefusal("SetPlanRates", request)?.reason == "ETAG_MISMATCH")
            request = SetPlanRatesRequest(plan: "pro", rates: [reads, reads])
            #expect(await server.planRefusal("SetPlanRates", request)?.fields == ["rates[1].rate_class"])
            request = SetPlanRatesRequest(plan: "pro", rates: [PlanRate(rateClass: .read)])
            let fields = try #require(await server.planRefusal("SetPlanRates", request)?.fields)
            #expect(fields.count == 4 && fields.contains("rates[0].tenant_per_second"))
            request = SetPlanRatesRequest(plan: "platinum", rates: [reads])
            #expect(await server.planRefusal("SetPlanRates", request)?.code == .notFound)
            #expect(await server.planRefusal("GetPlan", GetPlanRequest(plan: "platinum"))?.code == .notFound)
            let made = CreateTenantRequest(slug: "x", displayName: "X", plan: "platinum")
            #expect(await AccessTests.refusal(server, "CreateTenant", made, server.platformKey)?.code == .notFound)
            let (_, key) = try await server.tenant("acme")
            let refused = await server.planRefusal("ListPlans", ListPlansRequest(), token: key)
            #expect(refused?.reason == "WRONG_CREDENTIAL_KIND")
        }
    }
}

extension TestServer {
    /// Calls a method of PlanService, as the platform unless with another token.
    func plan<Answer: Message>(_ method: String, _ request: some Message, token: String? = nil) async throws -> Answer {
        let options = CallOptions(metadata: ["authorization": "Bearer \(token ?? platformKey)"])
        return try await channel.unary("/trellis.tenancy.v1.PlanService/\(method)", request, options)
    }

    func planRefusal(_ method: String, _ request: some Message, token: String? = nil) async -> RPCError? {
        do {
            let _: Plan = try await plan(method, request, token: token)
            return nil
        } catch {
            return error as? RPCError
        }
    }
}
