internal import Primitives

/// JSON to serialized message.
struct JSONToMessage {
    let pool: DescriptorPool

    func message(
        _ value: JSONValue,
        _ descriptor: MessageDescriptor,
        path: String,
        depth: Int
    ) throws(JSONError) -> [UInt8] {
        guard depth <= JSONMappingLimits.depth else {
            throw JSONError(reason: "messages are nested more than \(JSONMappingLimits.depth) deep", path: path)
        }
        if let type = WellKnownType(rawValue: descriptor.fullName) {
            return try wellKnown(type, value, descriptor, path: path, depth: depth)
        }
        guard case .object(let members) = value else {
            throw JSONError(reason: "is \(value.kind); \(descriptor.name) is an object", path: path)
        }
        return try fields(members, descriptor, path: path, depth: depth)
    }

    private func fields(
        _ members: [(key: String, value: JSONValue)],
        _ descriptor: MessageDescriptor,
        path: String,
        depth: Int
    ) throws(JSONError) -> [UInt8] {
        var found: [(field: FieldDescriptor, value: JSONValue, path: String)] = []
        var seen: [Int: String] = [:]
        var oneofs: [String: String] = [:]
        for (key, value) in members {
            let own = joinPath(path, key)
            guard let field = descriptor.field(named: key) else { throw unknown(key, descriptor, path: own) }
            if let other = seen.updateValue(key, forKey: field.number) {
                throw JSONError(reason: "is given twice, as \(other) and as \(key); give it once", path: own)
            }
            let isNullValue = field.typeName == "google.protobuf.Value" || field.typeName == "google.protobuf.NullValue"
            if case .null = value, !isNullValue || field.isRepeated { continue }
            if let oneof = field.oneof, let other = oneofs.updateValue(key, forKey: oneof) {
                throw JSONError(reason: "cannot be set together with \(other); set one of them", path: own)
            }
            found.append((field, value, own))
        }
        // In the order of the numbers, like every other encoder, so that equal messages have equal bytes.
        var writer = WireWriter()
        for (field, value, own) in found.sorted(by: { $0.field.number < $1.field.number }) {
            try write(value, field, to: &writer, path: own, depth: depth)
        }
        return writer.bytes
    }

    private func unknown(_ key: String, _ descriptor: MessageDescriptor, path: String) -> JSONError {
        let names = descriptor.fields.map(\.jsonName)
        guard !names.isEmpty else {
            return JSONError(reason: "is unknown; \(descriptor.name) has no fields", path: path)
        }
        let wanted = WellKnownText.camelCase(key).lowercased()
        let nearest = names.map { (name: $0, distance: editDistance($0.lowercased(), wanted)) }
            .min { $0.distance < $1.distance }
        if let nearest, nearest.distance <= max(1, key.count / 3) {
            return JSONError(reason: "is unknown; did you mean \(nearest.name)?", path: path)
        }
        return JSONError(
            reason: "is unknown; \(descriptor.name) has \(names.joined(separator: ", "))",
            path: path
        )
    }

    // MARK: fields

    private func write(
        _ value: JSONValue,
        _ field: FieldDescriptor,
        to writer: inout WireWriter,
        path: String,
        depth: Int
    ) throws(JSONError) {
        guard field.isRepeated else {
            try single(value, field, to: &writer, path: path, depth: depth, keepsDefault: field.hasPresence)
            return
        }
        if let entry = pool.messages[field.typeName], entry.isMapEntry {
            try map(value, field, entry, to: &writer, path: path, depth: depth)
            return
        }
        guard case .array(let elements) = value else {
            throw JSONError(reason: "is \(value.kind); it must be an array", path: path)
        }
        let isPacked = field.kind != .string && field.kind != .bytes && field.kind != .message
        var packed = WireWriter()
        for (index, element) in elements.enumerated() {
            let own = "\(path)[\(index)]"
            if case .null = element, field.typeName != "google.protobuf.Value" {
                throw JSONError(reason: "is null; an element of a list cannot be null", path: own)
            }
            if isPacked {
                try scalar(element, field, path: own).append(to: &packed)
            } else {
                try single(element, field, to: &writer, path: own, depth: depth, keepsDefault: true)
            }
        }
        if !packed.bytes.isEmpty { writer.field(field.number, bytes: packed.bytes) }
    }

