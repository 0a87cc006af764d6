internal import Primitives

/// Serialized message to JSON.
struct MessageToJSON {
    let pool: DescriptorPool
    let options: JSONOptions

    private typealias Values = [Int: [WireReader.Value]]

    func message(
        _ bytes: ArraySlice<UInt8>,
        _ descriptor: MessageDescriptor,
        path: String,
        depth: Int
    ) throws(JSONError) -> JSONValue {
        guard depth <= JSONMappingLimits.depth else {
            throw JSONError(reason: "messages are nested more than \(JSONMappingLimits.depth) deep", path: path)
        }
        if let type = WellKnownType(rawValue: descriptor.fullName) {
            return try wellKnown(type, bytes, descriptor, path: path, depth: depth)
        }
        return .object(try members(bytes, descriptor, path: path, depth: depth))
    }

    private func members(
        _ bytes: ArraySlice<UInt8>,
        _ descriptor: MessageDescriptor,
        path: String,
        depth: Int
    ) throws(JSONError) -> [(key: String, value: JSONValue)] {
        let found = try values(bytes, path)
        var members: [(key: String, value: JSONValue)] = []
        for field in descriptor.fields {
            let name = options.usesProtoNames ? field.name : field.jsonName
            let own = found[field.number] ?? []
            if let value = try self.value(of: field, own, path: joinPath(path, name), depth: depth) {
                members.append((name, shown(value, of: field)))
            }
        }
        return members
    }

    /// A field's JSON, or what is to stand in its place.
    private func shown(_ value: JSONValue, of field: FieldDescriptor) -> JSONValue {
        if options.redactsSecrets, field.isSecret { return .string("[redacted]") }
        if let personal = options.personal, field.marks.contains(.personal) { return personal(value) }
        return value
    }

    private func values(_ bytes: ArraySlice<UInt8>, _ path: String) throws(JSONError) -> Values {
        var reader = WireReader(bytes)
        var found: Values = [:]
        do {
            while let field = try reader.nextField() { found[field.number, default: []].append(field.value) }
        } catch {
            throw JSONError(reason: "the message is malformed: \(error)", path: path)
        }
        return found
    }

    /// A field's JSON, or nil when it is to be left out.
    private func value(
        of field: FieldDescriptor,
        _ found: [WireReader.Value],
        path: String,
        depth: Int
    ) throws(JSONError) -> JSONValue? {
        if field.isRepeated {
            guard !found.isEmpty || options.includesDefaults else { return nil }
            if let entry = pool.messages[field.typeName], entry.isMapEntry {
                return try map(entry, found, path: path, depth: depth)
            }
            var elements: [JSONValue] = []
            for value in try unpacked(field, found, path) {
                elements.append(try single(field, value, path: "\(path)[\(elements.count)]", depth: depth))
            }
            return .array(elements)
        }
        if field.kind == .message {
            // Several occurrences of one submessage are the same as one of all their bytes.
            guard !found.isEmpty else { return nil }
            return try single(field, .bytes(joined(found)), path: path, depth: depth)
        }
        if let last = found.last {
            let value = try single(field, last, path: path, depth: depth)
            return field.hasPresence || options.includesDefaults || !isDefault(field, last) ? value : nil
        }
        guard options.includesDefaults, !field.hasPresence else { return nil }
        return try single(field, defaultValue(field), path: path, depth: depth)
    }

    private func joined(_ values: [WireReader.Value]) -> ArraySlice<UInt8> {
        values.count == 1 ? values[0].bytes ?? [] : ArraySlice(values.compactMap(\.bytes).joined())
    }

