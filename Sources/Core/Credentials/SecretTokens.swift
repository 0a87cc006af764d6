internal import Domain
public import Primitives

/// The text of a token that names its row and proves itself by 256 random bits: `<prefix>_<base 32>`, of which only the
/// SHA-256 is stored. There is nothing to guess, so no slow hash.
struct SecretText: Sendable {
    private static let randomBytes = 32

    let ids: [UUID]
    let text: String

    var hash: [UInt8] { SHA256.hash(text.utf8) }

    init(prefix: String, _ ids: [UUID]) {
        self.ids = ids
        text = "\(prefix)_" + Base32.encode(ids.flatMap(\.bytes) + SecureRandom.bytes(Self.randomBytes))
    }

    init?(_ text: String, prefix: String, ids count: Int) {
        guard text.utf8.count <= 200, text.hasPrefix("\(prefix)_"),
            let body = Base32.decode(text.dropFirst(prefix.count + 1)), body.count == 16 * count + Self.randomBytes
        else { return nil }
        ids = (0..<count).map { index in
            body[(16 * index)..<(16 * index + 16)].withUnsafeBytes { UUID(bytes: $0) }
        }
        self.text = text
    }
}

/// What gets the next pair of tokens of a session: `trr_...`.
public struct RefreshToken: Sendable {
    private let secret: SecretText

    /// The session's tenant.
    public var tenant: UUID { secret.ids[0] }
    /// The session.
    public var session: UUID { secret.ids[1] }
    /// The whole text, which is a secret.
    public var text: String { secret.text }
    /// What is stored in its place.
    var hash: [UInt8] { secret.hash }

    /// A new token of a session.
    init(tenant: UUID, session: UUID) { secret = SecretText(prefix: "trr", [tenant, session]) }

    /// Reads a token; nil when it is not of this form. Says nothing about whether it is valid.
    public init?(_ text: String) {
        guard let secret = SecretText(text, prefix: "trr", ids: 2), secret.ids[0] != .zero else { return nil }
        self.secret = secret
    }
}

/// What lets a person choose a new password: `trp_...`.
struct ResetToken: Sendable {
    private let secret: SecretText

    var person: UUID { secret.ids[0] }
    var text: String { secret.text }
    var hash: [UInt8] { secret.hash }

    init(person: UUID) { secret = SecretText(prefix: "trp", [person]) }

    init?(_ text: String) {
        guard let secret = SecretText(text, prefix: "trp", ids: 1) else { return nil }
        self.secret = secret
    }
}
