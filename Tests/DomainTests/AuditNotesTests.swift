import Primitives
import Protobuf
import Testing
import TrellisAPI

@testable import Domain

@Suite("What audit events keep")
struct AuditNotesTests {
    static let keyring = Keyring(root: [UInt8](repeating: 3, count: 32))

    static func parsed(_ notes: AuditNotes) throws -> JSONValue { try JSONValue(parsing: notes.json) }

    @Test("of a change, the fields that differ, and none of the bookkeeping")
    func difference() throws {
        let old = Site(id: "1", displayName: "Lima", description: "South", updateTime: Timestamp(seconds: 1), etag: "1")
        let new = Site(id: "1", displayName: "Cusco", timeZone: "UTC", updateTime: Timestamp(seconds: 2), etag: "2")
        let notes = AuditNotes()
        notes.changed("site", "1", from: old, to: new)
        let expected =
            #"[{"type":"site","id":"1","old":{"display_name":"Lima","description":"South"},"#
            + #""new":{"display_name":"Cusco","time_zone":"UTC"}}]"#
        #expect(try Self.parsed(notes) == JSONValue(parsing: expected))
        #expect(notes.targets == [AuditTarget("site", "1")])
    }

    @Test("a secret is never kept, and what is personal only sealed, until the key is gone")
    func personal() throws {
        let (key, _) = Self.keyring.makeSubject(.v7())
        let user = User(id: "1", email: "ana@example.org", displayName: "Ana", language: "es")
        let notes = AuditNotes()
        notes.isAbout(key)
        notes.changed("user", "1", from: nil, to: user, of: key)
        notes.changed("api_key", "2", from: nil, to: ApiKey(id: "2", secret: "trl_secret"))
        notes.changed("user", "3", from: nil, to: user)
        let request = notes.json(of: CreateUserRequest(email: "ana@example.org", displayName: "Ana", language: "es"))
        for text in [notes.json, request] {
            #expect(!text.contains("ana@") && !text.contains("Ana") && !text.contains("trl_secret"))
            #expect(text.contains("es"))
        }
        let kept = try Self.parsed(notes)
        #expect(kept[2]?["new"]?["email"] == .string("[personal]"))
        #expect(kept[1]?["new"]?["secret"] == .string("[redacted]"))
        let sealed = try #require(kept[0]?["new"]?["email"].flatMap(SealedValue.init))
        #expect(sealed.subject == key.subject)
        #expect(try sealed.open(key) == .string("ana@example.org"))
        let (other, _) = Self.keyring.makeSubject(key.subject)
        #expect(throws: KeyringError.self) { try sealed.open(other) }
    }

    @Test("a personal value that did not change is not among the changes, although it is sealed anew")
    func samePersonal() throws {
        let (key, _) = Self.keyring.makeSubject(.v7())
        let old = User(id: "1", email: "ana@example.org", displayName: "Ana")
        let new = User(id: "1", email: "ana@example.org", displayName: "Anna")
        let notes = AuditNotes()
        notes.changed("user", "1", from: old, to: new, of: key)
        guard case .object(let members)? = try Self.parsed(notes)[0]?["new"] else {
            Issue.record("there is no new value")
            return
        }
        #expect(members.map(\.key) == ["display_name"])
    }

    @Test("who says nothing is about what it answers")
    func defaults() throws {
        let made = AuditNotes()
        made.complete(with: KnowledgeBase(id: "7", displayName: "Base"), makes: true)
        let expected = #"[{"type":"knowledge_base","id":"7","new":{"id":"7","display_name":"Base"}}]"#
        #expect(try Self.parsed(made) == JSONValue(parsing: expected))
        let listed = AuditNotes()
        listed.complete(with: ListUsersResponse(users: [User(id: "1"), User(id: "2")]), makes: false)
        #expect(listed.targets == [AuditTarget("user", "1"), AuditTarget("user", "2")])
        let nothing = AuditNotes()
        nothing.complete(with: DeleteDocumentResponse(), makes: false)
        #expect(nothing.json == "[]")
        let said = AuditNotes()
        said.target("site", "9")
        said.complete(with: KnowledgeBase(id: "7"), makes: true)
        #expect(said.targets == [AuditTarget("site", "9")])
    }

    @Test("values are bounded: of what is too large its size and hash are kept, and of too many that they were changed")
    func bounded() throws {
        let large = AuditNotes()
        let text = String(repeating: "x", count: AuditedValues.maximumBytes)
        large.changed("site", "1", from: nil, to: Site(id: "1", description: text))
        let kept = try Self.parsed(large)
        #expect(kept[0]?["new"]?["@sha256"] != nil && !large.json.contains("xxx"))
        let many = AuditNotes()
        for index in 0..<100 {
            many.changed("site", "\(index)", from: nil, to: Site(description: String(repeating: "y", count: 4000)))
        }
        #expect(many.json.utf8.count < AuditNotes.maximumBytes + 10_000)
        #expect(many.targets.count == 100)
        #expect(try Self.parsed(many)[99]?["cut"] == .bool(true))
    }

    @Test("no two events have the same proven bytes, and each column is proven")
    func code() throws {
        let keys = AuditKeys(Self.keyring)
        let now = Instant.now()
        let event = AuditRecord(
            tenant: .v7(),
            id: .v7(at: now),
            createTime: now,
            category: .dataChange,
            actorKind: "user",
            principal: .v7(),
            user: .v7(),
            method: "m",
            callID: "c",
            address: "a"
        )
        var variants = [event]
        func change(_ body: (inout AuditRecord) -> Void) {
            var changed = event
            body(&changed)
            variants.append(changed)
        }
        change { $0.tenant = .v7() }
        change { $0.id = .v7() }
        change { $0.createTime.microseconds += 1 }
        change { $0.category = .access }
        change { $0.actorKind = "service" }
        change { $0.principal = .v7() }
        change { $0.user = nil }
        change {
            $0.method = "mc"; $0.callID = ""
        }
        change {
            $0.callID = "ca"; $0.address = ""
        }
        change { $0.address = "" }
        change { $0.outcome = "PERMISSION_DENIED" }
        change { $0.reason = "R" }
        change { $0.calls = 2 }
        change { $0.targets = "[ ]" }
        change { $0.request = "{ }" }
        #expect(Set(variants.map { $0.code(keys) }).count == variants.count)
        #expect(event.code(keys) == event.code(AuditKeys(Self.keyring)))
        #expect(event.code(keys) != event.code(AuditKeys(Keyring(root: [UInt8](repeating: 4, count: 32)))))
    }
}
