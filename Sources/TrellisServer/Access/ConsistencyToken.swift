import Domain
import Primitives

/// How much a caller has seen of the changes of who may do what in a tenant: a server that has seen less asks the database
/// again before it lets the caller in. Sent as metadata, in both directions.
struct ConsistencyToken: Equatable, Sendable {
    /// The name of the metadata.
    static let metadata: StaticString = "x-consistency-token"

    /// Whose changes; the zero UUID for the platform's.
    var tenant: UUID
    /// How many there were.
    var epoch: Int64
}

/// Writes and reads ``ConsistencyToken``s, for all servers of a database alike. Nobody else can make one: a made-up epoch would
/// have the database asked with each call.
struct ConsistencyTokens: Sendable {
    private static let codeBytes = 16
    private static let byteCount = 16 + 8 + codeBytes
    private let key: HMACKey

    init(_ keyring: Keyring) {
        key = HMACKey(keyring.derived("consistency tokens"))
    }

    /// The token as text.
    func text(_ token: ConsistencyToken) -> String {
        var bytes = token.tenant.bytes
        withUnsafeBytes(of: token.epoch.bigEndian) { bytes += $0 }
        return Base64.encodeURL(bytes + key.code(bytes).prefix(Self.codeBytes))
    }

    /// Reads a token.
    ///
    /// Throws ``DomainError/invalid(_:)`` when it is none of this platform's.
    func read(_ text: UnsafeRawBufferPointer) throws(DomainError) -> ConsistencyToken {
        guard text.count <= 64, let bytes = Base64.decode(utf8: text), bytes.count == Self.byteCount else {
            throw Self.refusal
        }
        let (body, code) = (Array(bytes[..<24]), Array(bytes[24...]))
        guard constantTimeEqual(Array(key.code(body).prefix(Self.codeBytes)), code) else { throw Self.refusal }
        return body.withUnsafeBytes { body in
            ConsistencyToken(
                tenant: UUID(bytes: UnsafeRawBufferPointer(rebasing: body[..<16])),
                epoch: Int64(bigEndian: body.loadUnaligned(fromByteOffset: 16, as: Int64.self))
            )
        }
    }

    private static let refusal = DomainError.invalid(
        "\(ConsistencyToken.metadata)",
        "this is no consistency token of this server: send one as it came with an answer, or none"
    )
}
