internal import CProtobufC

/// The one pass over a message's bytes that comes before protobuf-c sees them.
///
/// protobuf-c trusts its input: it cuts strings at a NUL, takes invalid UTF-8, recurses without a limit and turns two
/// bytes of an empty submessage into a hundred. So this walks the bytes against the same descriptor and refuses what
/// protobuf-c would refuse (with a reason) and what it should have: depth, text, the memory that decoding would take,
/// and a singular submessage that occurs twice (merging costs the square of the message).
struct WireCheck {
    private typealias Bytes = UnsafePointer<UInt8>
    private typealias Descriptor = UnsafePointer<ProtobufCMessageDescriptor>
    private typealias Field = UnsafePointer<ProtobufCFieldDescriptor>

    // What one part of a message costs decoded: protobuf-c's note of a field (40 bytes, in slabs that double), the arena's
    // rounding, and the Swift value beside the C one.
    private static let fieldCost = 64
    private static let stringCost = 32
    private static let unknownFieldCost = 48
    private static let elementCost = 8

    /// The start of the message, from which offsets are counted.
    private let start: Bytes
    private var memoryLeft: Int
    private let limits: WireLimits
    private var failure: WireError?

    /// Checks `bytes` against the descriptor of their message.
    ///
    /// - Throws: `WireError` with the path of the field at fault, the reason and the offset.
    static func check(
        _ bytes: UnsafeRawBufferPointer,
        _ descriptor: UnsafePointer<ProtobufCMessageDescriptor>,
        limits: WireLimits = .standard
    ) throws(WireError) {
        guard bytes.count > 0, let base = bytes.baseAddress else { return }
        let start = base.assumingMemoryBound(to: UInt8.self)
        var check = WireCheck(start: start, memoryLeft: limits.memoryBytes, limits: limits, failure: nil)
        if !check.message(start, start + bytes.count, descriptor, depth: 1) {
            throw check.failure ?? WireError(reason: "the message is malformed")
        }
    }

    // MARK: a message

    private mutating func message(_ from: Bytes, _ end: Bytes, _ descriptor: Descriptor, depth: Int) -> Bool {
        let deepest = limits.depth
        guard depth <= deepest else {
            return fail(from, "messages are nested more than \(deepest) deep; nest them less")
        }
        // The first 64 singular submessages by index that have occurred.
        var seen: UInt64 = 0
        var next = from
        while next < end {
            let tagStart = next
            guard let tag = tag(&next, end) else { return false }
            let wireType = UInt8(truncatingIfNeeded: tag & 7)
            let number = tag >> 3
            guard charge(Self.fieldCost, tagStart) else { return false }
            guard let index = Self.index(of: number, in: descriptor) else {
                guard unknown(&next, end, number, wireType) else { return false }
                continue
            }
            let field = descriptor.pointee.fields + index
            guard known(&next, end, field, wireType, depth) else { return failed(in: field) }
            if field.pointee.type == PROTOBUF_C_TYPE_MESSAGE, field.pointee.label != PROTOBUF_C_LABEL_REPEATED,
                index < 64
            {
                guard seen & (1 << UInt64(index)) == 0 else {
                    _ = fail(tagStart, "the field occurs twice; a singular message may occur once")
                    return failed(in: field)
                }
                seen |= 1 << UInt64(index)
            }
        }
        return true
    }

    /// The index of the field of that number; protobuf-c's own look-up, without the call for the usual single range.
    @inline(__always)
    private static func index(of number: UInt32, in descriptor: Descriptor) -> Int? {
        let ranges = descriptor.pointee.field_ranges
        let count = Int(descriptor.pointee.n_field_ranges)
        guard let ranges else { return nil }
        var range = 0
        while range < count {
            let first = UInt32(bitPattern: ranges[range].start_value)
            guard number >= first else { return nil }
            let index = Int(ranges[range].orig_index) + Int(number - first)
            if index < Int(ranges[range + 1].orig_index) { return index }
            range &+= 1
        }
        return nil
    }

    // MARK: fields

