/// Reads the fields of a serialized message one after another, with every access checked.
///
/// For messages that have no generated type: descriptors, and what is turned into JSON by its descriptor.
public struct WireReader: Sendable {
    /// A field's value, as much as its wire type says about it.
    public enum Value: Sendable {
        /// Wire type 0.
        case varint(UInt64)
        /// Wire type 1.
        case fixed64(UInt64)
        /// Wire type 2.
        case bytes(ArraySlice<UInt8>)
        /// Wire type 5.
        case fixed32(UInt32)
    }

    private let bytes: ArraySlice<UInt8>
    private var next: Int
    private let start: Int

    /// A reader at the beginning of a message.
    public init(_ bytes: [UInt8]) { self.init(bytes[...]) }

    /// A reader at the beginning of a message that is a part of another.
    public init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        next = bytes.startIndex
        start = bytes.startIndex
    }

    /// Whether everything has been read.
    public var isAtEnd: Bool { next == bytes.endIndex }

    /// The next field, or nil at the end of the message.
    ///
    /// - Throws: `WireError` when the bytes are no well-formed message, with the offset in it.
    public mutating func nextField() throws(WireError) -> (number: Int, value: Value)? {
        guard !isAtEnd else { return nil }
        let tag = try varint()
        guard let number = Int(exactly: tag >> 3), (1...536_870_911).contains(number) else {
            throw error("field number \(tag >> 3); they are 1 to 536870911")
        }
        switch tag & 7 {
        case 0: return (number, .varint(try varint()))
        case 1: return (number, .fixed64(try fixed(8)))
        case 2:
            let count = try varint()
            guard count <= UInt64(bytes.endIndex - next) else {
                throw error("a length of \(count) bytes where \(bytes.endIndex - next) are left")
            }
            defer { next += Int(count) }
            return (number, .bytes(bytes[next..<next + Int(count)]))
        case 5: return (number, .fixed32(UInt32(truncatingIfNeeded: try fixed(4))))
        case let wireType: throw error("field \(number) has wire type \(wireType); there are 0, 1, 2 and 5")
        }
    }

    /// A varint alone, as in packed lists.
    public mutating func varint() throws(WireError) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while next < bytes.endIndex, shift < 70 {
            let byte = bytes[next]
            next += 1
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
            shift += 7
        }
        throw error(shift < 70 ? "a varint is cut off by the end" : "a varint longer than ten bytes")
    }

    /// A little-endian number of four or eight bytes alone, as in packed lists.
    public mutating func fixed(_ size: Int) throws(WireError) -> UInt64 {
        guard bytes.endIndex - next >= size else {
            throw error("\(size) bytes wanted where \(bytes.endIndex - next) are left")
        }
        defer { next += size }
        return bytes[next..<next + size].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    private func error(_ reason: String) -> WireError { WireError(reason: reason, offset: next - start) }
}

extension WireReader.Value {
    /// The text of a string field, or nil when it is none or not UTF-8.
    var text: String? {
        guard case .bytes(let bytes) = self else { return nil }
        return String(validating: bytes, as: UTF8.self)
    }

    /// The bytes of a bytes or message field.
    var bytes: ArraySlice<UInt8>? {
        guard case .bytes(let bytes) = self else { return nil }
        return bytes
    }

    /// The number of a varint field.
    var number: UInt64? {
        guard case .varint(let number) = self else { return nil }
        return number
    }
}

/// Finds a field in a serialized message, such as an extension in the options of a descriptor.
///
/// - Returns: the bytes of the last field of that number, or nil when there is none or the message is malformed.
func findBytes(_ number: Int, in message: [UInt8]) -> [UInt8]? { findAllBytes(number, in: message).last }

/// Finds a repeated field in a serialized message: the bytes of each of its elements; none when the message is malformed.
func findAllBytes(_ number: Int, in message: [UInt8]) -> [[UInt8]] {
    var reader = WireReader(message)
    var found: [[UInt8]] = []
    while let field = try? reader.nextField() {
        if field.number == number, let bytes = field.value.bytes { found.append(Array(bytes)) }
    }
    return found
}
