/// Reads one google.protobuf.FileDescriptorProto. The numbers are those of descriptor.proto.
struct DescriptorReader {
    /// What a file declares.
    struct Parsed {
        var file: FileDescriptor
        var messages: [MessageDescriptor] = []
        var enums: [EnumDescriptor] = []
        var services: [ServiceDescriptor] = []
    }

    private typealias Fields = [(number: Int, value: WireReader.Value)]

    /// How deep messages may be declared inside each other.
    private static let maxDepth = 32

    private let serialized: [UInt8]
    private var comments: [[Int]: String] = [:]
    private var package = ""
    private var path = ""
    private var messages: [MessageDescriptor] = []
    private var enums: [EnumDescriptor] = []
    private var extensions: [FileDescriptor.Extension] = []

    init(_ serialized: [UInt8]) { self.serialized = serialized }

    consuming func read(_ marks: (_ options: [UInt8]) -> FieldMarks) throws(WireError) -> Parsed {
        let fields = try Self.fields(serialized[...])
        path = Self.text(fields, 1)
        package = Self.text(fields, 2)
        for info in Self.parts(fields, 9) { try readComments(info) }
        for (index, part) in Self.parts(fields, 4).enumerated() {
            try message(part, [4, index], package, marks, depth: 0)
        }
        for (index, part) in Self.parts(fields, 5).enumerated() { try enumeration(part, [5, index], package) }
        var services: [ServiceDescriptor] = []
        for (index, part) in Self.parts(fields, 6).enumerated() { services.append(try service(part, [6, index])) }
        for part in Self.parts(fields, 7) { try extending(part, package) }
        let file = FileDescriptor(
            path: path,
            package: package,
            dependencies: Self.parts(fields, 3).map { String(decoding: $0, as: UTF8.self) },
            serialized: serialized,
            extensions: extensions,
            comment: comments[[2]] ?? ""
        )
        return Parsed(file: file, messages: messages, enums: enums, services: services)
    }

    private mutating func readComments(_ info: ArraySlice<UInt8>) throws(WireError) {
        for location in Self.parts(try Self.fields(info), 1) {
            let fields = try Self.fields(location)
            let comment = Self.text(fields, 3)
            guard !comment.isEmpty, let packed = Self.parts(fields, 1).first else { continue }
            var reader = WireReader(packed)
            var path: [Int] = []
            while !reader.isAtEnd { path.append(Int(truncatingIfNeeded: try reader.varint())) }
            comments[path] = Self.tidy(comment)
        }
    }

    /// A comment without the space that follows the slashes and without empty lines at its ends.
    private static func tidy(_ comment: String) -> String {
        let lines = comment.split(separator: "\n", omittingEmptySubsequences: false)
            .map { $0.hasPrefix(" ") ? $0.dropFirst() : $0 }
        let first = lines.firstIndex { !$0.isEmpty } ?? lines.endIndex
        let last = lines.lastIndex { !$0.isEmpty }.map { $0 + 1 } ?? first
        return lines[first..<last].joined(separator: "\n")
    }

    private mutating func message(
        _ bytes: ArraySlice<UInt8>,
        _ path: [Int],
        _ scope: String,
        _ marks: (_ options: [UInt8]) -> FieldMarks,
        depth: Int
    ) throws(WireError) {
        guard depth < Self.maxDepth else { throw WireError(reason: "messages are declared too deep inside each other") }
        let fields = try Self.fields(bytes)
        let fullName = Self.join(scope, Self.text(fields, 1))
        let options = try Self.fields(Self.parts(fields, 7).last ?? [])
        let oneofs = try Self.parts(fields, 8).map { part throws(WireError) in Self.text(try Self.fields(part), 1) }
        var own: [FieldDescriptor] = []
        for (index, part) in Self.parts(fields, 2).enumerated() {
            own.append(try field(part, comments[path + [2, index]] ?? "", oneofs, marks))
        }
        messages.append(
            MessageDescriptor(
                fullName: fullName,
                comment: comments[path] ?? "",
                fields: own,
                isMapEntry: Self.number(options, 7) == 1,
                file: self.path
            )
        )
        for (index, part) in Self.parts(fields, 3).enumerated() {
            try message(part, path + [3, index], fullName, marks, depth: depth + 1)
        }
        for (index, part) in Self.parts(fields, 4).enumerated() { try enumeration(part, path + [4, index], fullName) }
        for part in Self.parts(fields, 6) { try extending(part, fullName) }
    }

