internal import CSodium

/// Ed25519 signatures (RFC 8032).
public enum Ed25519 {
    /// The length of a public key, and of the seed that a private key is made of, in bytes.
    public static let keyBytes = 32
    /// The length of a signature in bytes.
    public static let signatureBytes = 64

    /// The private key of a seed: 32 random bytes.
    public struct PrivateKey: Sendable {
        /// What it was made of, to be kept secret.
        public let seed: [UInt8]
        /// What its signatures are verified with.
        public let publicKey: [UInt8]
        private let secret: [UInt8]

        /// The key of a seed of ``Ed25519/keyBytes`` bytes.
        public init(seed: [UInt8]) {
            precondition(seed.count == Ed25519.keyBytes, "the seed of an Ed25519 key has 32 bytes")
            Sodium.ensureReady()
            var publicKey = [UInt8](repeating: 0, count: Int(crypto_sign_PUBLICKEYBYTES))
            var secret = [UInt8](repeating: 0, count: Int(crypto_sign_SECRETKEYBYTES))
            // 0 always: there is nothing that it could refuse.
            _ = crypto_sign_seed_keypair(&publicKey, &secret, seed)
            self.seed = seed
            self.publicKey = publicKey
            self.secret = secret
        }

        /// A new random key.
        public static func random() -> PrivateKey { PrivateKey(seed: SecureRandom.bytes(Ed25519.keyBytes)) }

        /// The signature of a message.
        public func sign(_ message: [UInt8]) -> [UInt8] {
            var signature = [UInt8](repeating: 0, count: Ed25519.signatureBytes)
            _ = crypto_sign_detached(&signature, nil, message, UInt64(message.count), secret)
            return signature
        }
    }

    /// Whether a signature is that of a message by the private key of a public one.
    public static func verify(_ signature: [UInt8], _ message: [UInt8], publicKey: [UInt8]) -> Bool {
        guard signature.count == signatureBytes, publicKey.count == keyBytes else { return false }
        Sodium.ensureReady()
        return crypto_sign_verify_detached(signature, message, UInt64(message.count), publicKey) == 0
    }
}
