/// A universally unique identifier (RFC 9562), compared by its bytes: version 7 ones sort by the time they were made.
public struct UUID: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// The first eight bytes, big-endian.
    public let high: UInt64
    /// The last eight bytes, big-endian.
    public let low: UInt64

    /// Takes the two halves.
    @inlinable
    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// All bits zero (RFC 9562, section 5.9): the tenant of what all tenants share.
    public static let zero = UUID(high: 0, low: 0)

    /// Reads 16 bytes in network order.
    @inlinable
    public init(bytes: UnsafeRawBufferPointer) {
        precondition(bytes.count == 16, "a UUID has 16 bytes")
        high = UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self))
        low = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
    }

    /// Reads the text form, 8-4-4-4-12 hexadecimal digits of either case; nil for anything else.
    public init?(_ text: some StringProtocol) {
        var text = String(text)
        let parsed = text.withUTF8 { Self.parse($0) }
        guard let parsed else { return nil }
        self = parsed
    }

    private static func parse(_ text: UnsafeBufferPointer<UInt8>) -> UUID? {
        guard text.count == 36 else { return nil }
        var high: UInt64 = 0
        var low: UInt64 = 0
        var digits = 0
        for (index, byte) in text.enumerated() {
            if index == 8 || index == 13 || index == 18 || index == 23 {
                guard byte == UInt8(ascii: "-") else { return nil }
                continue
            }
            guard let digit = Hex.value(of: byte) else { return nil }
            if digits < 16 { high = high << 4 | UInt64(digit) } else { low = low << 4 | UInt64(digit) }
            digits += 1
        }
        return UUID(high: high, low: low)
    }

    /// The text form in lower case.
    public var text: String {
        String(unsafeUninitializedCapacity: 36) { buffer in
            var position = 0
            for index in 0..<16 {
                if index == 4 || index == 6 || index == 8 || index == 10 {
                    buffer[position] = UInt8(ascii: "-")
                    position += 1
                }
                let half = index < 8 ? high : low
                let byte = UInt8(truncatingIfNeeded: half >> UInt64(56 - (index & 7) * 8))
                buffer[position] = Hex.digit(byte >> 4)
                buffer[position + 1] = Hex.digit(byte & 15)
                position += 2
            }
            return position
        }
    }

    /// The text form in lower case.
    public var description: String { text }

    /// Lends the 16 bytes in network order.
    @inlinable
    public func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        let bytes = (high.bigEndian, low.bigEndian)
        return try Swift.withUnsafeBytes(of: bytes, body)
    }

    /// Orders by bytes.
    @inlinable
    public static func < (left: UUID, right: UUID) -> Bool {
        (left.high, left.low) < (right.high, right.low)
    }

    /// The version in the version field: 7 for those made here.
    public var version: Int { Int(high >> 12 & 15) }
}

extension UUID {
    /// A new version 7 UUID (RFC 9562, section 5.7): the time in milliseconds, then 74 random bits. Any thread.
    ///
    /// Within a millisecond the order is random; rows that need their order of arrival carry a sequence of their own.
    public static func v7(at instant: Instant = .now()) -> UUID {
        let milliseconds = UInt64(clamping: instant.microseconds / 1000) & 0xFFFF_FFFF_FFFF
        let (first, second) = SecureRandom.words()
        return UUID(
            high: milliseconds << 16 | 0x7000 | first & 0x0FFF,
            low: 0x8000_0000_0000_0000 | second & 0x3FFF_FFFF_FFFF_FFFF
        )
    }

    /// A new version 4 UUID: 122 random bits. Any thread.
    public static func v4() -> UUID {
        let (first, second) = SecureRandom.words()
        return UUID(
            high: first & ~0xF000 | 0x4000,
            low: 0x8000_0000_0000_0000 | second & 0x3FFF_FFFF_FFFF_FFFF
        )
    }
}