    private func field(
        _ bytes: ArraySlice<UInt8>,
        _ comment: String,
        _ oneofs: [String],
        _ marks: (_ options: [UInt8]) -> FieldMarks
    ) throws(WireError) -> FieldDescriptor {
        let fields = try Self.fields(bytes)
        let name = Self.text(fields, 1)
        guard let kind = UInt8(exactly: Self.number(fields, 5)).flatMap(FieldDescriptor.Kind.init(rawValue:)) else {
            throw WireError(reason: "the field \(name) of \(path) has a type of number \(Self.number(fields, 5))")
        }
        let isRepeated = Self.number(fields, 4) == 3
        let oneofIndex = fields.last { $0.number == 9 }?.value.number.flatMap { Int(exactly: $0) }
        let isOptional = Self.number(fields, 17) == 1
        let jsonName = Self.text(fields, 10)
        let options = Array(Self.parts(fields, 8).joined())
        return FieldDescriptor(
            name: name,
            jsonName: jsonName.isEmpty ? name : jsonName,
            number: Int(Self.number(fields, 3)),
            kind: kind,
            typeName: String(Self.text(fields, 6).drop { $0 == "." }),
            isRepeated: isRepeated,
            hasPresence: !isRepeated && (kind == .message || oneofIndex != nil),
            oneof: isOptional ? nil : oneofIndex.flatMap { oneofs.indices.contains($0) ? oneofs[$0] : nil },
            comment: comment,
            marks: options.isEmpty ? [] : marks(options),
            options: options
        )
    }

    private mutating func enumeration(_ bytes: ArraySlice<UInt8>, _ path: [Int], _ scope: String) throws(WireError) {
        let fields = try Self.fields(bytes)
        var values: [EnumDescriptor.Value] = []
        for (index, part) in Self.parts(fields, 2).enumerated() {
            let value = try Self.fields(part)
            values.append(
                EnumDescriptor.Value(
                    name: Self.text(value, 1),
                    number: Int32(truncatingIfNeeded: Self.number(value, 2)),
                    comment: comments[path + [2, index]] ?? ""
                )
            )
        }
        enums.append(
            EnumDescriptor(
                fullName: Self.join(scope, Self.text(fields, 1)),
                comment: comments[path] ?? "",
                values: values,
                file: self.path
            )
        )
    }

    private func service(_ bytes: ArraySlice<UInt8>, _ path: [Int]) throws(WireError) -> ServiceDescriptor {
        let fields = try Self.fields(bytes)
        let fullName = Self.join(package, Self.text(fields, 1))
        var methods: [MethodDescriptor] = []
        for (index, part) in Self.parts(fields, 2).enumerated() {
            let method = try Self.fields(part)
            methods.append(
                MethodDescriptor(
                    service: fullName,
                    name: Self.text(method, 1),
                    comment: comments[path + [2, index]] ?? "",
                    input: String(Self.text(method, 2).drop { $0 == "." }),
                    output: String(Self.text(method, 3).drop { $0 == "." }),
                    isClientStreaming: Self.number(method, 5) == 1,
                    isServerStreaming: Self.number(method, 6) == 1,
                    options: Array(Self.parts(method, 4).joined())
                )
            )
        }
        return ServiceDescriptor(
            fullName: fullName,
            comment: comments[path] ?? "",
            methods: methods,
            file: self.path,
            options: Array(Self.parts(fields, 3).joined())
        )
    }

    private mutating func extending(_ bytes: ArraySlice<UInt8>, _ scope: String) throws(WireError) {
        let fields = try Self.fields(bytes)
        extensions.append(
            FileDescriptor.Extension(
                fullName: Self.join(scope, Self.text(fields, 1)),
                extendee: String(Self.text(fields, 2).drop { $0 == "." }),
                number: Int(Self.number(fields, 3))
            )
        )
    }

    // MARK: fields by number

    private static func fields(_ bytes: ArraySlice<UInt8>) throws(WireError) -> Fields {
        var reader = WireReader(bytes)
        var fields: Fields = []
        while let field = try reader.nextField() { fields.append(field) }
        return fields
    }

    private static func parts(_ fields: Fields, _ number: Int) -> [ArraySlice<UInt8>] {
        fields.compactMap { $0.number == number ? $0.value.bytes : nil }
    }

    private static func text(_ fields: Fields, _ number: Int) -> String {
        fields.last { $0.number == number }?.value.text ?? ""
    }

    private static func number(_ fields: Fields, _ number: Int) -> Int64 {
        Int64(bitPattern: fields.last { $0.number == number }?.value.number ?? 0)
    }

    private static func join(_ scope: String, _ name: String) -> String { scope.isEmpty ? name : "\(scope).\(name)" }
}
