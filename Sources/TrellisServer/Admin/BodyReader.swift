/// Takes the body of a request in HTTP/1.1 out of what arrives (RFC 9112, sections 6 and 7). How much there may be is for
/// whoever takes the body to say.
struct BodyReader {
    /// Bytes of a line that tells a chunk's size, at most, with its extensions.
    static let sizeLineBytes = 256
    /// Bytes of the fields after the last chunk, at most; they are read over.
    static let trailerBytes = 8192

    /// Bytes that are no body as it was announced.
    struct Malformed: Error {}

    private enum State {
        case bytes(Int)
        case size([UInt8])
        case chunk(Int)
        /// The end of the line after a chunk.
        case chunkEnd
        /// The fields after the last chunk: how many bytes there were, and whether the line that has begun is empty so far.
        case trailers(count: Int, isEmptyLine: Bool)
        case end
    }

    private var state: State

    /// A reader at the beginning of a body.
    init(_ body: AdminRequest.Body) {
        switch body {
        case .bytes(let count): state = count == 0 ? .end : .bytes(count)
        case .chunked: state = .size([])
        case .unclear: preconditionFailure("such a request is refused")
        }
    }

    /// Whether the body is whole.
    var isAtEnd: Bool {
        if case .end = state { return true }
        return false
    }

    /// Takes what has arrived; what comes after the end is dropped, because nothing may follow here.
    ///
    /// - Returns: the bytes of the body among it.
    mutating func take(_ bytes: some Collection<UInt8>) throws(Malformed) -> [UInt8] {
        var rest = Array(bytes)[...]
        var body: [UInt8] = []
        while let byte = rest.first {
            switch state {
            case .bytes(let left), .chunk(let left):
                let part = rest.prefix(left)
                body += part
                rest = rest.dropFirst(part.count)
                state = after(left - part.count)
            case .size(let line):
                rest = rest.dropFirst()
                guard byte == UInt8(ascii: "\n") else {
                    guard line.count < Self.sizeLineBytes else { throw Malformed() }
                    state = .size(line + [byte])
                    continue
                }
                let size = try size(line)
                state = size == 0 ? .trailers(count: 0, isEmptyLine: true) : .chunk(size)
            case .chunkEnd:
                rest = rest.dropFirst()
                switch byte {
                case UInt8(ascii: "\r"): continue
                case UInt8(ascii: "\n"): state = .size([])
                default: throw Malformed()
                }
            case .trailers(let count, let isEmptyLine):
                rest = rest.dropFirst()
                guard count < Self.trailerBytes else { throw Malformed() }
                switch byte {
                case UInt8(ascii: "\n") where isEmptyLine: state = .end
                case UInt8(ascii: "\n"): state = .trailers(count: count + 1, isEmptyLine: true)
                case UInt8(ascii: "\r"): state = .trailers(count: count + 1, isEmptyLine: isEmptyLine)
                default: state = .trailers(count: count + 1, isEmptyLine: false)
                }
            case .end: return body
            }
        }
        return body
    }

    private func after(_ left: Int) -> State {
        if case .chunk = state { return left == 0 ? .chunkEnd : .chunk(left) }
        return left == 0 ? .end : .bytes(left)
    }

    /// The size that a line tells in hexadecimal, before its extensions.
    private func size(_ line: [UInt8]) throws(Malformed) -> Int {
        let digits = line.prefix { $0 != UInt8(ascii: ";") && $0 != UInt8(ascii: "\r") && $0 != 0x20 && $0 != 0x09 }
        let isHex = digits.allSatisfy { byte in
            (48...57).contains(byte) || (65...70).contains(byte) || (97...102).contains(byte)
        }
        guard (1...12).contains(digits.count), isHex, let size = Int(String(decoding: digits, as: UTF8.self), radix: 16)
        else { throw Malformed() }
        return size
    }
}
