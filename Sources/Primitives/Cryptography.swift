internal import CSodium

/// libsodium, initialised once a process.
enum Sodium {
    private static let isReady: Bool = {
        // 0: initialised now; 1: it was already; -1: no source of randomness, and no way to go on safely.
        let result = sodium_init()
        precondition(result >= 0, "libsodium found no source of randomness")
        return true
    }()

    @inline(__always)
    static func ensureReady() { precondition(isReady) }
}

/// Random bytes that nobody can predict.
public enum SecureRandom {
    /// `count` random bytes. Any thread.
    public static func bytes(_ count: Int) -> [UInt8] {
        Sodium.ensureReady()
        return [UInt8](unsafeUninitializedCapacity: max(1, count)) { buffer, initialized in
            randombytes_buf(buffer.baseAddress.unsafelyUnwrapped, count)
            initialized = count
        }
    }

    /// Two random words. Any thread.
    static func words() -> (UInt64, UInt64) {
        var generator = SystemRandomNumberGenerator()
        return (generator.next(), generator.next())
    }
}

/// SHA-256 (FIPS 180-4).
public enum SHA256 {
    /// The 32 bytes of the digest.
    public static func hash(_ bytes: some Sequence<UInt8>) -> [UInt8] {
        Sodium.ensureReady()
        let input = Array(bytes)
        return [UInt8](unsafeUninitializedCapacity: 32) { buffer, initialized in
            crypto_hash_sha256(buffer.baseAddress.unsafelyUnwrapped, input, UInt64(input.count))
            initialized = 32
        }
    }
}

/// Compares two byte strings in a time that does not depend on where they differ.
public func constantTimeEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
    guard left.count == right.count else { return false }
    return sodium_memcmp(left, right, left.count) == 0
}

/// Sealed text: encrypted and authenticated with XChaCha20-Poly1305 (the IETF construction with 24-byte nonces), so that
/// whoever holds it can neither read nor change it nor use it in another context.
public struct SealingKey: Sendable {
    /// The length of a key in bytes.
    public static let byteCount = 32
    private let key: [UInt8]

    /// Takes 32 random bytes.
    public init(_ key: [UInt8]) {
        precondition(key.count == Self.byteCount, "a sealing key has 32 bytes")
        Sodium.ensureReady()
        self.key = key
    }

    /// A new random key.
    public static func random() -> SealingKey { SealingKey(SecureRandom.bytes(byteCount)) }

    /// Seals `plaintext` for one `context`: nonce, ciphertext and tag.
    public func seal(_ plaintext: [UInt8], context: [UInt8]) -> [UInt8] {
        let nonce = SecureRandom.bytes(24)
        return nonce
            + [UInt8](unsafeUninitializedCapacity: plaintext.count + 16) { buffer, initialized in
                var length: UInt64 = 0
                crypto_aead_xchacha20poly1305_ietf_encrypt(
                    buffer.baseAddress.unsafelyUnwrapped,
                    &length,
                    plaintext,
                    UInt64(plaintext.count),
                    context,
                    UInt64(context.count),
                    nil,
                    nonce,
                    key
                )
                initialized = Int(length)
            }
    }

    /// What was sealed for this context with this key; nil when it was not, or was changed.
    public func open(_ sealed: [UInt8], context: [UInt8]) -> [UInt8]? {
        guard sealed.count >= 40 else { return nil }
        let nonce = Array(sealed[..<24])
        let ciphertext = Array(sealed[24...])
        var isAuthentic = false
        let plaintext = [UInt8](unsafeUninitializedCapacity: max(1, ciphertext.count - 16)) { buffer, initialized in
            var length: UInt64 = 0
            isAuthentic =
                crypto_aead_xchacha20poly1305_ietf_decrypt(
                    buffer.baseAddress.unsafelyUnwrapped,
                    &length,
                    nil,
                    ciphertext,
                    UInt64(ciphertext.count),
                    context,
                    UInt64(context.count),
                    nonce,
                    key
                ) == 0
            initialized = isAuthentic ? Int(length) : 0
        }
        return isAuthentic ? plaintext : nil
    }
}

/// HMAC-SHA-256 (RFC 2104, FIPS 198-1): proves, to whoever has the key, that bytes have not been changed.
public struct HMACKey: Sendable {
    /// The length of a code in bytes.
    public static let codeBytes = 32
    private let key: [UInt8]

    /// Takes a key of 32 random bytes, or bytes derived from such.
    public init(_ key: [UInt8]) {
        precondition(key.count == Self.codeBytes, "an HMAC key has 32 bytes")
        Sodium.ensureReady()
        self.key = key
    }

    /// The 32 bytes of the code.
    public func code(_ bytes: some Sequence<UInt8>) -> [UInt8] {
        let input = Array(bytes)
        return [UInt8](unsafeUninitializedCapacity: Self.codeBytes) { buffer, initialized in
            crypto_auth_hmacsha256(buffer.baseAddress.unsafelyUnwrapped, input, UInt64(input.count), key)
            initialized = Self.codeBytes
        }
    }
}
