import Audit
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

@testable import Credentials

@testable import TrellisServer

/// What is remembered, who sees it, and how long.
@Suite("The audit trail")
struct AuditTrailTests {
    static func json(_ text: String) throws -> JSONValue { try JSONValue(parsing: text) }

    @Test("a change is remembered with who, what, where, and the old and new values of the fields that differ")
    func change() async throws {
        try await TestServer.with { server in
            let (tenant, root) = try await server.tenant("acme")
            let site: Site = try await server.call("CreateSite", CreateSiteRequest(displayName: "Lima"), root)
            let (user, key) = try await server.user("mia", roles: [("manager", "")], root)
            let change = UpdateSiteRequest(id: site.id, displayName: "Cusco")
            let answer = try await server.response(
                "UpdateSite",
                change,
                key,
                as: Site.self,
                metadata: ["x-request-id": "call-7"]
            )
            let found = try await server.events(root, ListAuditEventsRequest(targetType: "site", targetID: site.id))
            #expect(found.map { $0.method.split(separator: "/").last } == ["UpdateSite", "CreateSite"])
            let event = try #require(found.first)
            #expect(event.category == .dataChange && event.outcome == "OK" && event.reason.isEmpty && event.calls == 1)
            #expect(event.actor?.kind == "user" && event.actor?.userID == user.id)
            #expect(event.callID == "call-7" && event.address == "127.0.0.1")
            #expect(event.targets == ["site/\(site.id)"])
            let values = try #require(event.changes.first)
            #expect(try Self.json(values.oldJSON) == Self.json(#"{"display_name":"Lima"}"#))
            #expect(try Self.json(values.newJSON) == Self.json(#"{"display_name":"Cusco"}"#))
            #expect(try Self.json(event.requestJSON)["display_name"] == .string("Cusco"))
            #expect(UUID(event.id)?.version == 7 && event.createTime != nil && answer.message.displayName == "Cusco")

            let one: AuditEvent = try await server.audit("GetAuditEvent", GetAuditEventRequest(id: event.id), root)
            #expect(one == event)
            // Filters, each by itself.
            let byUser = try await server.events(root, ListAuditEventsRequest(userID: user.id))
            #expect(byUser.map(\.id) == [event.id])
            let principal = event.actor?.principalID ?? ""
            let byKey = try await server.events(root, ListAuditEventsRequest(principalID: principal))
            #expect(byKey.map(\.id) == [event.id])
            let byMethod = try await server.events(root, ListAuditEventsRequest(method: event.method))
            #expect(byMethod.map(\.id) == [event.id])
            let byCategory = try await server.events(root, ListAuditEventsRequest(category: .authentication))
            #expect(!byCategory.isEmpty && byCategory.allSatisfy { $0.category == .authentication })
            let later = Timestamp(Instant.now().advanced(byMicroseconds: 1_000_000))
            #expect(try await server.events(root, ListAuditEventsRequest(startTime: later)).isEmpty)
            let earlier = Timestamp(Instant.now().advanced(byMicroseconds: -3_600_000_000))
            #expect(try await server.events(root, ListAuditEventsRequest(endTime: earlier)).isEmpty)
            #expect(try await !server.events(root, ListAuditEventsRequest(startTime: earlier, endTime: later)).isEmpty)
            // The platform made the tenant and its key.
            let platform = try await server.events(server.platformKey, ListAuditEventsRequest(tenantID: tenant.id))
            #expect(platform.contains { $0.method.hasSuffix("IssueTenantKey") && $0.actor?.kind == "platform" })
            let own = try await server.events(server.platformKey)
            #expect(own.contains { $0.method.hasSuffix("CreateTenant") && $0.targets == ["tenant/\(tenant.id)"] })
        }
    }