    private func map(
        _ value: JSONValue,
        _ field: FieldDescriptor,
        _ entry: MessageDescriptor,
        to writer: inout WireWriter,
        path: String,
        depth: Int
    ) throws(JSONError) {
        guard case .object(let members) = value else {
            throw JSONError(reason: "is \(value.kind); it must be an object of keys and values", path: path)
        }
        for (key, element) in members {
            let own = "\(path)[\"\(key)\"]"
            var pair = WireWriter()
            let keyValue: JSONValue =
                switch entry.fields[0].kind {
                case .bool: key == "true" ? .bool(true) : key == "false" ? .bool(false) : .string(key)
                default: .string(key)
                }
            try single(keyValue, entry.fields[0], to: &pair, path: own, depth: depth, keepsDefault: true)
            if case .null = element, entry.fields[1].typeName != "google.protobuf.Value" {
                throw JSONError(reason: "is null; a value of a map cannot be null", path: own)
            }
            try single(element, entry.fields[1], to: &pair, path: own, depth: depth, keepsDefault: true)
            writer.field(field.number, bytes: pair.bytes)
        }
    }

    private func single(
        _ value: JSONValue,
        _ field: FieldDescriptor,
        to writer: inout WireWriter,
        path: String,
        depth: Int,
        keepsDefault: Bool
    ) throws(JSONError) {
        if field.kind == .message {
            guard let descriptor = pool.messages[field.typeName] else {
                throw JSONError(reason: "there is no message \(field.typeName)", path: path)
            }
            writer.field(field.number, bytes: try message(value, descriptor, path: path, depth: depth + 1))
            return
        }
        let scalar = try scalar(value, field, path: path)
        guard keepsDefault || !scalar.isDefault else { return }
        writer.tag(field.number, scalar.wireType)
        scalar.append(to: &writer)
    }

    // MARK: scalars

    private func scalar(_ value: JSONValue, _ field: FieldDescriptor, path: String) throws(JSONError) -> WireScalar {
        switch field.kind {
        case .int32: .varint(UInt64(bitPattern: Int64(try integer(value, Int32.self, path))))
        case .int64: .varint(UInt64(bitPattern: try integer(value, Int64.self, path)))
        case .uint32: .varint(UInt64(try integer(value, UInt32.self, path)))
        case .uint64: .varint(try integer(value, UInt64.self, path))
        case .sint32: .varint(Self.zigzag(Int64(try integer(value, Int32.self, path))))
        case .sint64: .varint(Self.zigzag(try integer(value, Int64.self, path)))
        case .fixed32: .fixed32(try integer(value, UInt32.self, path))
        case .fixed64: .fixed64(try integer(value, UInt64.self, path))
        case .sfixed32: .fixed32(UInt32(bitPattern: try integer(value, Int32.self, path)))
        case .sfixed64: .fixed64(UInt64(bitPattern: try integer(value, Int64.self, path)))
        case .double: .fixed64(try double(value, path).bitPattern)
        case .float: .fixed32(try float(value, path).bitPattern)
        case .bool: .varint(try flag(value, path) ? 1 : 0)
        case .enum: .varint(UInt64(bitPattern: Int64(try enumNumber(value, field, path))))
        case .string: .bytes(Array(try text(value, path).utf8))
        case .bytes: .bytes(try bytes(value, path))
        case .message, .group: throw JSONError(reason: "is a message", path: path)
        }
    }

    private static func zigzag(_ value: Int64) -> UInt64 { UInt64(bitPattern: value << 1 ^ value >> 63) }

