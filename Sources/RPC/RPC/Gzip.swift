internal import CZlib

/// Why bytes are not a message compressed with gzip.
public enum GzipError: Error, Equatable, Sendable {
    /// The message is larger than this many bytes.
    case tooLarge(limit: Int)
    /// The bytes are not gzip, or are damaged; the text is the library's.
    case corrupt(String)
    /// The bytes end before the message does.
    case truncated
}

/// Compresses and decompresses messages with gzip (RFC 1952), one at a time.
///
/// One for each loop: what the library keeps for a direction is made when it is first needed and used again, 256 KiB for
/// compressing and 40 KiB for decompressing. Confined to its loop.
public final class GzipCodec: @unchecked Sendable {
    // @unchecked: confined to its loop.

    /// The name of the encoding in grpc-encoding and content-encoding.
    public static let name: StaticString = "gzip"

    /// Bytes that the library hands over at a time.
    private static let pieceBytes = 16 * 1024
    /// Level 1: of the demo data, 64 KB at a time, it makes 36 % at 82 MB/s; zlib's usual level 6 makes 29 % at 23 MB/s.
    private static let level: Int32 = 1
    /// The largest window, and 16 for gzip's header and check sum.
    private static let windowBits: Int32 = 15 + 16
    /// What zlib itself chooses: 128 KiB of state beside the window's.
    private static let memoryLevel: Int32 = 8

    // The library's state points back at its stream, which therefore must not move.
    private var deflater: UnsafeMutablePointer<z_stream>?
    private var inflater: UnsafeMutablePointer<z_stream>?
    private let piece = UnsafeMutablePointer<UInt8>.allocate(capacity: pieceBytes)

    /// A codec that has no state yet.
    public init() {}

    deinit {
        if let deflater {
            deflateEnd(deflater)
            deflater.deallocate()
        }
        if let inflater {
            inflateEnd(inflater)
            inflater.deallocate()
        }
        piece.deallocate()
    }

    // MARK: Out

    /// Compresses what follows the first `prefix` bytes.
    ///
    /// - Returns: as much room for a prefix, all zero, and the compressed bytes; nil when they are not fewer.
    public func compress(_ framed: [UInt8], prefix: Int = 0) -> [UInt8]? {
        precondition(prefix >= 0 && prefix <= framed.count, "the prefix is longer than the bytes")
        let stream = readyDeflater()
        let largest = framed.count - prefix - 1
        var output = [UInt8](repeating: 0, count: prefix)
        let isSmaller = framed.withUnsafeBufferPointer { source in
            // The library takes a pointer to what it only reads.
            stream.pointee.next_in = UnsafeMutablePointer(mutating: source.baseAddress.map { $0 + prefix })
            stream.pointee.avail_in = UInt32(source.count - prefix)
            while true {
                stream.pointee.next_out = piece
                stream.pointee.avail_out = UInt32(Self.pieceBytes)
                let code = deflate(stream, Z_FINISH)
                let count = Self.pieceBytes - Int(stream.pointee.avail_out)
                guard output.count - prefix + count <= largest else { return false }
                output.append(contentsOf: UnsafeBufferPointer(start: piece, count: count))
                if code == Z_STREAM_END { return true }
                precondition(code == Z_OK || code == Z_BUF_ERROR, "deflate fails only when it is misused: \(code)")
            }
        }
        forgetBuffers(stream)
        return isSmaller ? output : nil
    }

    private func readyDeflater() -> UnsafeMutablePointer<z_stream> {
        if let deflater {
            deflateReset(deflater)
            return deflater
        }
        let stream = Self.newStream()
        let code = deflateInit2_(
            stream,
            Self.level,
            Z_DEFLATED,
            Self.windowBits,
            Self.memoryLevel,
            Z_DEFAULT_STRATEGY,
            ZLIB_VERSION,
            Int32(MemoryLayout<z_stream>.size)
        )
        precondition(code == Z_OK, "zlib has no memory for compressing, or is another version: \(code)")
        deflater = stream
        return stream
    }

    // MARK: In

    /// Decompresses a message: one gzip member or several after another, which together are one message (RFC 1952,
    /// section 2.2), and nothing after the last.
    ///
    /// Memory is taken as the message grows, never because its header claims a size.
    ///
    /// - Parameter limit: bytes of the message at most.
    public func decompress(_ bytes: UnsafeRawBufferPointer, limit: Int) throws(GzipError) -> [UInt8] {
        precondition(bytes.count <= UInt32.max, "a message's length has 32 bits")
        let stream = readyInflater()
        defer { forgetBuffers(stream) }
        let source = bytes.assumingMemoryBound(to: UInt8.self).baseAddress
        stream.pointee.next_in = source.map { UnsafeMutablePointer(mutating: $0) }
        stream.pointee.avail_in = UInt32(bytes.count)
        var message: [UInt8] = []
        while true {
            stream.pointee.next_out = piece
            stream.pointee.avail_out = UInt32(Self.pieceBytes)
            let code = inflate(stream, Z_NO_FLUSH)
            let count = Self.pieceBytes - Int(stream.pointee.avail_out)
            guard message.count + count <= limit else { throw .tooLarge(limit: limit) }
            message.append(contentsOf: UnsafeBufferPointer(start: piece, count: count))
            switch code {
            case Z_OK: continue
            case Z_STREAM_END:
                guard stream.pointee.avail_in > 0 else { return message }
                inflateReset(stream)
            case Z_BUF_ERROR: throw .truncated
            case Z_MEM_ERROR: preconditionFailure("zlib has no memory for decompressing")
            default: throw .corrupt(stream.pointee.msg.map { String(cString: $0) } ?? "not gzip")
            }
        }
    }

    private func readyInflater() -> UnsafeMutablePointer<z_stream> {
        if let inflater {
            inflateReset(inflater)
            return inflater
        }
        let stream = Self.newStream()
        let code = inflateInit2_(stream, Self.windowBits, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        precondition(code == Z_OK, "zlib has no memory for decompressing, or is another version: \(code)")
        inflater = stream
        return stream
    }

    // MARK: The library's streams

    private static func newStream() -> UnsafeMutablePointer<z_stream> {
        let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        stream.initialize(to: z_stream())
        return stream
    }

    /// Leaves no pointer behind to bytes that are not ours.
    private func forgetBuffers(_ stream: UnsafeMutablePointer<z_stream>) {
        stream.pointee.next_in = nil
        stream.pointee.avail_in = 0
        stream.pointee.next_out = nil
        stream.pointee.avail_out = 0
    }
}
