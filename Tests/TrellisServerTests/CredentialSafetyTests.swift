import Credentials
import Domain
import Foundation
import Logging
import Primitives
import RPC
import RPCClient
import Synchronization
import TestSupport
import Testing
import TrellisAPI

@testable import TrellisServer

@Suite("Signing in, by those who should not")
struct CredentialSafetyTests {
    @Test("wrong passwords and unknown addresses are refused alike, told of, and made to wait alike")
    func guessing() async throws {
        try await TestServer.with { server in
            let (tenant, admin) = try await server.tenant("acme")
            _ = try await server.join("ana@example.com", admin)
            var messages: [Set<String>] = []
            for email in ["ana@example.com", "nobody@example.com"] {
                var seen: Set<String> = []
                for _ in 0..<5 {
                    let refused = await server.refusal(
                        "SignIn",
                        SignInRequest(email: email, password: "a wrong password")
                    )
                    #expect(refused?.code == .unauthenticated && refused?.reason == "SIGN_IN_REFUSED")
                    seen.insert(refused?.message ?? "")
                }
                // From now on not even the right one is looked at.
                let late = SignInRequest(email: email, password: TestServer.password)
                let throttled = await server.refusal("SignIn", late)
                #expect(throttled?.code == .resourceExhausted && throttled?.reason == "SIGN_IN_THROTTLED")
                let delay = try #require(try throttled?.detail(RetryInfo.self)?.retryDelay).duration
                #expect(delay > .zero && delay <= .seconds(5))
                messages.append(seen)
            }
            #expect(messages[0] == messages[1] && messages[0].count == 1)
            #expect(try await server.audited(tenant.id).filter { $0 == "SignIn refused" }.count == 5)
            #expect(try await server.audited(UUID.zero.text).filter { $0 == "SignIn refused" }.count == 5)

            // Another account is another matter; and once the time has passed, the right password does, and begins anew.
            _ = try await server.join("ben@example.com", admin)
            let ben = SignInRequest(email: "ben@example.com", password: TestServer.password)
            #expect(await server.refusal("SignIn", ben) == nil)
            try await database(server, "UPDATE trellis.sign_in_attempt SET attempt_time = now() - interval '6 seconds'")
            let ana = SignInRequest(email: "ana@example.com", password: TestServer.password)
            #expect(await server.refusal("SignIn", ana) == nil)
            let wrong = SignInRequest(email: "ana@example.com", password: "a wrong password")
            #expect(await server.refusal("SignIn", wrong)?.reason == "SIGN_IN_REFUSED")
            #expect(await server.refusal("SignIn", ana) == nil)
        }
    }

    @Test("what others do to an account stops nobody who signs in from where they did before")
    func lockingOut() async throws {
        try await TestServer.with { server in
            let (_, admin) = try await server.tenant("acme")
            _ = try await server.join("ana@example.com", admin)
            let signIn = SignInRequest(email: "ana@example.com", password: TestServer.password)
            #expect(await server.refusal("SignIn", signIn) == nil)
            // A thousand failures from elsewhere, just now.
            try await database(
                server,
                "UPDATE trellis.sign_in_attempt SET failures = 1000, attempt_time = now() WHERE network = ''"
            )
            #expect(await server.refusal("SignIn", signIn) == nil)
            // From where nobody has signed in, for half a minute at most.
            try await database(server, "UPDATE trellis.sign_in_attempt SET trust_time = NULL")
            try await database(
                server,
                "UPDATE trellis.sign_in_attempt SET failures = 1000, attempt_time = now() WHERE network = ''"
            )
            let throttled = await server.refusal("SignIn", signIn)
            let delay = try #require(try throttled?.detail(RetryInfo.self)?.retryDelay).duration
            #expect(throttled?.reason == "SIGN_IN_THROTTLED" && delay <= .seconds(30) && delay > .seconds(25))
        }
    }

