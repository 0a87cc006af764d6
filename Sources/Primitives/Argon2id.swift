internal import CSodium

/// What a hash of a password costs whoever makes one: us once a sign-in, a thief of the hashes once a guess.
public struct PasswordCost: Hashable, Sendable {
    /// Memory in KiB, from 8.
    public var memoryKiB: Int
    /// Passes over it, from 1.
    public var passes: Int

    /// The second choice of RFC 9106, section 4: 64 MiB, 3 passes.
    public static let standard = PasswordCost(memoryKiB: 65_536, passes: 3)

    /// Takes the parts.
    public init(memoryKiB: Int, passes: Int) {
        self.memoryKiB = memoryKiB
        self.passes = passes
    }

    fileprivate var memoryBytes: Int { memoryKiB * 1024 }
}

/// Argon2id (RFC 9106), in its text form `$argon2id$v=19$m=...,t=...,p=1$salt$hash`. It takes a tenth of a second and
/// megabytes of memory, on purpose: never on a loop.
public enum Argon2id {
    /// The hash of a password, with a new salt; nil when there is not enough memory.
    public static func hash(_ password: [UInt8], _ cost: PasswordCost) -> String? {
        Sodium.ensureReady()
        return withUnsafeTemporaryAllocation(
            of: CChar.self,
            capacity: Int(crypto_pwhash_argon2id_STRBYTES)
        ) { text in
            let failure = crypto_pwhash_argon2id_str(
                text.baseAddress.unsafelyUnwrapped,
                password.map(CChar.init(bitPattern:)),
                UInt64(password.count),
                UInt64(cost.passes),
                cost.memoryBytes
            )
            return failure == 0 ? String(cString: text.baseAddress.unsafelyUnwrapped) : nil
        }
    }

    /// Whether a hash is that of a password. False, too, for what is no hash.
    public static func verify(_ password: [UInt8], _ hash: String) -> Bool {
        Sodium.ensureReady()
        // libsodium reads no more of a hash than this.
        guard hash.utf8.count < Int(crypto_pwhash_argon2id_STRBYTES) else { return false }
        let characters = password.map(CChar.init(bitPattern:))
        return crypto_pwhash_argon2id_str_verify(hash, characters, UInt64(characters.count)) == 0
    }

    /// Whether a hash was made at another cost, so that it is to be made again when its password is at hand.
    public static func needsRehash(_ hash: String, _ cost: PasswordCost) -> Bool {
        Sodium.ensureReady()
        return crypto_pwhash_argon2id_str_needs_rehash(hash, UInt64(cost.passes), cost.memoryBytes) != 0
    }

    /// A hash that no password has, and that takes as long to be verified as any other of this cost.
    public static func impossible(_ cost: PasswordCost) -> String {
        let salt = Base64.encode(SecureRandom.bytes(16), padding: false)
        let hash = Base64.encode(SecureRandom.bytes(32), padding: false)
        return "$argon2id$v=19$m=\(cost.memoryKiB),t=\(cost.passes),p=1$\(salt)$\(hash)"
    }
}