    @Test("what a call did that failed is not remembered, nor is a retry")
    func onlyWhatHappened() async throws {
        try await TestServer.with { server in
            let (_, root) = try await server.tenant("acme")
            let request = CreateSiteRequest(displayName: "Lima", requestID: "r-1")
            for _ in 0..<2 { _ = try await server.call("CreateSite", request, root, as: Site.self) }
            _ = await RolesTests.refusal {
                let taken = CreateSiteRequest(displayName: "LIMA")
                return try await server.call("CreateSite", taken, root, as: Site.self)
            }
            let found = try await server.events(root).filter { $0.method.hasSuffix("/CreateSite") }
            #expect(found.count == 1)
            #expect(found.first?.requestJSON.contains("r-1") == false)
        }
    }

    @Test("pages, newest first, and an export say the same; reading the trail is remembered, too")
    func pages() async throws {
        try await TestServer.with { server in
            let (_, root) = try await server.tenant("acme")
            for index in 0..<7 {
                let request = CreateSiteRequest(displayName: "site \(index)")
                _ = try await server.call("CreateSite", request, root, as: Site.self)
            }
            let method = "trellis.tenancy.v1.TenancyService/CreateSite"
            var (paged, token): ([AuditEvent], String) = ([], "")
            repeat {
                let page: ListAuditEventsResponse = try await server.audit(
                    "ListAuditEvents",
                    ListAuditEventsRequest(method: method, pageSize: 3, pageToken: token),
                    root
                )
                (paged, token) = (paged + page.auditEvents, page.nextPageToken)
            } while !token.isEmpty
            #expect(paged.count == 7 && paged.map(\.id) == paged.map(\.id).sorted(by: >))
            #expect(try await server.export(root, ExportAuditEventsRequest(method: method)) == paged)
            let reads = try await server.events(root, ListAuditEventsRequest(category: .access))
            let methods = Set(reads.compactMap { $0.method.split(separator: "/").last })
            #expect(methods.isSuperset(of: ["ListAuditEvents", "ExportAuditEvents"]))
        }
    }

    @Test("a read of personal data leaves an event with whom it showed; another read leaves none")
    func classifiedReads() async throws {
        try await TestServer.with { server in
            let (_, root) = try await server.tenant("acme")
            let (user, _) = try await server.user("mia", roles: [], root)
            _ = try await server.call("GetUser", GetUserRequest(id: user.id), root, as: User.self)
            let search = ListUsersRequest(email: user.email)
            _ = try await server.call("ListUsers", search, root, as: ListUsersResponse.self)
            _ = try await server.call("ListSites", ListSitesRequest(), root, as: ListSitesResponse.self)
            let reads = try await server.events(root, ListAuditEventsRequest(category: .access))
            #expect(reads.map { $0.method.split(separator: "/").last } == ["ListUsers", "GetUser"])
            #expect(reads.allSatisfy { $0.targets == ["user/\(user.id)"] && $0.changes.isEmpty })
            // Nobody said whose address it is, so it is not kept.
            #expect(try Self.json(reads[0].requestJSON)["email"] == .string("[personal]"))
        }
    }