    private func map(
        _ entry: MessageDescriptor,
        _ found: [WireReader.Value],
        path: String,
        depth: Int
    ) throws(JSONError) -> JSONValue {
        guard entry.fields.count == 2 else {
            throw JSONError(reason: "a map's entry has a key and a value", path: path)
        }
        var members: [(key: String, value: JSONValue)] = []
        for value in found {
            let parts = try values(value.bytes ?? [], path)
            let key = try single(
                entry.fields[0],
                parts[1]?.last ?? defaultValue(entry.fields[0]),
                path: path,
                depth: depth
            )
            let name: String
            switch key {
            case .string(let text), .number(let text): name = text
            case .bool(let flag): name = flag ? "true" : "false"
            default: name = ""
            }
            let element = try single(
                entry.fields[1],
                parts[2]?.last ?? defaultValue(entry.fields[1]),
                path: "\(path)[\"\(name)\"]",
                depth: depth
            )
            members.removeAll { $0.key == name }
            members.append((name, element))
        }
        return .object(members)
    }

    /// The elements of a list, out of packed and unpacked occurrences.
    private func unpacked(
        _ field: FieldDescriptor,
        _ found: [WireReader.Value],
        _ path: String
    ) throws(JSONError) -> [WireReader.Value] {
        guard field.kind != .string, field.kind != .bytes, field.kind != .message else { return found }
        var elements: [WireReader.Value] = []
        for value in found {
            guard case .bytes(let bytes) = value else {
                elements.append(value)
                continue
            }
            var reader = WireReader(bytes)
            do {
                while !reader.isAtEnd {
                    switch field.kind {
                    case .double, .fixed64, .sfixed64: elements.append(.fixed64(try reader.fixed(8)))
                    case .float, .fixed32, .sfixed32: elements.append(.fixed32(UInt32(try reader.fixed(4))))
                    default: elements.append(.varint(try reader.varint()))
                    }
                }
            } catch {
                throw JSONError(reason: "the packed list is malformed: \(error)", path: path)
            }
        }
        return elements
    }

    private func isDefault(_ field: FieldDescriptor, _ value: WireReader.Value) -> Bool {
        switch value {
        case .varint(let number), .fixed64(let number): number == 0
        case .fixed32(let number): number == 0
        case .bytes(let bytes): bytes.isEmpty
        }
    }

    private func defaultValue(_ field: FieldDescriptor) -> WireReader.Value {
        switch field.kind {
        case .string, .bytes, .message, .group: .bytes([])
        case .double, .fixed64, .sfixed64: .fixed64(0)
        case .float, .fixed32, .sfixed32: .fixed32(0)
        default: .varint(0)
        }
    }

    private func single(
        _ field: FieldDescriptor,
        _ value: WireReader.Value,
        path: String,
        depth: Int
    ) throws(JSONError) -> JSONValue {
        switch (field.kind, value) {
        case (.double, .fixed64(let bits)): return Self.number(Double(bitPattern: bits))
        case (.float, .fixed32(let bits)): return Self.number(Float(bitPattern: bits))
        case (.int64, .varint(let bits)), (.sfixed64, .fixed64(let bits)):
            return .string(String(Int64(bitPattern: bits)))
        case (.uint64, .varint(let bits)), (.fixed64, .fixed64(let bits)): return .string(String(bits))
        case (.int32, .varint(let bits)): return .number(String(Int32(truncatingIfNeeded: bits)))
        case (.uint32, .varint(let bits)): return .number(String(UInt32(truncatingIfNeeded: bits)))
        case (.fixed32, .fixed32(let bits)): return .number(String(bits))
        case (.sfixed32, .fixed32(let bits)): return .number(String(Int32(bitPattern: bits)))
        case (.sint32, .varint(let bits)): return .number(String(Int32(truncatingIfNeeded: Self.unzigzag(bits))))
        case (.sint64, .varint(let bits)): return .string(String(Self.unzigzag(bits)))
        case (.bool, .varint(let bits)): return .bool(bits != 0)
        case (.enum, .varint(let bits)):
            let number = Int32(truncatingIfNeeded: bits)
            if field.typeName == "google.protobuf.NullValue" { return .null }
            let name = pool.enums[field.typeName]?.value(number)?.name
            return name.map(JSONValue.string) ?? .number(String(number))
        case (.string, .bytes(let bytes)):
            guard let text = String(validating: bytes, as: UTF8.self) else {
                throw JSONError(reason: "the text is not UTF-8", path: path)
            }
            return .string(text)
        case (.bytes, .bytes(let bytes)): return .string(Base64.encode(bytes))
        case (.message, .bytes(let bytes)):
            guard let message = pool.messages[field.typeName] else {
                throw JSONError(reason: "there is no message \(field.typeName)", path: path)
            }
            return try self.message(bytes, message, path: path, depth: depth + 1)
        default: throw JSONError(reason: "the value on the wire does not fit \(field.kind)", path: path)
        }
    }

