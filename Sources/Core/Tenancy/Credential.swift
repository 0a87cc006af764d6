public import Primitives

/// The secret of an API key, as its holder sends it: `trl_<kind>_<body>_<checksum>`.
///
/// The body is base 32 of the ids of the tenant (for `tenant` keys) and of the key, then of 256 random bits. So the key is
/// found by its primary key under its own tenant's isolation, with no table that crosses tenants; what proves it is the
/// hash of the whole text. The checksum refuses what was cut off or mistyped without asking the database, and the
/// prefix lets scanners find secrets in places where they should not be. Decision 0003.
public struct Credential: Hashable, Sendable {
    /// Whose key it is.
    public enum Owner: Hashable, Sendable {
        /// A tenant's.
        case tenant(UUID)
        /// The platform's.
        case platform
    }

    /// Whose key it is.
    public let owner: Owner
    /// The key's id.
    public let key: UUID
    /// The whole text. Never logged, never stored.
    public let secret: String

    private static let randomBytes = 32
    private static let checksumBytes = 4
    /// More characters than any secret has: longer text is not looked at.
    private static let maximumCharacters = 160

    /// Makes a new secret for a key.
    public init(owner: Owner, key: UUID) {
        self.owner = owner
        self.key = key
        var body: [UInt8] = []
        if case .tenant(let tenant) = owner { body += Self.bytes(tenant) }
        body += Self.bytes(key)
        body += SecureRandom.bytes(Self.randomBytes)
        let text = "trl_\(Self.kind(of: owner))_\(Base32.encode(body))"
        secret = "\(text)_\(Self.checksum(of: text))"
    }

    /// Reads a secret; nil when it is not of this form or its checksum is wrong. Says nothing about whether it is valid.
    public init?(secret: String) {
        guard secret.utf8.count <= Self.maximumCharacters else { return nil }
        let parts = secret.split(separator: "_", omittingEmptySubsequences: false)
        guard parts.count == 4, parts[0] == "trl", Self.checksum(of: parts[..<3].joined(separator: "_")) == parts[3],
            let body = Base32.decode(parts[2])
        else { return nil }
        switch (parts[1], body.count) {
        case ("tenant", 32 + Self.randomBytes):
            let tenant = Self.uuid(body[..<16])
            guard tenant != .zero else { return nil }
            owner = .tenant(tenant)
            key = Self.uuid(body[16..<32])
        case ("platform", 16 + Self.randomBytes):
            owner = .platform
            key = Self.uuid(body[..<16])
        default: return nil
        }
        self.secret = secret
    }

    /// What the database stores in place of the secret: its SHA-256. No slow hash, since there is nothing to guess in
    /// 256 random bits.
    public var hash: [UInt8] { SHA256.hash(secret.utf8) }

    /// By what people recognize the key: the beginning, and the end of the random part.
    public var obfuscated: String {
        let parts = secret.split(separator: "_")
        return "\(parts[0])_\(parts[1])_…\(parts[2].suffix(4))"
    }

    private static func kind(of owner: Owner) -> String {
        if case .tenant = owner { "tenant" } else { "platform" }
    }

    private static func checksum(of text: String) -> String {
        Base32.encode(SHA256.hash(text.utf8).prefix(checksumBytes))
    }

    private static func bytes(_ id: UUID) -> [UInt8] { id.withUnsafeBytes { Array($0) } }

    private static func uuid(_ bytes: ArraySlice<UInt8>) -> UUID { bytes.withUnsafeBytes { UUID(bytes: $0) } }
}