    private func integer<T: FixedWidthInteger>(_ value: JSONValue, _: T.Type, _ path: String) throws(JSONError) -> T {
        let text: String
        switch value {
        case .number(let number): text = number
        case .string(let string): text = string
        default: throw JSONError(reason: "is \(value.kind); it must be a whole number", path: path)
        }
        if let number = JSONNumber.integer(text, as: T.self) { return number }
        throw JSONError(reason: "is \(shown(text)); it must be a whole number from \(T.min) to \(T.max)", path: path)
    }

    private func double(_ value: JSONValue, _ path: String) throws(JSONError) -> Double {
        switch value {
        case .number(let text):
            if let number = Double(text), number.isFinite { return number }
        case .string("NaN"): return .nan
        case .string("Infinity"): return .infinity
        case .string("-Infinity"): return -.infinity
        case .string(let text):
            // Only what JSON would call a number: no hexadecimal, no "inf", no space.
            if (try? JSONValue(parsing: text)) == .number(text), let number = Double(text), number.isFinite {
                return number
            }
        default: break
        }
        throw JSONError(
            reason: "is \(shown(value)); it must be a number, \"NaN\", \"Infinity\" or \"-Infinity\"",
            path: path
        )
    }

    private func float(_ value: JSONValue, _ path: String) throws(JSONError) -> Float {
        let number = try double(value, path)
        let float = Float(number)
        guard float.isFinite || !number.isFinite else {
            throw JSONError(reason: "is \(number), which is out of the range of a float", path: path)
        }
        return float
    }

    private func flag(_ value: JSONValue, _ path: String) throws(JSONError) -> Bool {
        guard case .bool(let flag) = value else {
            throw JSONError(reason: "is \(shown(value)); it must be true or false", path: path)
        }
        return flag
    }

    private func text(_ value: JSONValue, _ path: String) throws(JSONError) -> String {
        guard case .string(let text) = value else {
            throw JSONError(reason: "is \(value.kind); it must be a string", path: path)
        }
        guard !text.utf8.contains(0) else { throw JSONError(reason: "holds a NUL character; text may not", path: path) }
        return text
    }

    private func bytes(_ value: JSONValue, _ path: String) throws(JSONError) -> [UInt8] {
        guard case .string(let text) = value, let bytes = Base64.decode(text) else {
            throw JSONError(reason: "is not base64; bytes are written as a base64 string", path: path)
        }
        return bytes
    }

    private func enumNumber(_ value: JSONValue, _ field: FieldDescriptor, _ path: String) throws(JSONError) -> Int32 {
        let descriptor = pool.enums[field.typeName]
        switch value {
        case .null where field.typeName == "google.protobuf.NullValue": return 0
        case .number: return try integer(value, Int32.self, path)
        case .string(let name):
            if let found = descriptor?.value(named: name) { return found.number }
        default: break
        }
        let names = descriptor?.values.map(\.name).joined(separator: ", ") ?? "a value of \(field.typeName)"
        throw JSONError(reason: "is \(shown(value)); it must be one of \(names)", path: path)
    }

    private func shown(_ value: JSONValue) -> String {
        switch value {
        case .string(let text): "\"\(shown(text))\""
        case .number(let text): shown(text)
        case .bool(let flag): flag ? "true" : "false"
        default: value.kind
        }
    }

    private func shown(_ text: String) -> String { text.count > 60 ? text.prefix(60) + "..." : text }

    // MARK: well-known types