    private static func unzigzag(_ bits: UInt64) -> Int64 {
        Int64(bitPattern: bits >> 1) ^ -Int64(bitPattern: bits & 1)
    }

    private static func number<F: BinaryFloatingPoint & LosslessStringConvertible>(_ value: F) -> JSONValue {
        if value.isNaN { return .string("NaN") }
        if value.isInfinite { return .string(value < 0 ? "-Infinity" : "Infinity") }
        return .number(value.description)
    }

    // MARK: well-known types

    private func wellKnown(
        _ type: WellKnownType,
        _ bytes: ArraySlice<UInt8>,
        _ descriptor: MessageDescriptor,
        path: String,
        depth: Int
    ) throws(JSONError) -> JSONValue {
        let found = try values(bytes, path)
        if type.isWrapper, let field = descriptor.fields.first {
            return try single(field, found[1]?.last ?? defaultValue(field), path: path, depth: depth)
        }
        switch type {
        case .timestamp: return try .string(WellKnownText.timestamp(Self.secondsAndNanos(found), path))
        case .duration: return try .string(WellKnownText.duration(Self.secondsAndNanos(found), path))
        case .fieldMask:
            let paths = (found[1] ?? []).compactMap(\.text)
            return .string(paths.map(WellKnownText.camelCase).joined(separator: ","))
        case .any: return try any(found, path: path, depth: depth)
        case .structure:
            return try value(of: descriptor.fields[0], found[1] ?? [], path: path, depth: depth) ?? .object([])
        case .listValue:
            return try value(of: descriptor.fields[0], found[1] ?? [], path: path, depth: depth) ?? .array([])
        default:
            for field in descriptor.fields {
                if let last = found[field.number]?.last { return try single(field, last, path: path, depth: depth) }
            }
            return .null
        }
    }

    private static func secondsAndNanos(_ found: Values) -> (seconds: Int64, nanos: Int32) {
        (
            Int64(bitPattern: found[1]?.last?.number ?? 0), Int32(truncatingIfNeeded: found[2]?.last?.number ?? 0)
        )
    }

    private func any(_ found: Values, path: String, depth: Int) throws(JSONError) -> JSONValue {
        let url = found[1]?.last?.text ?? ""
        let bytes = found[2]?.last?.bytes ?? []
        guard !url.isEmpty else { return .object([]) }
        let type: (key: String, value: JSONValue) = ("@type", .string(url))
        guard let descriptor = pool.messages[String(url.split(separator: "/").last ?? "")] else {
            // A type that we do not know is shown as it came, so that a newer server's details are not lost.
            return .object([type, ("value", .string(Base64.encode(bytes)))])
        }
        if WellKnownType(rawValue: descriptor.fullName) != nil {
            return .object([type, ("value", try message(bytes, descriptor, path: path, depth: depth + 1))])
        }
        guard depth < JSONMappingLimits.depth else {
            throw JSONError(reason: "messages are nested more than \(JSONMappingLimits.depth) deep", path: path)
        }
        return .object([type] + (try members(bytes, descriptor, path: path, depth: depth + 1)))
    }
}