    @Test("personal data is nowhere in clear; who may sees it in the trail, others masked, nobody once it is erased")
    func personal() async throws {
        try await TestServer.with { server in
            let (tenant, root) = try await server.tenant("acme")
            let user: User = try await server.call(
                "CreateUser",
                CreateUserRequest(email: "Quetzal@example.org", displayName: "Quetzal Coatl"),
                root
            )
            let rename = UpdateUserRequest(id: user.id, displayName: "Quetzal the Second")
            _ = try await server.call("UpdateUser", rename, root, as: User.self)
            let request = InviteUserRequest(
                email: "Quetzalina@example.org",
                displayName: "Quetzalina",
                roles: [RoleGrant(role: "member")]
            )
            let invitation: Invitation = try await server.call("InviteUser", request, root)
            let reader: ApiKey = try await server.call(
                "CreateApiKey",
                CreateApiKeyRequest(displayName: "auditor", permissions: ["audit.*"]),
                root
            )
            try await server.scan(for: ["quetzal", Hex.encode("Quetzal".utf8), root, reader.secret, invitation.token])

            let filter = ListAuditEventsRequest(targetType: "user", targetID: user.id)
            func names(_ key: String, _ filter: ListAuditEventsRequest) async throws -> [JSONValue?] {
                let events = try await server.events(key, filter)
                return try events.map { try Self.json($0.changes[0].newJSON)["display_name"] }
            }
            #expect(try await names(root, filter) == [.string("Quetzal the Second"), .string("Quetzal Coatl")])
            #expect(try await names(reader.secret, filter) == [.string("Q…"), .string("Q…")])
            var ofPlatform = filter
            ofPlatform.tenantID = tenant.id
            #expect(try await names(server.platformKey, ofPlatform) == [.string("Q…"), .string("Q…")])
            let created = try #require(try await server.events(reader.secret, filter).last)
            #expect(try Self.json(created.requestJSON)["email"] == .string("Q…@example.org"))

            try await server.database.execute("DELETE FROM trellis.subject_key WHERE subject_id = '\(user.id)'")
            #expect(try await names(root, filter) == [.string("[erased]"), .string("[erased]")])
            let verdict = try await server.verdict(root)
            #expect(verdict.intact, "\(verdict.description)")
        }
    }