    private mutating func known(_ next: inout Bytes, _ end: Bytes, _ field: Field, _ wireType: UInt8, _ depth: Int)
        -> Bool
    {
        switch field.pointee.type {
        case PROTOBUF_C_TYPE_STRING:
            guard wireType == 2 else { return wrongWireType(next, wireType, "length-delimited (2)") }
            guard let count = length(&next, end), charge(count &+ Self.stringCost, next) else { return false }
            if let fault = findTextFault(next, count: count) {
                switch fault.fault {
                case .nul: return fail(next + fault.offset, "a NUL character; text may not hold U+0000")
                case .notUTF8: return fail(next + fault.offset, "not valid UTF-8; text must be UTF-8")
                }
            }
            next += count
            return true
        case PROTOBUF_C_TYPE_MESSAGE:
            guard wireType == 2 else { return wrongWireType(next, wireType, "length-delimited (2)") }
            guard let count = length(&next, end) else { return false }
            guard let raw = field.pointee.descriptor else { return fail(next, "a message without a descriptor") }
            let descriptor = raw.assumingMemoryBound(to: ProtobufCMessageDescriptor.self)
            guard charge(2 &* descriptor.pointee.sizeof_message, next) else { return false }
            guard message(next, next + count, descriptor, depth: depth + 1) else { return false }
            next += count
            return true
        case PROTOBUF_C_TYPE_BYTES:
            guard wireType == 2 else { return wrongWireType(next, wireType, "length-delimited (2)") }
            guard let count = length(&next, end), charge(count &+ Self.stringCost, next) else { return false }
            next += count
            return true
        case PROTOBUF_C_TYPE_FIXED32, PROTOBUF_C_TYPE_SFIXED32, PROTOBUF_C_TYPE_FLOAT:
            return fixed(&next, end, field, wireType, size: 4, ownType: 5)
        case PROTOBUF_C_TYPE_FIXED64, PROTOBUF_C_TYPE_SFIXED64, PROTOBUF_C_TYPE_DOUBLE:
            return fixed(&next, end, field, wireType, size: 8, ownType: 1)
        default:
            return varints(&next, end, field, wireType)
        }
    }

    private mutating func varints(_ next: inout Bytes, _ end: Bytes, _ field: Field, _ wireType: UInt8) -> Bool {
        if wireType == 0 { return skipVarint(&next, end) }
        guard wireType == 2, field.pointee.label == PROTOBUF_C_LABEL_REPEATED else {
            return wrongWireType(next, wireType, "varint (0)")
        }
        guard let count = length(&next, end), charge(count &* Self.elementCost, next) else { return false }
        let packedEnd = next + count
        while next < packedEnd {
            guard skipVarint(&next, packedEnd) else { return false }
        }
        return true
    }

    private mutating func fixed(
        _ next: inout Bytes,
        _ end: Bytes,
        _ field: Field,
        _ wireType: UInt8,
        size: Int,
        ownType: UInt8
    ) -> Bool {
        if wireType == ownType { return skip(size, &next, end) }
        guard wireType == 2, field.pointee.label == PROTOBUF_C_LABEL_REPEATED else {
            return wrongWireType(next, wireType, size == 4 ? "32-bit (5)" : "64-bit (1)")
        }
        guard let count = length(&next, end), charge(2 &* count, next) else { return false }
        guard count % size == 0 else {
            return fail(next, "\(count) bytes of packed elements, which are \(size) bytes each")
        }
        next += count
        return true
    }

    /// Fields that this version does not know are kept by protobuf-c, so they cost memory; they are skipped otherwise.
    private mutating func unknown(_ next: inout Bytes, _ end: Bytes, _ number: UInt32, _ wireType: UInt8) -> Bool {
        let valueStart = next
        switch wireType {
        case 0:
            guard skipVarint(&next, end) else { return false }
        case 1:
            guard skip(8, &next, end) else { return false }
        case 2:
            guard let count = length(&next, end) else { return false }
            next += count
        case 5:
            guard skip(4, &next, end) else { return false }
        case 3, 4:
            return fail(next, "field \(number) is a group, which proto3 does not have")
        default:
            return fail(next, "field \(number) has wire type \(wireType); there are 0, 1, 2 and 5")
        }
        return charge((next - valueStart) &+ Self.unknownFieldCost, valueStart)
    }

