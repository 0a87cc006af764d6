public import Primitives

/// The keys that everything personal, secret or to be proven is kept under, made of one root key that is not in the
/// database: who steals the database can read none of it, look nobody up in it, and forge no audit record.
///
/// - Subjects: whoever personal data is about (people, end users) has a key of their own, stored sealed. Erasing it
///   makes what it sealed unreadable wherever it was copied to.
/// - Indexes: what is sealed is found by a keyed hash of its folded text.
/// - Derived keys: one for each other purpose.
public struct Keyring: Sendable {
    /// The length of the root key in bytes.
    public static let rootBytes = 32

    private let root: HMACKey
    private let subjects: SealingKey
    private let indexes: HMACKey

    /// Takes the root key: ``rootBytes`` random bytes, the same for all servers of a database, for ever.
    public init(root: [UInt8]) {
        self.root = HMACKey(root)
        subjects = SealingKey(self.root.code("trellis subject keys".utf8))
        indexes = HMACKey(self.root.code("trellis indexes".utf8))
    }

    /// Tells root keys apart without saying what they are.
    public var fingerprint: [UInt8] { root.code("trellis fingerprint".utf8) }

    /// A key for one purpose, 32 bytes.
    public func derived(_ purpose: String) -> [UInt8] { root.code("trellis derived: \(purpose)".utf8) }

    /// Makes the key of a new subject, and what is to be stored of it.
    public func makeSubject(_ id: UUID) -> (key: SubjectKey, sealed: [UInt8]) {
        let key = SecureRandom.bytes(SealingKey.byteCount)
        return (SubjectKey(id, key), subjects.seal(key, context: id.bytes))
    }

    /// The key of a subject, of what is stored of it; nil when there is none any more: the subject was erased.
    ///
    /// Throws ``KeyringError`` when it was sealed with another root key, or changed.
    public func subject(_ id: UUID, sealed: [UInt8]?) throws(KeyringError) -> SubjectKey? {
        guard let sealed else { return nil }
        guard let key = subjects.open(sealed, context: id.bytes), key.count == SealingKey.byteCount else {
            throw .unreadable(subject: id)
        }
        return SubjectKey(id, key)
    }

    /// By what a text is found where it is kept sealed: without regard to case, for one `kind` of text, such as "email".
    public func index(_ text: String, kind: String) -> [UInt8] {
        exactIndex(text.caseFolded, kind: kind)
    }

    /// The same for texts that are told apart byte for byte, such as ids that others have given.
    public func exactIndex(_ text: String, kind: String) -> [UInt8] {
        indexes.code("\(kind)\u{0}\(text)".utf8)
    }
}

/// What is wrong with what a ``Keyring`` was to open: a fault of the server's data or configuration, not of a caller.
public enum KeyringError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A subject's key was sealed with another root key, or changed.
    case unreadable(subject: UUID)
    /// The database belongs to another root key.
    case otherRoot
    /// Something that was sealed with a subject's key was changed, or belongs elsewhere.
    case forged(subject: UUID, place: String)

    /// What is wrong and what to do, for who runs the server.
    public var description: String {
        switch self {
        case .unreadable(let subject):
            "the key of subject \(subject) cannot be opened: trellis.subject_key was changed, or comes from another database"
        case .otherRoot:
            "the personal data of this database is kept under another encryption key: give this server the file of the one "
                + "that made the database (encryption-key-file)"
        case .forged(let subject, let place):
            "what is kept of subject \(subject) as \(place) cannot be opened: it was changed, or moved there from elsewhere"
        }
    }
}

/// The key of one subject.
public struct SubjectKey: Sendable {
    /// Who it is.
    public let subject: UUID
    private let key: SealingKey
    private let root: [UInt8]

    init(_ subject: UUID, _ key: [UInt8]) {
        self.subject = subject
        self.key = SealingKey(key)
        root = key
    }

    /// A code of a text for one purpose: the same for the same text, and nobody can tell or make it who does not have the
    /// key.
    public func code(_ text: String, purpose: String) -> [UInt8] {
        HMACKey(HMACKey(root).code("trellis code: \(purpose)".utf8)).code(text.utf8)
    }

    /// Seals bytes for one place, such as "user", so that they are of no use in another.
    public func seal(_ bytes: [UInt8], place: String) -> [UInt8] {
        key.seal(bytes, context: subject.bytes + Array(place.utf8))
    }

    /// What was sealed for this place. Throws ``KeyringError/forged(subject:place:)``.
    public func open(_ sealed: [UInt8], place: String) throws(KeyringError) -> [UInt8] {
        guard let bytes = key.open(sealed, context: subject.bytes + Array(place.utf8)) else {
            throw .forged(subject: subject, place: place)
        }
        return bytes
    }
}