    private func wellKnown(
        _ type: WellKnownType,
        _ value: JSONValue,
        _ descriptor: MessageDescriptor,
        path: String,
        depth: Int
    ) throws(JSONError) -> [UInt8] {
        var writer = WireWriter()
        switch type {
        case .timestamp: Self.write(try WellKnownText.timestamp(try text(value, path), path), to: &writer)
        case .duration: Self.write(try WellKnownText.duration(try text(value, path), path), to: &writer)
        case .fieldMask:
            for part in try text(value, path).split(separator: ",") {
                writer.field(1, bytes: Array(WellKnownText.snakeCase(String(part)).utf8))
            }
        case .any: return try any(value, path: path, depth: depth)
        case .structure, .listValue:
            try write(value, descriptor.fields[0], to: &writer, path: path, depth: depth)
        case .value:
            let name =
                switch value {
                case .null: "null_value"
                case .bool: "bool_value"
                case .number: "number_value"
                case .string: "string_value"
                case .array: "list_value"
                case .object: "struct_value"
                }
            guard let field = descriptor.field(named: name) else {
                throw JSONError(reason: "google.protobuf.Value has no \(name)", path: path)
            }
            try single(value, field, to: &writer, path: path, depth: depth, keepsDefault: true)
        default:
            guard let field = descriptor.fields.first else { break }
            try single(value, field, to: &writer, path: path, depth: depth, keepsDefault: false)
        }
        return writer.bytes
    }

    private static func write(_ time: (seconds: Int64, nanos: Int32), to writer: inout WireWriter) {
        if time.seconds != 0 { writer.field(1, varint: UInt64(bitPattern: time.seconds)) }
        if time.nanos != 0 { writer.field(2, varint: UInt64(bitPattern: Int64(time.nanos))) }
    }

    private func any(_ value: JSONValue, path: String, depth: Int) throws(JSONError) -> [UInt8] {
        guard case .object(let members) = value else {
            throw JSONError(reason: "is \(value.kind); it must be an object with an \"@type\"", path: path)
        }
        guard !members.isEmpty else { return [] }
        guard let url = value["@type"]?.text else {
            throw JSONError(reason: "needs \"@type\", such as \"type.googleapis.com/google.rpc.ErrorInfo\"", path: path)
        }
        guard let descriptor = pool.messages[String(url.split(separator: "/").last ?? "")] else {
            throw JSONError(reason: "there is no message \(url)", path: joinPath(path, "@type"))
        }
        let rest = members.filter { $0.key != "@type" }
        let bytes =
            WellKnownType(rawValue: descriptor.fullName) != nil
            ? try message(value["value"] ?? .null, descriptor, path: joinPath(path, "value"), depth: depth + 1)
            : try message(.object(rest), descriptor, path: path, depth: depth + 1)
        var writer = WireWriter()
        writer.field(1, bytes: Array(url.utf8))
        if !bytes.isEmpty { writer.field(2, bytes: bytes) }
        return writer.bytes
    }
}

/// A scalar as it goes onto the wire.
private enum WireScalar {
    case varint(UInt64)
    case fixed32(UInt32)
    case fixed64(UInt64)
    case bytes([UInt8])

    var wireType: UInt64 {
        switch self {
        case .varint: 0
        case .fixed64: 1
        case .bytes: 2
        case .fixed32: 5
        }
    }

    var isDefault: Bool {
        switch self {
        case .varint(let value), .fixed64(let value): value == 0
        case .fixed32(let value): value == 0
        case .bytes(let bytes): bytes.isEmpty
        }
    }

    /// Appends the value without its tag.
    func append(to writer: inout WireWriter) {
        switch self {
        case .varint(let value): writer.varint(value)
        case .fixed32(let value): writer.fixed(value)
        case .fixed64(let value): writer.fixed(value)
        case .bytes(let bytes): writer.append(lengthPrefixed: bytes)
        }
    }
}

/// How many letters have to be put in, taken out or changed to make one word of the other.
private func editDistance(_ first: String, _ second: String) -> Int {
    let second = Array(second)
    var row = Array(0...second.count)
    for (index, letter) in first.enumerated() {
        var diagonal = row[0]
        row[0] = index + 1
        for (column, other) in second.enumerated() {
            let changed = diagonal + (letter == other ? 0 : 1)
            diagonal = row[column + 1]
            row[column + 1] = min(changed, row[column] + 1, diagonal + 1)
        }
    }
    return row[second.count]
}
