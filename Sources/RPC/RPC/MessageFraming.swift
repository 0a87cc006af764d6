/// How gRPC puts messages into a body: a byte that says whether the message is compressed, its length in four bytes,
/// big-endian, and the message.
public enum MessageFraming {
    /// The bytes before each message.
    public static let prefixBytes = 5

    /// The size of the largest message that is taken where nothing else is said, in bytes: what gRPC's own
    /// implementations take.
    public static let standardMessageBytes = 4 * 1024 * 1024

    /// What stands at the front of a body.
    public enum Next: Equatable, Sendable {
        /// Not even a whole message.
        case incomplete
        /// A message of this length after the prefix.
        case message(length: Int, isCompressed: Bool)
        /// A message that is larger than allowed; this is what it claims to be.
        case tooLarge(length: Int)
        /// The first byte is neither 0 nor 1.
        case invalidFlag(UInt8)
    }

    /// Looks at the front of a body. A message that is too large is refused before it has arrived.
    public static func next(in body: UnsafeRawBufferPointer, limit: Int) -> Next {
        guard body.count >= prefixBytes else { return .incomplete }
        let flag = body[0]
        guard flag <= 1 else { return .invalidFlag(flag) }
        let length = Int(UInt32(bigEndian: body.loadUnaligned(fromByteOffset: 1, as: UInt32.self)))
        guard length <= limit else { return .tooLarge(length: length) }
        guard body.count - prefixBytes >= length else { return .incomplete }
        return .message(length: length, isCompressed: flag == 1)
    }

    /// Fills in the prefix of a message that was serialized with five bytes of room before it.
    public static func seal(_ framed: inout [UInt8], isCompressed: Bool = false) {
        precondition(framed.count >= prefixBytes, "no room was left for the prefix")
        let length = UInt32(framed.count - prefixBytes)
        framed.withUnsafeMutableBytes { bytes in
            bytes[0] = isCompressed ? 1 : 0
            bytes.storeBytes(of: length.bigEndian, toByteOffset: 1, as: UInt32.self)
        }
    }
}