    @Test("many guesses at the same time are no way around the wait")
    func parallel() async throws {
        try await TestServer.with { server in
            let (_, admin) = try await server.tenant("acme")
            _ = try await server.join("ana@example.com", admin)
            let guess = SignInRequest(email: "ana@example.com", password: "a wrong password")
            let reasons = await withTaskGroup(of: String.self) { tasks in
                for _ in 0..<20 { tasks.addTask { await server.refusal("SignIn", guess)?.reason ?? "let in" } }
                return await tasks.reduce(into: [String: Int]()) { $0[$1, default: 0] += 1 }
            }
            #expect(reasons == ["SIGN_IN_REFUSED": 5, "SIGN_IN_THROTTLED": 15])
        }
    }

    @Test("forged, changed and foreign access tokens are refused")
    func forgery() async throws {
        try await TestServer.with { server in
            let (tenant, admin) = try await server.tenant("acme")
            let tokens = try await server.join("ana@example.com", admin)
            let parts = tokens.accessToken.split(separator: ".").map(String.init)
            let set: JwkSet = try await server.sign("GetJwks", GetJwksRequest())
            let key = try #require(UUID(set.keys[0].kid))
            let session = try #require(tokens.session)
            let now = Instant.now().secondsFloor
            let claims = AccessToken.Claims(
                issuer: "trellis",
                audience: "trellis",
                user: try #require(UUID(session.userID)),
                tenant: try #require(UUID(tenant.id)),
                session: try #require(UUID(session.id)),
                issued: now,
                expires: now + 900
            )
            // All is right but the key, which is the attacker's, under a kid of ours or one of their own.
            let own = Ed25519.PrivateKey.random()
            for kid in [key, UUID.v7()] {
                #expect(await server.reason(AccessToken.make(claims, key: kid, own)) == "CREDENTIAL_REFUSED")
            }
            func segment(_ json: String) -> String { Base64.encodeURL(Array(json.utf8)) }
            let none = segment(#"{"alg":"none","kid":"\#(key)"}"#)
            #expect(await server.reason("\(none).\(parts[1]).") == "CREDENTIAL_REFUSED")
            #expect(await server.reason("\(none).\(parts[1]).\(parts[2])") == "CREDENTIAL_REFUSED")
            #expect(await server.reason("\(parts[0]).\(parts[1])") == "CREDENTIAL_MALFORMED")
            #expect(await server.reason("\(tokens.accessToken)x") != nil)
            #expect(await server.reason(tokens.refreshToken) == "CREDENTIAL_MALFORMED")
            #expect(await server.reason(tokens.accessToken) == nil)
        }
    }

    @Test("tokens that have run out, or are for somebody else, are refused although we have signed them")
    func otherSettings() async throws {
        try await withDatabase { database in
            let server = try await TestServer(on: database)
            var settings = CredentialSettings.cheap
            settings.audience = "another system"
            let other = try await TestServer(on: database, platformKey: server.platformKey, credentials: settings)
            do {
                let (_, admin) = try await server.tenant("acme")
                let tokens = try await server.join("ana@example.com", admin)
                #expect(await server.reason(tokens.accessToken) == nil)
                #expect(await other.reason(tokens.accessToken) == "CREDENTIAL_REFUSED")
                let there: SignInResponse = try await other.sign(
                    "SignIn",
                    SignInRequest(email: "ana@example.com", password: TestServer.password)
                )
                #expect(await other.reason(there.tokens?.accessToken ?? "") == nil)
                #expect(await server.reason(there.tokens?.accessToken ?? "") == "CREDENTIAL_REFUSED")
            } catch {
                await other.stop()
                await server.stop()
                throw error
            }
            await other.stop()
            await server.stop()
        }
    }

    @Test(
        "the signing key is replaced without anybody noticing, on all servers; what is published has each key in time"
    )
    func rotation() async throws {
        try await TestServer.with { server in
            let second = try await server.second()
            let (_, admin) = try await server.tenant("acme")
            let old = try await server.join("ana@example.com", admin)
            let before: JwkSet = try await server.sign("GetJwks", GetJwksRequest())
            #expect(before.keys.count == 2 && before.keys.allSatisfy { $0.alg == "EdDSA" && $0.crv == "Ed25519" })
            let current: SigningKey = try await server.sign(
                "RotateSigningKey",
                RotateSigningKeyRequest(),
                server.platformKey
            )
            #expect(current.state == .current && before.keys.map(\.kid).contains(current.id))
            let signIn = SignInRequest(email: "ana@example.com", password: TestServer.password)
            let new: SignInResponse = try await second.sign("SignIn", signIn)
            let token = new.tokens?.accessToken ?? ""
            #expect(try AccessToken.read(token).key.text == current.id)
            #expect(try AccessToken.read(old.accessToken).key.text != current.id)
            for part in [server, second] {
                #expect(await part.reason(old.accessToken) == nil)
                #expect(await part.reason(token) == nil)
            }
            let after: JwkSet = try await second.sign("GetJwks", GetJwksRequest())
            #expect(after.keys.count == 3 && before.keys.allSatisfy(after.keys.contains))
            let keys: ListSigningKeysResponse = try await server.sign(
                "ListSigningKeys",
                ListSigningKeysRequest(),
                server.platformKey
            )
            #expect(keys.signingKeys.map(\.state).sorted { $0.rawValue < $1.rawValue } == [.next, .current, .retired])
            // Two hours later the old one is not published any more, and nothing that it signs is taken.
            try await database(
                server,
                "UPDATE trellis.signing_key SET retire_time = now() - interval '2 hours' WHERE state = 3"
            )
            let late: JwkSet = try await second.sign("GetJwks", GetJwksRequest())
            #expect(late.keys.count == 2)
            let third = try await server.second()
            #expect(await third.reason(old.accessToken) == "CREDENTIAL_REFUSED")
            #expect(await third.reason(token) == nil)
            await third.stop()
            await second.stop()

            let published = try await server.admin("/.well-known/jwks.json")
            #expect(published.status == 200)
            let json =
                try JSONSerialization.jsonObject(with: Data(published.body.utf8)) as? [String: [[String: String]]]
            #expect(json?["keys"]?.map { $0["kid"] ?? "" } == late.keys.map(\.kid))
            #expect(json?["keys"]?.first?["kty"] == "OKP")
        }
    }

    @Test("when the cost of passwords rises, they are hashed anew as their owners sign in")
    func rehash() async throws {
        try await withDatabase { database in
            let server = try await TestServer(on: database)
            let (_, admin) = try await server.tenant("acme")
            _ = try await server.join("ana@example.com", admin)
            let hashes = "SELECT password_hash FROM trellis.person"
            let before = try await server.rows(hashes)
            await server.stop()
            var settings = CredentialSettings.cheap
            settings.passwordCost = PasswordCost(memoryKiB: 128, passes: 2)
            let raised = try await TestServer(on: database, platformKey: server.platformKey, credentials: settings)
            let wrong = SignInRequest(email: "ana@example.com", password: "a wrong password")
            #expect(await raised.refusal("SignIn", wrong)?.reason == "SIGN_IN_REFUSED")
            #expect(try await raised.rows(hashes) == before)
            let signIn = SignInRequest(email: "ana@example.com", password: TestServer.password)
            #expect(await raised.refusal("SignIn", signIn) == nil)
            let after = try await raised.rows(hashes)
            #expect(before[0].contains("m=64,t=1") && after[0].contains("m=128,t=2"))
            #expect(await raised.refusal("SignIn", signIn) == nil)
            #expect(try await raised.rows(hashes) == after)
            await raised.stop()
        }
    }

    @Test("no password, no token and no address from where somebody signed in is in any table or in the log")
    func traces() async throws {
        try await withDatabase { database in
            let lines = Lines()
            let server = try await TestServer(on: database, log: lines.logger)
            do {
                let (_, admin) = try await server.tenant("acme")
                let invitation: Invitation = try await server.call(
                    "InviteUser",
                    InviteUserRequest(email: "ana@example.com", displayName: "Ana", roles: [RoleGrant(role: "member")]),
                    admin
                )
                let joined: SessionTokens = try await server.sign(
                    "AcceptInvitation",
                    AcceptInvitationRequest(token: invitation.token, password: TestServer.password, requestID: "one")
                )
                let wrong = SignInRequest(email: "ana@example.com", password: "a wrong password")
                _ = await server.refusal("SignIn", wrong)
                let answer: SignInResponse = try await server.sign(
                    "SignIn",
                    SignInRequest(email: "ana@example.com", password: TestServer.password, requestID: "two")
                )
                let next: SessionTokens = try await server.sign(
                    "RefreshSession",
                    RefreshSessionRequest(refreshToken: answer.tokens?.refreshToken ?? "", requestID: "three")
                )
                let reset: PasswordReset = try await server.sign(
                    "IssuePasswordReset",
                    IssuePasswordResetRequest(userID: joined.session?.userID ?? "", requestID: "four"),
                    admin
                )
                let newPassword = "eight words nobody finds"
                _ = try await server.sign(
                    "ResetPassword",
                    ResetPasswordRequest(token: reset.token, newPassword: newPassword, requestID: "five"),
                    as: ResetPasswordResponse.self
                )
                let secrets = [
                    TestServer.password, "a wrong password", newPassword, invitation.token, joined.accessToken,
                    joined.refreshToken, answer.tokens?.accessToken ?? "", answer.tokens?.refreshToken ?? "",
                    next.accessToken, next.refreshToken, reset.token,
                ]
                #expect(secrets.allSatisfy { $0.count > 10 })
                let tables = try await server.rows(
                    "SELECT relname FROM pg_class WHERE relnamespace = 'trellis'::regnamespace AND relkind IN ('r', 'p') ORDER BY 1"
                )
                #expect(tables.contains("person") && tables.contains("audit_event") && tables.contains("idempotency"))
                for table in tables {
                    let all = try await server.rows(
                        "SELECT coalesce(string_agg(t::text, ' '), '-') FROM trellis.\(table) t"
                    )
                    let text = all.joined()
                    for secret in secrets {
                        // As text, and as the bytes that a bytea shows.
                        #expect(!text.contains(secret), "trellis.\(table) holds a secret")
                        #expect(!text.contains(Hex.encode(Array(secret.utf8))), "trellis.\(table) holds a secret")
                        #expect(
                            !text.contains(Hex.encode(SHA256.hash(secret.utf8))) || secret.hasPrefix("tr"),
                            "\(table)"
                        )
                    }
                    // Where a call came from is for the audit trail to say, and for nothing else.
                    #expect(
                        !text.contains("127.0.0.1") || table == "audit_event",
                        "trellis.\(table) holds an address"
                    )
                }
                let log = lines.all.joined(separator: "\n")
                #expect(log.contains("CredentialService/SignIn"))
                for secret in secrets { #expect(!log.contains(secret), "the log holds a secret") }
            } catch {
                await server.stop()
                throw error
            }
            await server.stop()
        }
    }

    private func database(_ server: TestServer, _ sql: String) async throws { try await server.database.execute(sql) }
}

/// Keeps what is logged.
private final class Lines: Sendable {
    private let kept = Mutex<[String]>([])

    var all: [String] { kept.withLock { $0 } }

    var logger: Logger {
        var logger = Logger(label: "test", factory: { _ in Handler(lines: self) })
        logger.logLevel = .trace
        return logger
    }

    private func keep(_ line: String) { kept.withLock { $0.append(line) } }

    private struct Handler: LogHandler {
        let lines: Lines
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) { lines.keep("\(event.message) \(event.metadata ?? [:])") }
    }
}
