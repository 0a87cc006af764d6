import Domain
import EndUsers
import Postgres
import Primitives
import Privacy
import Protobuf
import RPC
import RPCClient
import TestSupport
import Testing
import TrellisAPI

@testable import TrellisServer

extension TestServer {
    /// Calls a method of PrivacyService.
    func privacy<Answer: Message>(
        _ method: String,
        _ request: some Message,
        _ token: String,
        as: Answer.Type = Answer.self
    ) async throws -> Answer {
        try await channel.unaryResponse("/trellis.tenancy.v1.PrivacyService/\(method)", request, Self.options(token))
            .message
    }

    /// What a method of PrivacyService refuses with; nil when it does not refuse.
    func privacyRefusal(_ method: String, _ request: some Message, _ token: String) async -> RPCError? {
        do {
            _ = try await privacy(method, request, token, as: LegalHold.self)
            return nil
        } catch {
            return error as? RPCError
        }
    }

    static func options(_ token: String) -> CallOptions {
        var options = CallOptions(timeout: .seconds(20))
        options.metadata.append("authorization", "Bearer \(token)")
        return options
    }

    /// The columns that hold one of the texts, plainly or in hexadecimal, as a superuser finds them without any code of ours.
    func columns(holding texts: [String]) async throws -> String {
        let patterns = texts.flatMap { ["%\($0)%", "%\(Hex.encode(Array($0.utf8)))%"] }
        let list = patterns.map { "'\($0.replacing("'", with: "''"))'" }.joined(separator: ", ")
        do {
            try await database.execute(
                """
                DO $$
                DECLARE
                    patterns CONSTANT text[] := ARRAY[\(list)];
                    place record;
                    found boolean;
                    places text := '';
                BEGIN
                    FOR place IN
                        SELECT table_name, column_name FROM information_schema.columns JOIN information_schema.tables
                            USING (table_schema, table_name)
                        WHERE table_schema = 'trellis' AND table_type = 'BASE TABLE'
                    LOOP
                        EXECUTE format('SELECT EXISTS (SELECT FROM trellis.%I WHERE %I::text ILIKE ANY ($1))',
                            place.table_name, place.column_name) INTO found USING patterns;
                        IF found THEN places := places || ' ' || place.table_name || '.' || place.column_name; END IF;
                    END LOOP;
                    IF places <> '' THEN RAISE EXCEPTION 'found:%', places; END IF;
                END
                $$
                """
            )
            return ""
        } catch let error as PostgresError {
            return error.message
        }
    }

    /// What an operation has led to, when it has.
    func outcome<Answer: Message>(of started: LongRunningOperation, _ token: String) async throws -> Answer {
        var operation = started
        while !operation.done {
            operation = try await channel.unaryResponse(
                "/trellis.operations.v1.OperationsService/WaitOperation",
                WaitOperationRequest(id: started.id),
                Self.options(token)
            ).message
        }
        switch operation.result {
        case .response(let packed): return try Answer(serialized: packed.value)
        case .error(let status): throw RPCError(.unknown, status.message, details: status.serialized())
        case nil: throw RPCError(.internal, "an operation that has ended says what has come of it")
        }
    }

    /// Erases a subject.
    func erase(_ kind: SubjectKind, _ id: String, _ key: String, reason: String = "") async throws -> ErasureCertificate
    {
        let request = EraseSubjectRequest(subjectKind: kind, subjectID: id, reason: reason)
        return try await outcome(of: privacy("EraseSubject", request, key), key)
    }

    /// Why a subject is not erased; nil when they are.
    func eraseRefusal(_ kind: SubjectKind, _ id: String, _ key: String) async -> String? {
        do {
            _ = try await erase(kind, id, key)
            return nil
        } catch {
            return (error as? RPCError)?.reason
        }
    }

    /// Exports a subject.
    func export(_ kind: SubjectKind, _ id: String, _ key: String) async throws -> SubjectExport {
        let request = ExportSubjectRequest(subjectKind: kind, subjectID: id)
        return try await outcome(of: privacy("ExportSubject", request, key), key)
    }

    /// The document of an export, and in how many parts it came.
    func document(of export: SubjectExport, _ token: String) async throws -> (text: String, parts: Int) {
        let path = "/trellis.tenancy.v1.PrivacyService/ReadSubjectExport"
        let request = ReadSubjectExportRequest(id: export.id)
        var (text, parts) = ("", 0)
        let answers: ResponseStream<SubjectExportPart> = channel.serverStreaming(path, request, Self.options(token))
        for try await part in answers {
            text += part.json
            parts += 1
        }
        return (text, parts)
    }
}

@Suite("What people may ask of a tenant that holds data about them")
struct PrivacyTests {
    /// Somebody of whom there is something everywhere: identities, an alias, tokens, an export, a stored answer.
    static func somebody(_ server: TestServer, _ tenant: Tenant, _ key: String) async throws -> (
        EndUser, alias: EndUser
    ) {
        let maria = try await server.endUser(
            "CreateEndUser",
            CreateEndUserRequest(
                identities: [EndUserTests.phone, EndUserTests.web],
                displayName: "María \"Mari\" Quispe",
                profileJSON: Self.profile,
                timeZone: "America/Lima",
                language: "es",
                requestID: "make-maria"
            ),
            key
        )
        let alias = try await server.endUser(
            "UpsertEndUser",
            UpsertEndUserRequest(channel: "telegram", externalID: "mari.quispe", displayName: "Mari from Telegram"),
            key
        )
        let merge = MergeEndUsersRequest(sourceID: alias.id, targetID: maria.id)
        _ = try await server.endUser("MergeEndUsers", merge, key)
        let tokenize = TokenizeRequest(
            subjectKind: .endUser,
            subjectID: maria.id,
            kind: "email",
            texts: ["mari.quispe@example.com"]
        )
        _ = try await server.privacy("Tokenize", tokenize, key, as: TokenizeResponse.self)
        return (maria, alias)
    }

