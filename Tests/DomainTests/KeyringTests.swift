import Domain
import Primitives
import Testing

@Suite("The keyring")
struct KeyringTests {
    static let keyring = Keyring(root: Array(repeating: 1, count: 32))
    static let other = Keyring(root: Array(repeating: 2, count: 32))

    @Test("what a subject's key seals opens for that subject and place, and nowhere else")
    func subjects() throws {
        let id = UUID.v7()
        let made = Self.keyring.makeSubject(id)
        let sealed = made.key.seal(Array("Ana".utf8), place: "user")
        let again = try #require(try Self.keyring.subject(id, sealed: made.sealed))
        #expect(try again.open(sealed, place: "user") == Array("Ana".utf8))
        #expect(throws: KeyringError.forged(subject: id, place: "invitation")) {
            try again.open(sealed, place: "invitation")
        }
        let stranger = UUID.v7()
        let theirs = Self.keyring.makeSubject(stranger).key
        #expect(throws: KeyringError.forged(subject: stranger, place: "user")) {
            try theirs.open(sealed, place: "user")
        }
        // A row moved to another subject, and another root key.
        #expect(throws: KeyringError.unreadable(subject: stranger)) {
            try Self.keyring.subject(stranger, sealed: made.sealed)
        }
        #expect(throws: KeyringError.unreadable(subject: id)) { try Self.other.subject(id, sealed: made.sealed) }
        #expect(try Self.keyring.subject(id, sealed: nil) == nil)
    }

    @Test("an index finds a text without regard to case, for its kind and its root key only")
    func indexes() {
        let index = Self.keyring.index("Ana@Example.com", kind: "email")
        #expect(index == Self.keyring.index("ana@example.COM", kind: "email"))
        #expect(index != Self.keyring.index("ana@example.com", kind: "name"))
        #expect(index != Self.other.index("ana@example.com", kind: "email"))
        // The kind and the text cannot run into each other.
        #expect(Self.keyring.index("b", kind: "a") != Self.keyring.index("", kind: "a\u{0}b"))
    }

    @Test("derived keys differ by purpose and root")
    func derived() {
        let keys = [
            Self.keyring.derived("audit"), Self.keyring.derived("tokens"), Self.other.derived("audit"),
            Self.keyring.fingerprint,
        ]
        #expect(Set(keys).count == keys.count && keys.allSatisfy { $0.count == 32 })
    }

    @Test("masks show the beginning, never the length")
    func masks() {
        #expect("Ana".masked == "A…" && "".masked == "" && "Anastasia".masked == "A…")
        #expect("ana@example.com".maskedEmail == "a…@example.com" && "none".maskedEmail == "n…")
    }
}
