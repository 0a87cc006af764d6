public import Primitives

/// Writes the position of a page token that is more than an id: numbers, texts and ids one after the other.
public struct PositionWriter {
    /// What was written.
    public private(set) var bytes: [UInt8] = []

    /// Writes nothing yet.
    public init() {}

    /// Writes a number in as few bytes as it needs, 7 bits each, the least first (the zigzag varint of protobuf).
    public mutating func write(_ value: Int64) {
        var rest = UInt64(bitPattern: (value << 1) ^ (value >> 63))
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    /// Writes a number.
    public mutating func write(_ value: Int32) { write(Int64(value)) }

    /// Writes a text after its length.
    public mutating func write(_ text: String) {
        write(Int64(text.utf8.count))
        bytes += text.utf8
    }

    /// Writes an id.
    public mutating func write(_ id: UUID) { bytes += id.bytes }
}

/// Reads what a ``PositionWriter`` has written, in the same order.
///
/// A token is sealed, so its position is one that this server, or another version of it, has written. What cannot be
/// read is an argument error that says to start again.
public struct PositionReader {
    private var rest: ArraySlice<UInt8>

    /// Reads from the beginning of `bytes`.
    public init(_ bytes: [UInt8]) { rest = bytes[...] }

    /// Reads a number.
    public mutating func number() throws(DomainError) -> Int64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            guard let byte = rest.popFirst() else { throw Self.unreadable }
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return Int64(bitPattern: (value >> 1) ^ (0 &- (value & 1))) }
        }
        throw Self.unreadable
    }

    /// Reads a number of 32 bits.
    public mutating func number32() throws(DomainError) -> Int32 {
        guard let value = Int32(exactly: try number()) else { throw Self.unreadable }
        return value
    }

    /// Reads the number of elements that follow, each of at least one byte.
    public mutating func count() throws(DomainError) -> Int {
        let count = try number()
        guard (0...Int64(rest.count)).contains(count) else { throw Self.unreadable }
        return Int(count)
    }

    /// Reads a text.
    public mutating func text() throws(DomainError) -> String {
        let count = try count()
        defer { rest = rest.dropFirst(count) }
        return String(decoding: rest.prefix(count), as: UTF8.self)
    }

    /// Reads an id.
    public mutating func id() throws(DomainError) -> UUID {
        guard rest.count >= 16 else { throw Self.unreadable }
        defer { rest = rest.dropFirst(16) }
        return Array(rest.prefix(16)).withUnsafeBytes { UUID(bytes: $0) }
    }

    private static var unreadable: DomainError {
        .invalid("page_token", "it was made by another version of the server; start again without a page_token")
    }
}
