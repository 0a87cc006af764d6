public import Primitives
public import Protobuf
internal import TrellisAPI

/// What a use case says for the audit event of its call: what the call is about, and what it changed of it.
///
/// A use case that says nothing is about what it answers: the answer's id, or the ids of what it lists, and, when it
/// makes something, the answer is what was made. Confined to its loop.
public final class AuditNotes {
    private struct Note {
        var target: AuditTarget
        var old: [(key: String, value: JSONValue)]?
        var new: [(key: String, value: JSONValue)]?
    }

    /// Bytes of old and new values that an event keeps; of what comes after them, it keeps only that it was changed.
    static let maximumBytes = 65_536

    private var notes: [Note] = []
    private var requestKey: SubjectKey?

    /// Nothing said yet.
    public init() {}

    /// Says that something was made, changed or deleted: what it was before, and what it is now. Of both, the fields that
    /// differ are kept, secrets left out.
    ///
    /// - Parameter subject: the key of whom the personal fields are about: they are kept sealed with it, and are gone when
    ///   it is. Without one they are not kept.
    public func changed<Value: Message>(
        _ type: String,
        _ id: String,
        from old: Value?,
        to new: Value?,
        of subject: SubjectKey? = nil
    ) {
        let (before, after) = (old.map { AuditedValues($0, subject) }, new.map { AuditedValues($0, subject) })
        notes.append(
            Note(
                target: AuditTarget(type, id),
                old: before?.fields(differingFrom: after),
                new: after?.fields(differingFrom: before)
            )
        )
    }

    /// Says that the call is about something of which it changes nothing that is worth keeping.
    public func target(_ type: String, _ id: String) {
        notes.append(Note(target: AuditTarget(type, id)))
    }

    /// Says whom the personal fields of the request are about: they are kept sealed with their key.
    public func isAbout(_ subject: SubjectKey) { requestKey = subject }

    /// Whether nothing was said.
    var isEmpty: Bool { notes.isEmpty }

    /// What there is to find the event by.
    var targets: [AuditTarget] {
        var seen: Set<AuditTarget> = []
        return notes.map(\.target).filter { !$0.id.isEmpty && seen.insert($0).inserted }
    }

    /// The targets as the event has them.
    var json: String {
        var bytes = 0
        let elements = notes.map { note -> JSONValue in
            var members: [(key: String, value: JSONValue)] = [
                ("type", .string(note.target.type)), ("id", .string(note.target.id)),
            ]
            let values = [("old", note.old), ("new", note.new)].compactMap { name, value in
                value.map { (key: name, value: JSONValue.object($0)) }
            }
            bytes += values.reduce(0) { $0 + $1.value.written().utf8.count }
            members += bytes <= Self.maximumBytes ? values : [("cut", .bool(true))]
            return .object(members)
        }
        return JSONValue.array(elements).written()
    }

    /// The request as the event has it.
    func json(of request: some Message) -> String { AuditedValues(request, requestKey).kept.written() }

    /// Takes what the answer says when the use case has said nothing.
    func complete<Answer: Message>(with answer: Answer, makes: Bool) {
        guard notes.isEmpty, let descriptor = DescriptorPool.trellis.messages[Answer.fullName] else { return }
        guard let json = try? DescriptorPool.trellis.json(answer, options: AuditedValues.plainly) else { return }
        if let id = json["id"]?.text {
            let type = Self.type(of: descriptor.name)
            if makes { changed(type, id, from: nil, to: answer) } else { target(type, id) }
            return
        }
        for field in descriptor.fields where field.isRepeated && field.kind == .message {
            guard case .array(let elements)? = json[field.name] else { continue }
            let type = Self.type(of: String(field.typeName.split(separator: ".").last ?? ""))
            for element in elements { if let id = element["id"]?.text { target(type, id) } }
        }
    }

    /// What a message is called in the trail: "KnowledgeBase" is "knowledge_base".
    static func type(of message: String) -> String {
        var type = ""
        for character in message {
            if character.isUppercase, !type.isEmpty { type.append("_") }
            type += character.lowercased()
        }
        return type
    }
}

