import Primitives
import Testing

@testable import Credentials

@Suite("Access tokens")
struct AccessTokenTests {
    /// The key of RFC 8037, appendix A.1.
    static let key = Ed25519.PrivateKey(
        seed: Hex.decode("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60") ?? []
    )
    static let id = UUID.v7()
    static let now: Int64 = 1_800_000_000

    static func claims(_ change: (inout AccessToken.Claims) -> Void = { _ in }) -> AccessToken.Claims {
        var claims = AccessToken.Claims(
            issuer: "trellis",
            audience: "trellis",
            user: .v7(),
            tenant: .v7(),
            session: .v7(),
            issued: now,
            expires: now + 900
        )
        change(&claims)
        return claims
    }

    static func verify(
        _ text: String,
        publicKey: [UInt8] = key.publicKey,
        now: Int64 = now
    ) throws(AccessToken.Problem) -> AccessToken.Claims {
        try AccessToken.verify(
            try AccessToken.read(text),
            publicKey: publicKey,
            issuer: "trellis",
            audience: "trellis",
            now: now
        )
    }

    @Test("RFC 8037, A.2: the public key of the example's private key")
    func publicKey() {
        #expect(Base64.encodeURL(Self.key.publicKey) == "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")
    }

    @Test("RFC 8037, A.4 and A.5: the example is signed as it says, and its signature is verified")
    func example() throws {
        let expected =
            "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
            + "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
        let made = JWS.sign(#"{"alg":"EdDSA"}"#, Array("Example of Ed25519 signing".utf8), Self.key)
        #expect(made == expected)
        let read = try #require(JWS(expected))
        #expect(read.isSigned(by: Self.key.publicKey))
        #expect(String(decoding: read.payload, as: UTF8.self) == "Example of Ed25519 signing")
        #expect(!read.isSigned(by: Ed25519.PrivateKey.random().publicKey))
    }

    @Test("a token says what it was made of")
    func roundTrip() throws {
        let claims = Self.claims()
        let text = AccessToken.make(claims, key: Self.id, Self.key)
        #expect(try AccessToken.read(text).key == Self.id)
        #expect(try Self.verify(text) == claims)
    }

    @Test("another issuer or audience, and times that are not now, are refused; clocks may differ by 30 seconds")
    func times() throws {
        func problem(_ claims: AccessToken.Claims, now: Int64 = Self.now) -> AccessToken.Problem? {
            do throws(AccessToken.Problem) {
                _ = try Self.verify(AccessToken.make(claims, key: Self.id, Self.key), now: now)
                return nil
            } catch {
                return error
            }
        }
        #expect(problem(Self.claims { $0.issuer = "other" }) == .refused)
        #expect(problem(Self.claims { $0.audience = "other" }) == .refused)
        #expect(problem(Self.claims { $0.tenant = .zero }) == .refused)
        #expect(problem(Self.claims(), now: Self.now + 900 + 29) == nil)
        let claims = Self.claims()
        #expect(problem(claims, now: Self.now + 900 + 30) == .expired(tenant: claims.tenant))
        #expect(problem(Self.claims(), now: Self.now - 30) == nil)
        #expect(problem(Self.claims(), now: Self.now - 31) == .refused)
    }

    @Test("a token that was changed, or signed by another key, is refused")
    func tampering() throws {
        let parts = AccessToken.make(Self.claims(), key: Self.id, Self.key).split(separator: ".").map(String.init)
        let other = AccessToken.make(Self.claims(), key: Self.id, Self.key).split(separator: ".").map(String.init)
        #expect(throws: AccessToken.Problem.refused) { try Self.verify("\(parts[0]).\(other[1]).\(parts[2])") }
        #expect(throws: AccessToken.Problem.refused) { try Self.verify("\(parts[0]).\(parts[1]).\(other[2])") }
        #expect(throws: AccessToken.Problem.refused) { try Self.verify("\(parts[0]).\(parts[1]).") }
        let text = parts.joined(separator: ".")
        let stranger = Ed25519.PrivateKey.random().publicKey
        #expect(throws: AccessToken.Problem.refused) { try Self.verify(text, publicKey: stranger) }
        // Each byte of the signature matters.
        let signature = try #require(Base64.decode(parts[2]))
        for index in signature.indices {
            var changed = signature
            changed[index] ^= 1
            let forged = "\(parts[0]).\(parts[1]).\(Base64.encodeURL(changed))"
            #expect(throws: AccessToken.Problem.refused) { try Self.verify(forged) }
        }
    }

    @Test(
        "a header with another algorithm, or with what nobody here understands, is refused even when it is signed",
        arguments: [
            #"{"alg":"none","kid":"KID","typ":"JWT"}"#, #"{"alg":"HS256","kid":"KID"}"#,
            #"{"alg":"eddsa","kid":"KID"}"#,
            #"{"alg":"EdDSA","kid":"KID","crit":["b64"],"b64":false}"#, #"{"alg":"EdDSA","kid":"KID","typ":"at+jwt"}"#,
            #"{"alg":"EdDSA","kid":"no id"}"#, #"{"alg":"EdDSA"}"#,
        ]
    )
    func algorithms(header: String) {
        let payload = Array(#"{"iss":"trellis"}"#.utf8)
        let text = JWS.sign(header.replacing("KID", with: Self.id.text), payload, Self.key)
        #expect(throws: AccessToken.Problem.refused) { try AccessToken.read(text) }
    }

    @Test(
        "what has no such form is malformed",
        arguments: [
            "", ".", "..", "a.b", "e30.e30.e30.e30", "e30=.e30.e30", "e+0.e30.e30", "e30.e30.e30",
            "bm8ganNvbg.e30.e30", String(repeating: "a", count: 3000) + ".e30.e30",
            // alg twice
            "eyJhbGciOiJub25lIiwiYWxnIjoiRWREU0EifQ.e30.e30",
        ]
    )
    func malformed(text: String) {
        #expect(throws: AccessToken.Problem.malformed) { try AccessToken.read(text) }
    }
}