    // MARK: tokens

    @inline(__always)
    private mutating func tag(_ next: inout Bytes, _ end: Bytes) -> UInt32? {
        let first = next.pointee
        if first < 0x80 {
            next += 1
            guard first >= 8 else {
                _ = fail(next - 1, "field number 0; they begin at 1")
                return nil
            }
            return UInt32(first)
        }
        return longTag(&next, end)
    }

    private mutating func longTag(_ next: inout Bytes, _ end: Bytes) -> UInt32? {
        let begin = next
        guard let value = shortVarint(&next, end, "a tag") else { return nil }
        guard value <= UInt64(UInt32.max) else {
            _ = fail(begin, "field number \(value >> 3); they end at 536870911")
            return nil
        }
        guard value >= 8 else {
            _ = fail(begin, "field number 0; they begin at 1")
            return nil
        }
        return UInt32(value)
    }

    /// A length, with as many bytes after it.
    @inline(__always)
    private mutating func length(_ next: inout Bytes, _ end: Bytes) -> Int? {
        if next < end, next.pointee < 0x80 {
            let count = Int(next.pointee)
            if count <= end - next - 1 {
                next += 1
                return count
            }
        }
        return longLength(&next, end)
    }

    private mutating func longLength(_ next: inout Bytes, _ end: Bytes) -> Int? {
        let begin = next
        guard let value = shortVarint(&next, end, "a length") else { return nil }
        guard value <= UInt64(end - next) else {
            _ = fail(begin, "a length of \(value) bytes where \(end - next) are left; the message is cut or malformed")
            return nil
        }
        return Int(value)
    }

    /// A varint of at most five bytes: what protobuf-c reads tags and lengths from.
    private mutating func shortVarint(_ next: inout Bytes, _ end: Bytes, _ what: String) -> UInt64? {
        let begin = next
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while next < end, shift < 35 {
            let byte = next.pointee
            next += 1
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
            shift += 7
        }
        let reason = shift < 35 ? "\(what) is cut off by the end of the message" : "\(what) is longer than five bytes"
        _ = fail(begin, reason)
        return nil
    }

    @inline(__always)
    private mutating func skipVarint(_ next: inout Bytes, _ end: Bytes) -> Bool {
        let begin = next
        while next < end {
            let byte = next.pointee
            next += 1
            if byte < 0x80 { return true }
            if next - begin == 10 { return fail(begin, "a varint longer than ten bytes") }
        }
        return fail(begin, "a varint is cut off by the end of the message")
    }

    private mutating func skip(_ size: Int, _ next: inout Bytes, _ end: Bytes) -> Bool {
        guard end - next >= size else {
            return fail(next, "\(size) bytes wanted where \(end - next) are left; the message is cut or malformed")
        }
        next += size
        return true
    }

    // MARK: failures

    @inline(__always)
    private mutating func charge(_ bytes: Int, _ at: Bytes) -> Bool {
        memoryLeft &-= bytes
        if memoryLeft >= 0 { return true }
        let most = limits.memoryBytes
        return fail(at, "the message would take more than \(most) bytes of memory; send it in parts")
    }

    private mutating func wrongWireType(_ at: Bytes, _ wireType: UInt8, _ right: String) -> Bool {
        fail(at, "wire type \(wireType) where \(right) is right; client and server disagree about the field's type")
    }

    @inline(never)
    private mutating func fail(_ at: Bytes, _ reason: @autoclosure () -> String) -> Bool {
        failure = WireError(reason: reason(), offset: at - start)
        return false
    }

    /// Puts the field's name before the path of the failure, on the way out.
    @inline(never)
    private mutating func failed(in field: Field) -> Bool {
        let name = String(cString: field.pointee.name)
        if let path = failure?.field, !path.isEmpty {
            // The path of a failure ten thousand levels down would be its own denial of service.
            failure?.field = path.utf8.count < 200 ? "\(name).\(path)" : path
        } else {
            failure?.field = name
        }
        return false
    }
}