/// A message as an audit event keeps it: JSON by field, without secrets, with what is personal sealed or blotted out.
struct AuditedValues {
    /// What stands for a personal value of whom nobody said whose it is.
    static let blot = "[personal]"
    /// Bytes of a serialized message that is kept whole; of a larger one, such as a chunk of an import, only the size and
    /// the hash are kept, by which it can be recognized.
    static let maximumBytes = 16_384

    static let plainly = JSONOptions(usesProtoNames: true, redactsSecrets: true)

    /// Fields that change whenever anything does.
    private static let bookkeeping: Set<String> = ["etag", "update_time"]

    /// As it is, to be compared; never stored.
    private let plain: JSONValue
    /// As it is stored.
    let kept: JSONValue

    init<Value: Message>(_ message: Value, _ subject: SubjectKey?) {
        let bytes = message.serialized()
        var options = Self.plainly
        options.personal = { value in
            subject.map { SealedValue(value, $0).json } ?? .string(Self.blot)
        }
        guard bytes.count <= Self.maximumBytes,
            let plain = try? DescriptorPool.trellis.json(bytes, as: Value.fullName, options: Self.plainly),
            let kept = try? DescriptorPool.trellis.json(bytes, as: Value.fullName, options: options)
        else {
            let hash = JSONValue.string(Hex.encode(SHA256.hash(bytes)))
            func object(_ hash: JSONValue) -> JSONValue {
                .object([
                    ("@type", .string(Value.fullName)), ("@bytes", .number(String(bytes.count))), ("@sha256", hash),
                ])
            }
            plain = object(hash)
            // By the hash of somebody's data they could be recognized.
            let isPersonal = DescriptorPool.trellis.messages[Value.fullName]?.fields.contains {
                $0.marks.contains(.personal)
            }
            kept = isPersonal == true ? object(options.personal?(hash) ?? hash) : plain
            return
        }
        self.plain = plain
        self.kept = kept
    }

    /// The fields that are not the same in another value; all of them without one.
    func fields(differingFrom other: AuditedValues?) -> [(key: String, value: JSONValue)] {
        guard case .object(let members) = kept else { return [("value", kept)] }
        return members.filter { member in
            !Self.bookkeeping.contains(member.key) && (other.map { $0.plain[member.key] != plain[member.key] } ?? true)
        }
    }
}

/// A personal value as an audit event keeps it: `{"$sealed": "<subject>:<base64>"}`, which nobody can read any more once the
/// subject's key is gone, and which proves as well as before.
public struct SealedValue: Sendable {
    /// The one member of the object that stands for the value.
    public static let member = "$sealed"
    private static let place = "audit"

    /// Whom it is about.
    public let subject: UUID
    private let bytes: [UInt8]

    /// Seals a value.
    init(_ value: JSONValue, _ key: SubjectKey) {
        subject = key.subject
        bytes = key.seal(Array(value.written().utf8), place: Self.place)
    }

    /// The sealed value that an object stands for; nil when it is none.
    public init?(_ json: JSONValue) {
        guard case .object(let members) = json, members.count == 1, members[0].key == Self.member,
            let parts = members[0].value.text?.split(separator: ":", maxSplits: 1), parts.count == 2,
            let subject = UUID(parts[0]), let bytes = Base64.decode(parts[1])
        else { return nil }
        self.subject = subject
        self.bytes = bytes
    }

    /// The object that stands for it.
    var json: JSONValue { .object([(Self.member, .string("\(subject):\(Base64.encode(bytes))"))]) }

    /// The value. Throws ``KeyringError/forged(subject:place:)``.
    public func open(_ key: SubjectKey) throws(KeyringError) -> JSONValue {
        let text = String(decoding: try key.open(bytes, place: Self.place), as: UTF8.self)
        guard let value = try? JSONValue(parsing: text) else { throw .forged(subject: subject, place: Self.place) }
        return value
    }

    /// Tells of every sealed value in another.
    public static func walk(_ json: JSONValue, _ body: (SealedValue) -> Void) {
        if let sealed = SealedValue(json) { return body(sealed) }
        switch json {
        case .array(let elements): for element in elements { walk(element, body) }
        case .object(let members): for member in members { walk(member.value, body) }
        default: return
        }
    }
}