    static let profile = #"{"city":"Cusco","contact":[{"mail":"mq@cusco.example"},{"mobile":"0084 222333"}]}"#
    static let identifiers = [
        "María", "Quispe", "Mari from Telegram", "+51 999 000 111", "Visitor-77", "mari.quispe", "Cusco",
    ]

    @Test("an erasure leaves nothing in any table, certifies what it did, and is answered alike the next time")
    func erasure() async throws {
        try await TestServer.with { server in
            let (tenant, key) = try await server.tenant("acme")
            let (maria, alias) = try await Self.somebody(server, tenant, key)
            let other = try await server.endUser(
                "UpsertEndUser",
                UpsertEndUserRequest(channel: "web", externalID: "other"),
                key
            )
            let export = try await server.export(.endUser, maria.id, key)
            // By the id of the alias, who is the same person.
            let certificate = try await server.erase(.endUser, alias.id, key, reason: "as asked on Monday")
            #expect(certificate.subjectID == maria.id && certificate.aliasIDs == [alias.id])
            #expect(certificate.reason == "as asked on Monday" && certificate.keysDeleted == 2)
            let erased = Dictionary(uniqueKeysWithValues: certificate.erased.map { ($0.source, $0.count) })
            // Two end users, three identities, a merge; a token and an export; the answer with a request id.
            #expect(
                erased == ["end_users": 6, "users": 0, "sessions": 0, "tokens_and_exports": 2, "stored_answers": 1]
            )
            #expect(certificate.residues.isEmpty)
            let month = (certificate.dueTime?.seconds ?? 0) - (certificate.requestTime?.seconds ?? 0)
            #expect((28 * 86_400...31 * 86_400).contains(month))
            // All tables were searched, and where there are rows, they were read.
            try await server.database.execute(
                """
                DO $$
                DECLARE
                    searched CONSTANT text[] := ARRAY[\(certificate.searched.map { "'\($0.source)'" }.joined(separator: ", "))];
                    place text;
                BEGIN
                    FOR place IN SELECT 'trellis.' || relname FROM pg_class
                        WHERE relnamespace = 'trellis'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
                    LOOP
                        IF cardinality(array_positions(searched, place)) <> 1 THEN
                            RAISE EXCEPTION '% is not searched once, but these are: %', place, searched;
                        END IF;
                    END LOOP;
                END
                $$
                """
            )
            let read = Dictionary(uniqueKeysWithValues: certificate.searched.map { ($0.source, $0.count) })
            #expect(read["trellis.end_user"] == 3 && read["trellis.platform_key"] == 1)
            #expect((read["trellis.audit_event"] ?? 0) > 3)
            let indexes = [EndUserTests.phone, EndUserTests.web, .init(channel: "telegram", externalID: "mari.quispe")]
                .map {
                    Hex.encode(
                        Keyring(root: testEncryptionKey).exactIndex($0.externalID, kind: "end user \($0.channel)")
                    )
                }
            #expect(try await server.columns(holding: Self.identifiers + indexes) == "")
            for id in [maria.id, alias.id] {
                let left = try await server.endUser("GetEndUser", GetEndUserRequest(id: id), key)
                #expect(left.displayName.isEmpty && left.identities.isEmpty && left.profileJSON.isEmpty)
                #expect(left.state == .erased && left.timeZone == "UTC" && left.language == "en")
                let update = UpdateEndUserRequest(id: id, displayName: "back")
                let refused = await server.endUserRefusal("UpdateEndUser", update, key)?.reason
                #expect(refused == (id == maria.id ? "SUBJECT_ERASED" : "END_USER_MERGED"))
                let get = GetErasureCertificateRequest(subjectID: id)
                #expect(try await server.privacy("GetErasureCertificate", get, key) == certificate)
            }
            #expect(
                await server.privacyRefusal("ReadSubjectExport", ReadSubjectExportRequest(id: export.id), key) != nil
            )
            #expect(try await server.erase(.endUser, maria.id, key) == certificate)
            // A retry of the call that made her neither shows nor makes her again.
            let again = CreateEndUserRequest(
                identities: [EndUserTests.phone, EndUserTests.web],
                displayName: "María \"Mari\" Quispe",
                profileJSON: Self.profile,
                timeZone: "America/Lima",
                language: "es",
                requestID: "make-maria"
            )
            #expect(await server.endUserRefusal("CreateEndUser", again, key)?.reason == "SUBJECT_ERASED")
            // Somebody who writes from the same number is somebody new; others are untouched.
            let upsert = UpsertEndUserRequest(channel: "web", externalID: "Visitor-77")
            #expect(try await server.endUser("UpsertEndUser", upsert, key).id != maria.id)
            #expect(try await server.endUser("GetEndUser", GetEndUserRequest(id: other.id), key) == other)
        }
    }

    @Test(
        "what the tenant has written of a subject elsewhere is named by the certificate, and nobody else's is looked at"
    )
    func residues() async throws {
        try await TestServer.with { server in
            let (tenant, key) = try await server.tenant("acme")
            let (_, stranger) = try await server.tenant("stranger")
            let (maria, _) = try await Self.somebody(server, tenant, key)
            for token in [key, stranger] {
                let site = CreateSiteRequest(
                    displayName: "Lima",
                    description: "Ask for MARÍA \"Mari\" Quispe at the desk"
                )
                _ = try await server.call("CreateSite", site, token, as: Site.self)
            }
            // What her profile has for an address or a number, and not the city that it names.
            for text in ["Branch of MQ@cusco.example", "Call 0084 222333", "Cusco"] {
                let site = CreateSiteRequest(displayName: "in \(text.count)", description: text)
                _ = try await server.call("CreateSite", site, key, as: Site.self)
            }
            // As text, and in the audit event of the call that wrote it, as JSON.
            let places = try await server.erase(.endUser, maria.id, key).residues
            #expect(places.map(\.source) == ["trellis.audit_event", "trellis.site"])
            #expect(places.map(\.count) == [3, 3])
        }
    }

    @Test("an erasure is shown as ended when no server lets the user in any more, and its job leaves an event")
    func access() async throws {
        try await TestServer.with { first in
            let second = try await first.second()
            let (_, admin) = try await first.tenant("acme")
            for name in ["ana", "ben", "eva"] {
                let (user, key) = try await first.user(name, roles: [("member", "")], admin)
                for server in [first, second] {
                    #expect(await AccessTests.refusal(server, "WhoAmI", WhoAmIRequest(), key) == nil)
                }
                let certificate = try await first.erase(.user, user.id, admin)
                for server in [second, first] {
                    let refused = await AccessTests.refusal(server, "WhoAmI", WhoAmIRequest(), key)
                    #expect(refused?.reason == "CREDENTIAL_REFUSED")
                }
                let list = ListAuditEventsRequest(method: "privacy.erase_subject")
                let event = try #require(try await first.events(admin, list).first)
                #expect(event.actor?.kind == "job")
                #expect(event.targets == ["subject/\(user.id)", "erasure_certificate/\(certificate.id)"])
            }
            #expect(try await first.verdict(admin).intact)
            await second.stop()
        }
    }

    @Test("a certificate is genuine to the tenant that it was issued for, as it was issued")
    func certificates() async throws {
        try await TestServer.with { server in
            let (tenant, key) = try await server.tenant("acme")
            let (_, stranger) = try await server.tenant("stranger")
            let (maria, _) = try await Self.somebody(server, tenant, key)
            let certificate = try await server.erase(.endUser, maria.id, key)
            func isGenuine(_ certificate: ErasureCertificate, _ token: String) async throws -> Bool {
                let request = VerifyErasureCertificateRequest(certificate: certificate)
                let answer = try await server.privacy(
                    "VerifyErasureCertificate",
                    request,
                    token,
                    as: VerifyErasureCertificateResponse.self
                )
                return answer.genuine
            }
            #expect(try await isGenuine(certificate, key))
            #expect(try await !isGenuine(certificate, stranger))
            var changed = certificate
            changed.residues = [SourceCount(source: "trellis.site", count: 1)]
            #expect(try await !isGenuine(changed, key))
            changed = certificate
            changed.signature[0] ^= 1
            #expect(try await !isGenuine(changed, key))
            let get = GetErasureCertificateRequest(subjectID: maria.id)
            #expect(await server.privacyRefusal("GetErasureCertificate", get, stranger)?.code == .notFound)
        }
    }

    @Test("nobody under a legal hold is erased or purged, until each hold is released")
    func holds() async throws {
        try await TestServer.with { server in
            let (tenant, key) = try await server.tenant("acme")
            let (maria, alias) = try await Self.somebody(server, tenant, key)
            let place = PlaceLegalHoldRequest(subjectKind: .endUser, subjectID: alias.id, reason: "case 12")
            let first: LegalHold = try await server.privacy("PlaceLegalHold", place, key)
            let second: LegalHold = try await server.privacy("PlaceLegalHold", place, key)
            #expect(first.subjectID == maria.id && first.reason == "case 12" && first.releaseTime == nil)
            #expect(await server.eraseRefusal(.endUser, maria.id, key) == "LEGAL_HOLD")
            func holds(_ request: ListLegalHoldsRequest) async throws -> [LegalHold] {
                try await server.privacy("ListLegalHolds", request, key, as: ListLegalHoldsResponse.self).legalHolds
            }
            #expect(try await holds(ListLegalHoldsRequest()) == [first, second])
            // Deleted, and the time to be restored is over.
            _ = try await server.endUser("DeleteEndUser", DeleteEndUserRequest(id: maria.id), key)
            try await server.database.execute(
                "UPDATE trellis.end_user SET purge_time = now() WHERE purge_time IS NOT NULL"
            )
            let purged = ListAuditEventsRequest(method: "tenancy.remove_expired")
            try await server.runSchedule("remove-expired")
            #expect(try await server.events(key, purged).isEmpty)
            let release = ReleaseLegalHoldRequest(id: first.id)
            let released: LegalHold = try await server.privacy("ReleaseLegalHold", release, key)
            #expect(released.releaseTime != nil)
            #expect(await server.privacyRefusal("ReleaseLegalHold", release, key)?.reason == "LEGAL_HOLD_RELEASED")
            #expect(try await holds(ListLegalHoldsRequest(subjectID: maria.id)) == [second])
            #expect(try await holds(ListLegalHoldsRequest(showReleased: true)).map(\.id) == [first.id, second.id])
            #expect(await server.eraseRefusal(.endUser, maria.id, key) == "LEGAL_HOLD")
            let last = ReleaseLegalHoldRequest(id: second.id)
            _ = try await server.privacy("ReleaseLegalHold", last, key, as: LegalHold.self)
            // She and her alias, with all that was theirs.
            try await server.runSchedule("remove-expired")
            let event = try #require(try await server.events(key, purged).first)
            #expect(Set(event.targets) == ["end_user/\(maria.id)", "end_user/\(alias.id)"])
            #expect(event.actor?.kind == "job" && event.outcome == "OK")
            #expect(await server.endUserRefusal("GetEndUser", GetEndUserRequest(id: alias.id), key)?.code == .notFound)
            try await server.database.execute(
                """
                DO $$ BEGIN
                    ASSERT (SELECT count(*) FROM trellis.end_user_identity) = 0, 'identities';
                    ASSERT (SELECT count(*) FROM trellis.end_user_merge) = 0, 'merges';
                    ASSERT (SELECT count(*) FROM trellis.subject_key) = 0, 'keys';
                    ASSERT (SELECT count(*) FROM trellis.subject_token) = 0, 'tokens';
                END $$
                """
            )
        }
    }

    @Test("an export holds all there is of a subject and nothing of others, in parts that end between characters")
    func exports() async throws {
        try await TestServer.with { server in
            let (tenant, key) = try await server.tenant("acme")
            let (_, stranger) = try await server.tenant("stranger")
            let (maria, alias) = try await Self.somebody(server, tenant, key)
            _ = try await server.endUser(
                "UpsertEndUser",
                UpsertEndUserRequest(channel: "web", externalID: "somebody else"),
                key
            )
            let export = try await server.export(.endUser, maria.id, key)
            #expect(export.records.map(\.source) == ["end_users", "tokens_and_exports"])
            #expect(export.records.map(\.count) == [3, 1])
            let days = (export.expireTime?.seconds ?? 0) - (export.createTime?.seconds ?? 0)
            #expect(days == 7 * 86_400)
            let (text, parts) = try await server.document(of: export, key)
            #expect(parts == 1 && Int64(text.utf8.count) == export.byteCount)
            #expect(SHA256.hash(text.utf8) == export.sha256)
            #expect(!text.contains("somebody else"))
            let data = try #require(JSONValue(parsing: text)["data"])
            let people = try #require(data["end_users"])
            #expect(people[0]?["end_user"]?["id"]?.text == maria.id)
            #expect(people[0]?["end_user"]?["display_name"]?.text == "María \"Mari\" Quispe")
            #expect(people[0]?["end_user"]?["profile_json"]?.text == Self.profile)
            let identities = try #require(people[0]?["end_user"]?["identities"])
            #expect(
                (0..<3).map { identities[$0]?["external_id"]?.text } == [
                    "+51 999 000 111", "Visitor-77", "mari.quispe",
                ]
            )
            #expect(people[1]?["end_user"]?["id"]?.text == alias.id)
            #expect(people[2]?["end_user_merge"]?["source_id"]?.text == alias.id)
            #expect(data["tokens_and_exports"]?[0]?["token"]?["text"]?.text == "mari.quispe@example.com")
            // Texts of two bytes a character that fill more than a part.
            for batch in 0..<3 {
                let texts = (0..<100).map { "\(batch) \($0) " + String(repeating: "é", count: 2000) }
                let request = TokenizeRequest(subjectKind: .endUser, subjectID: maria.id, kind: "note", texts: texts)
                _ = try await server.privacy("Tokenize", request, key, as: TokenizeResponse.self)
            }
            let large = try await server.export(.endUser, maria.id, key)
            let whole = try await server.document(of: large, key)
            #expect(whole.parts == 2 && SHA256.hash(whole.text.utf8) == large.sha256)
            #expect(large.records.last?.count == 301)
            await #expect(throws: RPCError.self) { try await server.document(of: export, stranger) }
            // It runs out.
            try await server.database.execute("UPDATE trellis.subject_export SET expire_time = now()")
            await #expect(throws: RPCError.self) { try await server.document(of: export, key) }
            let purged = try await server.database.withServer { try await Exports.purge($0) }
            #expect(purged == 2)
        }
    }

    @Test("a token is the same for the same text, stands for it alone, and for nothing once the subject is erased")
    func tokens() async throws {
        try await TestServer.with { server in
            let (tenant, key) = try await server.tenant("acme")
            let (_, stranger) = try await server.tenant("stranger")
            let (maria, _) = try await Self.somebody(server, tenant, key)
            let other = try await server.endUser(
                "UpsertEndUser",
                UpsertEndUserRequest(channel: "web", externalID: "other"),
                key
            )
            func tokens(_ subject: String, _ kind: String, _ texts: [String]) async throws -> [String] {
                let request = TokenizeRequest(subjectKind: .endUser, subjectID: subject, kind: kind, texts: texts)
                return try await server.privacy("Tokenize", request, key, as: TokenizeResponse.self).tokens
            }
            func texts(_ tokens: [String], _ key: String) async throws -> [String?] {
                let request = DetokenizeRequest(tokens: tokens)
                return try await server.privacy("Detokenize", request, key, as: DetokenizeResponse.self).texts.map(
                    \.text
                )
            }
            let made = try await tokens(maria.id, "note", ["one", "two", "one"])
            #expect(
                made[0] == made[2] && made[0] != made[1] && made.allSatisfy { $0.hasPrefix("tok_") && $0.count == 30 }
            )
            #expect(try await tokens(maria.id, "note", ["two"]) == [made[1]])
            let elsewhere = try await tokens(other.id, "note", ["one"]) + tokens(maria.id, "phone", ["one"])
            #expect(Set(elsewhere + made).count == 4)
            let invented = "tok_" + String(repeating: "a", count: 26)
            #expect(try await texts([made[1], invented, made[0], elsewhere[0]], key) == ["two", nil, "one", "one"])
            #expect(try await texts(made, stranger) == [nil, nil, nil])
            let writer = try await server.key(["tenancy.privacy.tokenize"], key)
            let ask = DetokenizeRequest(tokens: made)
            #expect(await server.privacyRefusal("Detokenize", ask, writer)?.code == .permissionDenied)
            _ = try await server.erase(.endUser, maria.id, key)
            #expect(try await texts([made[0], elsewhere[0]], key) == [nil, "one"])
            let late = TokenizeRequest(subjectKind: .endUser, subjectID: maria.id, kind: "note", texts: ["one"])
            #expect(await server.privacyRefusal("Tokenize", late, key)?.reason == "SUBJECT_ERASED")
        }
    }

    @Test("a user is erased with invitations, roles and keys; the last owner stays")
    func users() async throws {
        try await TestServer.with { server in
            let (_, key) = try await server.tenant("acme")
            func user(_ email: String, _ name: String) async throws -> User {
                try await server.call("CreateUser", CreateUserRequest(email: email, displayName: name), key)
            }
            let owner = try await user("rosa.flores@example.com", "Rosa Flores")
            let assign = AssignRoleRequest(userID: owner.id, role: "owner")
            _ =
                try await server.channel.unaryResponse(
                    "/trellis.tenancy.v1.AccessService/AssignRole",
                    assign,
                    TestServer.options(key)
                ).message as RoleAssignment
            #expect(await server.eraseRefusal(.user, owner.id, key) == "LAST_OWNER")
            let clerk = try await user("carlos.mamani@example.com", "Carlos Mamani")
            let invite = InviteUserRequest(
                email: "carlos.mamani@example.com",
                displayName: "Carlos M.",
                roles: [RoleGrant(role: "member")]
            )
            _ = try await server.call("InviteUser", invite, key, as: Invitation.self)
            let create = CreateApiKeyRequest(displayName: "c", permissions: ["*"], userID: clerk.id)
            let his: ApiKey = try await server.call("CreateApiKey", create, key)
            let export = try await server.export(.user, clerk.id, key)
            let text = try await server.document(of: export, key).text
            for known in ["carlos.mamani@example.com", "Carlos Mamani", "Carlos M.", his.id] {
                #expect(text.contains(known))
            }
            #expect(!text.contains("Rosa"))
            let certificate = try await server.erase(.user, clerk.id, key)
            #expect(certificate.residues.isEmpty && certificate.keysDeleted == 1)
            let index = Hex.encode(Keyring(root: testEncryptionKey).index("carlos.mamani@example.com", kind: "email"))
            #expect(try await server.columns(holding: ["carlos", "mamani", index]) == "")
            let left: User = try await server.call("GetUser", GetUserRequest(id: clerk.id), key)
            #expect(left.email.isEmpty && left.displayName.isEmpty && left.state == .suspended)
            let resume = ResumeUserRequest(id: clerk.id)
            #expect(await AccessTests.refusal(server, "ResumeUser", resume, key)?.reason == "SUBJECT_ERASED")
            let refused = await AccessTests.refusal(server, "WhoAmI", WhoAmIRequest(), his.secret)
            #expect(refused?.reason == "CREDENTIAL_REFUSED")
            #expect(try await user("carlos.mamani@example.com", "Another Carlos").id != clerk.id)
        }
    }
}