    @Test(
        "of end users, what is personal is kept sealed in changes and requests, and whoever looks them up is remembered"
    )
    func endUsers() async throws {
        try await TestServer.with { server in
            let (_, root) = try await server.tenant("acme")
            let path = "/trellis.tenancy.v1.EndUserService/"
            let options = CallOptions(metadata: ["authorization": "Bearer \(root)"], timeout: .seconds(60))
            let profile = #"{"note": "quetzal \#(String(repeating: "x", count: 16_350))"}"#
            let made = try await server.channel.unary(
                path + "CreateEndUser",
                CreateEndUserRequest(
                    identities: [EndUserIdentity(channel: "sms", externalID: "+51-quetzal")],
                    displayName: "Quetzal"
                ),
                options,
                returning: EndUser.self
            )
            let changed = try await server.channel.unary(
                path + "UpdateEndUser",
                UpdateEndUserRequest(id: made.id, displayName: "Quetzalina", profileJSON: profile),
                options,
                returning: EndUser.self
            )
            #expect(changed.displayName == "Quetzalina")
            _ = try await server.channel.unary(
                path + "FindEndUser",
                FindEndUserRequest(channel: "sms", externalID: "+51-quetzal"),
                options,
                returning: EndUser.self
            )
            let events = try await server.events(
                root,
                ListAuditEventsRequest(targetType: "end_user", targetID: made.id)
            )
            #expect(
                events.map { $0.method.split(separator: "/").last } == [
                    "FindEndUser", "UpdateEndUser", "CreateEndUser",
                ]
            )
            #expect(events.map(\.category) == [.access, .dataChange, .dataChange])
            #expect(try Self.json(events[0].requestJSON)["external_id"] == .string("+51-quetzal"))
            let created = try Self.json(try #require(events[2].changes.first).newJSON)
            #expect(created["display_name"] == .string("Quetzal"))
            #expect(created["identities"]?[0]?["external_id"] == .string("+51-quetzal"))
            // What is too large is known by a hash, which is personal, too.
            let hash = try Self.json(try #require(events[1].changes.first).newJSON)["@sha256"]?.text
            #expect(hash?.count == 64)
            try await server.scan(for: ["quetzal", hash ?? "none"])
            let verdict = try await server.verdict(root)
            #expect(verdict.intact, "\(verdict.description)")
        }
    }

    @Test("a refusal is remembered with its reason, a flood of the same as one with a count")
    func refusals() async throws {
        try await TestServer.with { server in
            let (tenant, root) = try await server.tenant("acme")
            let (_, other) = try await server.tenant("other")
            let reader: ApiKey = try await server.call(
                "CreateApiKey",
                CreateApiKeyRequest(displayName: "reader", permissions: ["tenancy.sites.read"]),
                root
            )
            func refused(_ method: String, _ request: some Message, _ key: String?) async throws {
                let error = await AccessTests.refusal(server, method, request, key)
                #expect(error?.code == .permissionDenied || error?.code == .unauthenticated)
            }
            for _ in 0..<25 { try await refused("CreateSite", CreateSiteRequest(displayName: "x"), reader.secret) }
            try await refused("ListTenants", ListTenantsRequest(), reader.secret)
            try await server.server.recordRefusals()
            var found = try await server.events(root, ListAuditEventsRequest(onlyRefused: true))
            // The sealer may have written the first of a flood before the others came.
            let denied = found.filter { $0.method.hasSuffix("/CreateSite") }
            #expect((1...3).contains(denied.count) && denied.reduce(0) { $0 + $1.calls } == 25)
            for event in denied {
                #expect(event.category == .access && event.outcome == "PERMISSION_DENIED")
                #expect(event.reason == "PERMISSION_DENIED" && event.actor?.principalID == reader.id)
            }
            #expect(found.contains { $0.reason == "WRONG_CREDENTIAL_KIND" && $0.method.hasSuffix("/ListTenants") })

            // A key that is none, and one that was: both name a tenant that there is. A third names one that there is not.
            let id = try #require(UUID(tenant.id))
            let forged = Credential(owner: .tenant(id), key: .v7()).secret
            try await refused("ListSites", ListSitesRequest(), forged)
            _ = try await server.call("RevokeApiKey", RevokeApiKeyRequest(id: reader.id), root, as: ApiKey.self)
            try await refused("WhoAmI", WhoAmIRequest(), reader.secret)
            let nowhere = UUID.v7()
            try await refused("ListSites", ListSitesRequest(), Credential(owner: .tenant(nowhere), key: .v7()).secret)
            try await server.server.recordRefusals()
            found = try await server.events(root, ListAuditEventsRequest(onlyRefused: true))
            let unproven = found.filter { $0.reason == "CREDENTIAL_REFUSED" }
            #expect(Set(unproven.map { $0.method.split(separator: "/").last }) == ["ListSites", "WhoAmI"])
            #expect(unproven.allSatisfy { $0.actor?.kind == "unknown" && $0.outcome == "UNAUTHENTICATED" })
            #expect(unproven.first { $0.method.hasSuffix("WhoAmI") }?.actor?.principalID == reader.id)
            #expect(unproven.first { $0.method.hasSuffix("ListSites") }?.actor?.principalID == "")
            let strangers = try await server.events(
                server.platformKey,
                ListAuditEventsRequest(tenantID: nowhere.text, onlyRefused: true)
            )
            #expect(strangers.isEmpty)
            #expect(try await server.events(other, ListAuditEventsRequest(onlyRefused: true)).isEmpty)
        }
    }

    @Test("nobody reads another tenant's trail, nor their own without the permission")
    func isolation() async throws {
        try await TestServer.with { server in
            let (alpha, first) = try await server.tenant("alpha")
            let (_, second) = try await server.tenant("beta")
            let (_, manager) = try await server.user("mia", roles: [("manager", "")], first)
            let events = try await server.events(first)
            let id = try #require(events.first?.id)
            let missing = await RolesTests.refusal {
                try await server.audit("GetAuditEvent", GetAuditEventRequest(id: id), second, as: AuditEvent.self)
            }
            #expect(missing?.code == .notFound)
            let named = await RolesTests.refusal {
                let request = ListAuditEventsRequest(tenantID: alpha.id)
                return try await server.audit("ListAuditEvents", request, second, as: ListAuditEventsResponse.self)
            }
            #expect(named?.fields == ["tenant_id"])
            let seen = Set(try await server.events(second).map(\.id))
            #expect(!events.isEmpty && seen.isDisjoint(with: events.map(\.id)))
            let denied = await RolesTests.refusal {
                try await server.audit(
                    "ListAuditEvents",
                    ListAuditEventsRequest(),
                    manager,
                    as: ListAuditEventsResponse.self
                )
            }
            #expect(denied?.code == .permissionDenied)
            let (_, admin) = try await server.user("adam", roles: [("admin", "")], first)
            #expect(try await !server.events(admin).isEmpty)
        }
    }

    @Test("the migrations are in the platform's trail, once, however many servers start")
    func schema() async throws {
        try await TestServer.with { server in
            let second = try await server.second()
            await second.stop()
            let found = try await server.events(server.platformKey, ListAuditEventsRequest(category: .schema))
            let targets = found.map { $0.targets.first ?? "" }
            #expect(targets.contains("migration/6") && Set(targets).count == targets.count)
            let verdict = try await server.verdict(server.platformKey)
            #expect(verdict.intact, "\(verdict.description)")
        }
    }

    @Test("the tokens of who was let in before are refused in the trail of their tenant")
    func endedSessions() async throws {
        try await TestServer.with { server in
            let (tenant, admin) = try await server.tenant("acme")
            let mine = try await server.join("ana@example.com", admin)
            let session = try #require(mine.session)
            // A token whose time is over, as it would be sent by whoever has not yet asked for another.
            let expired = try await server.database.withServer { database in
                let current = try #require(try await database.run(SigningKeyCurrent(), Scope.platformSettings))
                let now = Instant.now().secondsFloor
                let claims = AccessToken.Claims(
                    issuer: CredentialSettings.cheap.issuer,
                    audience: CredentialSettings.cheap.audience,
                    user: try #require(UUID(session.userID)),
                    tenant: try #require(UUID(tenant.id)),
                    session: try #require(UUID(session.id)),
                    issued: now - 1000,
                    expires: now - 100
                )
                let key = try SigningKeys.open(current, Keyring(root: testEncryptionKey))
                return AccessToken.make(claims, key: current.signingKeyID, key)
            }
            for _ in 0..<3 { #expect(await server.reason(expired) == "CREDENTIAL_EXPIRED") }
            _ = try await server.sign("SignOut", SignOutRequest(), mine.accessToken, as: Session.self)
            #expect(await server.isRefused(mine.accessToken))
            try await server.server.recordRefusals()
            let found = try await server.events(admin, ListAuditEventsRequest(onlyRefused: true))
            let tooLate = found.filter { $0.reason == "CREDENTIAL_EXPIRED" }
            #expect(tooLate.reduce(0) { $0 + $1.calls } == 3)
            #expect(tooLate.allSatisfy { $0.actor == AuditActor(kind: "unknown") })
            let ended = try #require(found.first { $0.reason == "CREDENTIAL_REFUSED" })
            #expect(ended.actor == AuditActor(kind: "user", principalID: session.id, userID: session.userID))
            #expect(ended.method.hasSuffix("/WhoAmI") && ended.outcome == "UNAUTHENTICATED")
        }
    }

    @Test("the database refuses to change or delete what is remembered, even to who owns it")
    func immutable() async throws {
        try await TestServer.with { server in
            let (_, root) = try await server.tenant("acme")
            let verdict = try await server.verdict(root)
            #expect(verdict.intact && verdict.headSequence > 0)
            for command in [
                "UPDATE trellis.audit_event SET reason = 'x'", "DELETE FROM trellis.audit_event",
                "UPDATE trellis.audit_link SET sequence = sequence + 1", "DELETE FROM trellis.audit_link",
            ] {
                await #expect(throws: PostgresError.self, "\(command)") { try await server.database.execute(command) }
            }
            // The server's roles have not even the privilege, and do not reach the partitions.
            for role in ["trellis_server", "trellis_platform"] {
                for command in [
                    "UPDATE trellis.audit_event SET reason = 'x'", "DELETE FROM trellis.audit_link",
                    "TRUNCATE trellis.audit_event", "SELECT * FROM trellis_audit.event_default",
                ] {
                    await #expect(throws: PostgresError.self, "\(role): \(command)") {
                        try await server.database.execute("SET ROLE \(role); \(command)")
                    }
                }
            }
        }
    }

    @Test("each category is forgotten when its time is over and no earlier, and the chain still verifies")
    func retention() async throws {
        try await TestServer.with { server in
            let (tenant, root) = try await server.tenant("acme")
            let id = try #require(UUID(tenant.id))
            let keys = AuditKeys(Keyring(root: testEncryptionKey))
            // A month of its own, and a time whose month has no partition.
            let day: Int64 = 86_400_000_000
            let month = Instant.now().advanced(byMicroseconds: -1500 * day)
            try await server.database.execute(
                "SET ROLE trellis_owner; CALL trellis.audit_add_month('\(month.rfc3339.prefix(10))')"
            )
            let fresh = Instant.now().advanced(byMicroseconds: -360 * day)
            let between = Instant.now().advanced(byMicroseconds: -400 * day)
            let categories: [AuditCategory] = [.dataChange, .access, .authentication, .administration, .schema]
            try await server.database.withServer { database in
                for time in [month, fresh, between] {
                    for category in categories {
                        let record = AuditRecord(
                            tenant: id,
                            id: .v7(at: time),
                            createTime: time,
                            category: category,
                            actorKind: "service",
                            principal: .zero,
                            user: nil,
                            method: "old",
                            callID: "",
                            address: ""
                        )
                        let insert = record.insert(keys, found: [AuditTarget("thing", time.rfc3339)])
                        _ = try await database.run(insert, Scope.settings(tenant: id))
                    }
                }
            }
            var verdict = try await server.verdict(root)
            #expect(verdict.intact && verdict.forgotten == 0, "\(verdict.description)")
            try await server.runSchedule("keep-audit-trail")
            let left = try await server.events(root, ListAuditEventsRequest(method: "old"))
            func kept(_ time: Instant) -> [AuditCategory] {
                left.filter { $0.createTime?.instant == time }.map(\.category).sorted { $0.rawValue < $1.rawValue }
            }
            // Of what is 1500 days old, all but the schema's time is over; of what is 400 days old, that of access.
            #expect(kept(month) == [.schema])
            #expect(kept(between) == [.dataChange, .authentication, .administration, .schema])
            #expect(kept(fresh) == categories)
            verdict = try await server.verdict(root)
            #expect(verdict.intact && verdict.forgotten == 5, "\(verdict.description)")
            // What is gone is found by nothing, and nothing goes twice.
            let found = try await server.events(root, ListAuditEventsRequest(targetID: month.rfc3339))
            #expect(found.count == 1)
            try await server.runSchedule("keep-audit-trail")
            #expect(try await server.events(root, ListAuditEventsRequest(method: "old")).count == left.count)
        }
    }

    @Test("the database and the server agree on how long categories are kept")
    func retentionTimes() async throws {
        try await withDatabase { test in
            try await test.withServer { database in
                for number in Int16(1)...5 {
                    let days = try await database.run(AuditRetentionDays(category: number), .none)
                    #expect(Int64(days?.days ?? 0) == AuditRetention.days(AuditCategory(rawValue: Int32(number))))
                }
            }
        }
    }
}

extension TestServer {
    /// Looks for texts, in whatever case, in every row of every table: none may be there.
    func scan(for texts: [String]) async throws {
        let pattern = texts.joined(separator: "|")
        try await database.execute(
            """
            DO $$
            DECLARE
                place regclass;
                found bigint;
            BEGIN
                FOR place IN
                    SELECT oid FROM pg_class WHERE relnamespace = 'trellis'::regnamespace AND relkind IN ('r', 'p')
                LOOP
                    EXECUTE format('SELECT count(*) FROM %s AS t WHERE t::text ~* %L', place, '\(pattern)') INTO found;
                    IF found > 0 THEN RAISE EXCEPTION 'it lies in %', place; END IF;
                END LOOP;
            END
            $$
            """
        )
    }
}
