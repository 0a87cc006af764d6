public import Primitives
internal import Protobuf

/// An access token: a JSON Web Token (RFC 7519) in the compact form of RFC 7515, signed with Ed25519 (RFC 8037). There
/// is one algorithm, so that a token's header has nothing to choose.
public enum AccessToken {
    /// Longer text is not looked at.
    static let maximumBytes = 2048
    /// By how much the clocks of servers may differ, in seconds.
    static let skewSeconds: Int64 = 30

    /// What a token says.
    public struct Claims: Equatable, Sendable {
        /// Who made it (`iss`).
        public var issuer: String
        /// Whom it is for (`aud`).
        public var audience: String
        /// The user (`sub`).
        public var user: UUID
        /// The tenant (`tid`).
        public var tenant: UUID
        /// The session (`sid`).
        public var session: UUID
        /// When it was made, in seconds since 1970 (`iat`, `nbf`).
        public var issued: Int64
        /// When it ends (`exp`).
        public var expires: Int64

        /// Takes the parts.
        public init(
            issuer: String,
            audience: String,
            user: UUID,
            tenant: UUID,
            session: UUID,
            issued: Int64,
            expires: Int64
        ) {
            self.issuer = issuer
            self.audience = audience
            self.user = user
            self.tenant = tenant
            self.session = session
            self.issued = issued
            self.expires = expires
        }
    }

    /// Why a token is not taken.
    public enum Problem: Error, Equatable, Sendable {
        /// It is no token of this form.
        case malformed
        /// It was signed by nobody we know, for somebody else, or changed.
        case refused
        /// It has run out.
        case expired(tenant: UUID)
    }

    /// Makes a token.
    public static func make(_ claims: Claims, key: UUID, _ privateKey: Ed25519.PrivateKey) -> String {
        let header = JSONValue.object([
            ("alg", .string("EdDSA")), ("kid", .string(key.text)), ("typ", .string("JWT")),
        ])
        let payload = JSONValue.object([
            ("iss", .string(claims.issuer)), ("aud", .string(claims.audience)), ("sub", .string(claims.user.text)),
            ("tid", .string(claims.tenant.text)), ("sid", .string(claims.session.text)),
            ("iat", .number("\(claims.issued)")), ("nbf", .number("\(claims.issued)")),
            ("exp", .number("\(claims.expires)")),
        ])
        return JWS.sign(header.written(), Array(payload.written().utf8), privateKey)
    }

    /// A token whose form is right, and nothing else is known of yet.
    public struct Unverified: Sendable {
        /// The key that it says it was signed with.
        public let key: UUID
        fileprivate let parts: JWS
    }

    /// Reads a token's form and its header. Throws ``Problem/malformed`` or, for another algorithm,
    /// ``Problem/refused``.
    public static func read(_ text: String) throws(Problem) -> Unverified {
        guard text.utf8.count <= maximumBytes, let parts = JWS(text),
            let header = json(parts.header), let algorithm = header["alg"]?.text
        else { throw .malformed }
        // `crit` names what must be understood, and nothing beyond these three is.
        guard algorithm == "EdDSA", header["crit"] == nil, header["typ"]?.text ?? "JWT" == "JWT",
            let key = header["kid"]?.text.flatMap({ UUID($0) })
        else { throw .refused }
        return Unverified(key: key, parts: parts)
    }

    /// What a token says, once its signature and all that it says about itself is right.
    public static func verify(
        _ token: Unverified,
        publicKey: [UInt8],
        issuer: String,
        audience: String,
        now: Int64
    ) throws(Problem) -> Claims {
        guard token.parts.isSigned(by: publicKey), let payload = json(token.parts.payload),
            let made = payload["iss"]?.text, made == issuer, let meant = payload["aud"]?.text, meant == audience,
            let user = id(payload["sub"]), let tenant = id(payload["tid"]), let session = id(payload["sid"]),
            let issued = payload["iat"]?.integer, let begins = payload["nbf"]?.integer,
            let expires = payload["exp"]?.integer, tenant != .zero
        else { throw .refused }
        guard issued <= now + skewSeconds, begins <= now + skewSeconds else { throw .refused }
        guard now < expires + skewSeconds else { throw .expired(tenant: tenant) }
        return Claims(
            issuer: made,
            audience: meant,
            user: user,
            tenant: tenant,
            session: session,
            issued: issued,
            expires: expires
        )
    }

    private static func id(_ value: JSONValue?) -> UUID? { value?.text.flatMap { UUID($0) } }

    private static func json(_ bytes: [UInt8]) -> JSONValue? {
        guard let text = String(validating: bytes, as: UTF8.self) else { return nil }
        return try? JSONValue(parsing: text, limits: JSONLimits(depth: 4, sizeBytes: maximumBytes))
    }
}

/// A JSON Web Signature in its compact form: three parts in base64url with dots between them.
struct JWS: Sendable {
    let header: [UInt8]
    let payload: [UInt8]
    let signature: [UInt8]
    /// What is signed: the text of the first two parts.
    private let signed: [UInt8]

    /// Reads the parts; nil when the text is not of this form.
    init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        // Base 64 of another alphabet or with padding is no base64url.
        guard parts.count == 3, !text.utf8.contains(where: { "+/=".utf8.contains($0) }),
            let header = Base64.decode(parts[0]), let payload = Base64.decode(parts[1]),
            let signature = Base64.decode(parts[2])
        else { return nil }
        self.header = header
        self.payload = payload
        self.signature = signature
        signed = Array("\(parts[0]).\(parts[1])".utf8)
    }

    /// Whether the private key of a public one has signed it.
    func isSigned(by publicKey: [UInt8]) -> Bool { Ed25519.verify(signature, signed, publicKey: publicKey) }

    /// Signs a payload under a header.
    static func sign(_ header: String, _ payload: [UInt8], _ key: Ed25519.PrivateKey) -> String {
        let signed = "\(Base64.encodeURL(Array(header.utf8))).\(Base64.encodeURL(payload))"
        return "\(signed).\(Base64.encodeURL(key.sign(Array(signed.utf8))))"
    }
}
