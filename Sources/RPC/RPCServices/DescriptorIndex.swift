/// Which file declares what: made from serialized descriptors, by their wire format alone, once.
struct DescriptorIndex: Sendable {
    /// A file, as it is handed out.
    struct File: Sendable {
        var name = ""
        var bytes: [UInt8] = []
        var dependencies: [String] = []
    }

    private(set) var files: [String: File] = [:]
    private var symbols: [String: String] = [:]
    private var extensions: [String: [Int32: String]] = [:]

    /// Indexes serialized google.protobuf.FileDescriptorProto values. Bytes that are none are our bug.
    init(_ descriptors: [[UInt8]]) {
        for bytes in descriptors { add(bytes) }
    }

    func file(declaring symbol: String) -> File? { symbols[symbol].flatMap { files[$0] } }

    func file(extending type: String, number: Int32) -> File? { extensions[type]?[number].flatMap { files[$0] } }

    /// The numbers of a message's extensions, ascending; nil when the message is not known.
    func extensionNumbers(of type: String) -> [Int32]? {
        guard let known = extensions[type] else { return symbols[type] == nil ? nil : [] }
        return known.keys.sorted()
    }

    /// A file and all that it imports, each once, itself first.
    func closure(of file: File) -> [File] {
        var result: [File] = []
        var seen: Set<String> = []
        var next = [file.name]
        while let name = next.popLast() {
            guard seen.insert(name).inserted, let file = files[name] else { continue }
            result.append(file)
            next.append(contentsOf: file.dependencies.reversed())
        }
        return result
    }

    // MARK: Reading descriptors (google/protobuf/descriptor.proto)

    private mutating func add(_ bytes: [UInt8]) {
        var file = File(bytes: bytes)
        var package = ""
        for field in Fields(bytes[...]) {
            switch field.number {
            case 1: file.name = field.text
            case 2: package = field.text
            case 3: file.dependencies.append(field.text)
            default: break
            }
        }
        let scope = package.isEmpty ? "" : package + "."
        for field in Fields(bytes[...]) {
            switch field.number {
            case 4: addMessage(field.bytes, scope, file.name)
            case 5: addEnum(field.bytes, scope, file.name)
            case 6: addNamed(field.bytes, scope, file.name, members: 2)
            case 7: addExtension(field.bytes, scope, file.name)
            default: break
            }
        }
        files[file.name] = file
    }

    private mutating func addMessage(_ bytes: ArraySlice<UInt8>, _ scope: String, _ file: String) {
        let inner = addNamed(bytes, scope, file, members: 2)
        for field in Fields(bytes) {
            switch field.number {
            case 3: addMessage(field.bytes, inner, file)
            case 4: addEnum(field.bytes, inner, file)
            case 6: addExtension(field.bytes, inner, file)
            case 8: addNamed(field.bytes, inner, file, members: nil)
            default: break
            }
        }
    }

    /// An enum's values stand beside it, not inside (as in C++).
    private mutating func addEnum(_ bytes: ArraySlice<UInt8>, _ scope: String, _ file: String) {
        addNamed(bytes, scope, file, members: nil)
        for field in Fields(bytes) where field.number == 2 { addNamed(field.bytes, scope, file, members: nil) }
    }

    private mutating func addExtension(_ bytes: ArraySlice<UInt8>, _ scope: String, _ file: String) {
        addNamed(bytes, scope, file, members: nil)
        var type = ""
        var number: Int32 = 0
        for field in Fields(bytes) {
            switch field.number {
            case 2: type = field.text
            case 3: number = Int32(truncatingIfNeeded: field.varint)
            default: break
            }
        }
        // A type that was resolved starts with a dot.
        extensions[type.hasPrefix(".") ? String(type.dropFirst()) : type, default: [:]][number] = file
    }

    /// Notes something that has a name in field 1, and its members, which have theirs in field 1, too.
    ///
    /// - Returns: the scope inside it.
    @discardableResult
    private mutating func addNamed(
        _ bytes: ArraySlice<UInt8>,
        _ scope: String,
        _ file: String,
        members: Int?
    ) -> String {
        var name = ""
        for field in Fields(bytes) where field.number == 1 { name = scope + field.text }
        symbols[name] = file
        for field in Fields(bytes) where field.number == members {
            addNamed(field.bytes, name + ".", file, members: nil)
        }
        return name + "."
    }
}

/// The fields of a serialized message, one after another.
private struct Fields: Sequence, IteratorProtocol {
    struct Field {
        var number = 0
        var varint: UInt64 = 0
        var bytes: ArraySlice<UInt8> = []

        var text: String { String(decoding: bytes, as: UTF8.self) }
    }

    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) {
        rest = bytes
    }

    mutating func next() -> Field? {
        guard !rest.isEmpty else { return nil }
        let tag = takeVarint()
        var field = Field(number: Int(tag >> 3))
        switch tag & 7 {
        case 0: field.varint = takeVarint()
        case 1: _ = take(8)
        case 2: field.bytes = take(Int(takeVarint()))
        case 5: _ = take(4)
        default: preconditionFailure("an embedded descriptor is damaged")
        }
        return field
    }

    private mutating func take(_ count: Int) -> ArraySlice<UInt8> {
        precondition(count <= rest.count, "an embedded descriptor is damaged")
        defer { rest = rest.dropFirst(count) }
        return rest.prefix(count)
    }

    private mutating func takeVarint() -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while let byte = rest.popFirst() {
            value |= UInt64(byte & 127) << shift
            if byte < 128 { return value }
            shift += 7
        }
        preconditionFailure("an embedded descriptor is damaged")
    }
}
