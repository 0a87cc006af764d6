import EventLoop
import Glibc
import RPCServer
import Testing

/// A peer that writes whatever it likes and reads frames: the other end of a socket without any protocol in between.
final class RawPeer {
    /// A frame as it stands on the wire.
    struct Frame {
        var type: UInt8
        var flags: UInt8
        var stream: UInt32
        var payload: [UInt8]

        /// The error code of RST_STREAM or GOAWAY.
        var errorCode: UInt32 {
            let code = type == 7 ? payload.dropFirst(4).prefix(4) : payload.prefix(4)
            return code.reduce(0) { $0 << 8 | UInt32($1) }
        }
    }

    static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

    private let descriptor: Int32
    private var buffer: [UInt8] = []
    private var passedOver: [Frame] = []
    private(set) var isClosed = false
    /// How long it waits for the other side, in milliseconds.
    private let patience: Int32

    init(_ address: String, receiveBuffer: Int32? = nil) throws {
        let port = try #require(address.split(separator: ":").last.flatMap { UInt16($0) })
        let resolved = try SocketAddress.resolve(host: "127.0.0.1", port: port)
        descriptor = try ClientSocket.connect(to: try #require(resolved.first)).descriptor
        patience = 5000
        try waitFor(Int16(POLLOUT))
    }

    /// The server's side of a connection that was accepted.
    init(accepted descriptor: Int32) {
        self.descriptor = descriptor
        // A client that is a test waits for its turn on a busy machine.
        patience = 30_000
    }

    deinit { close(descriptor) }

    /// Preface and empty settings.
    func greet() throws {
        try write(Self.preface + Self.frame(4, 0, 0, []))
    }

    /// Takes a client's preface, and answers with settings.
    func welcome(_ settings: [UInt8] = []) {
        while buffer.count < Self.preface.count { guard readMore() else { return } }
        buffer.removeFirst(Self.preface.count)
        put(Self.frame(4, 0, 0, settings))
    }

    /// Waits for a request's header list.
    ///
    /// - Returns: its stream; nil when the client is gone.
    func nextCall() -> UInt32? { read { $0.type == 1 }?.stream }

    /// Answers with a header list.
    func head(_ stream: UInt32, _ fields: [(String, String)] = [], ends: Bool = false) {
        let standard = [(":status", "200"), ("content-type", "application/grpc")]
        let block = Self.headerBlock(fields.contains { $0.0 == ":status" } ? fields : standard + fields)
        put(Self.frame(1, ends ? 5 : 4, stream, block))
    }

    /// Answers with a message.
    func message(_ stream: UInt32, _ text: String) {
        put(Self.frame(0, 0, stream, [0, 0, 0, 0, UInt8(text.utf8.count)] + Array(text.utf8)))
    }

    /// Ends an answer that has begun.
    func trailers(_ stream: UInt32, _ status: Int = 0, _ more: [(String, String)] = []) {
        put(Self.frame(1, 5, stream, Self.headerBlock([("grpc-status", "\(status)")] + more)))
    }

    /// Answers with a status and nothing else.
    func refuse(_ stream: UInt32, _ status: Int, _ more: [(String, String)] = []) {
        head(stream, [("grpc-status", "\(status)")] + more, ends: true)
    }

    /// Answers as a server does that is well.
    func answer(_ stream: UInt32, _ text: String) {
        head(stream)
        message(stream, text)
        trailers(stream)
    }

    /// Ends a stream with an error code.
    func reset(_ stream: UInt32, _ code: UInt8) {
        put(Self.frame(3, 0, stream, [0, 0, 0, code]))
    }

    /// Says goodbye.
    func goAway(_ last: UInt8, _ code: UInt8 = 0, _ text: String = "") {
        put(Self.frame(7, 0, 0, [0, 0, 0, last, 0, 0, 0, code] + Array(text.utf8)))
    }

    /// Writes all of it, or as much as the server takes within a second or until it closes.
    @discardableResult
    func write(_ bytes: [UInt8]) throws -> Int { put(bytes) }

    @discardableResult
    func put(_ bytes: [UInt8]) -> Int {
        var written = 0
        while written < bytes.count {
            let count = bytes[written...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                written += count
            } else if errno == EAGAIN {
                guard wait(Int16(POLLOUT), milliseconds: 1000) else { return written }
            } else {
                return written
            }
        }
        return written
    }

    /// Takes the first frame that is wanted, of those that came before and were not, or else that come; nil when the
    /// connection ends, or nothing comes for so long.
    func read(until isWanted: (Frame) -> Bool) -> Frame? {
        if let index = passedOver.firstIndex(where: isWanted) { return passedOver.remove(at: index) }
        while true {
            while let frame = takeFrame() {
                if isWanted(frame) { return frame }
                passedOver.append(frame)
            }
            guard !isClosed, readMore() else { return nil }
        }
    }

    /// Whether the server closes the connection within 5 s; what it says before is dropped.
    func waitForClose() -> Bool {
        while !isClosed { if !readMore() { break } }
        return isClosed
    }

    private func readMore() -> Bool {
        guard wait(Int16(POLLIN), milliseconds: patience) else { return false }
        var chunk = [UInt8](repeating: 0, count: 65_536)
        let count = Glibc.read(descriptor, &chunk, chunk.count)
        guard count > 0 else {
            isClosed = count == 0 || errno != EAGAIN
            return !isClosed
        }
        buffer.append(contentsOf: chunk[..<count])
        return true
    }

    private func takeFrame() -> Frame? {
        guard buffer.count >= 9 else { return nil }
        let length = Int(buffer[0]) << 16 | Int(buffer[1]) << 8 | Int(buffer[2])
        guard buffer.count >= 9 + length else { return nil }
        defer { buffer.removeFirst(9 + length) }
        let stream = buffer[5..<9].reduce(0) { $0 << 8 | UInt32($1) }
        return Frame(type: buffer[3], flags: buffer[4], stream: stream, payload: Array(buffer[9..<9 + length]))
    }

    private func wait(_ events: Int16, milliseconds: Int32) -> Bool {
        var entry = pollfd(fd: descriptor, events: events, revents: 0)
        return poll(&entry, 1, milliseconds) > 0
    }

    private func waitFor(_ events: Int16) throws {
        try #require(wait(events, milliseconds: 5000), "the server does not answer")
    }

    // MARK: Frames

    static func frame(_ type: UInt8, _ flags: UInt8, _ stream: UInt32, _ payload: [UInt8]) -> [UInt8] {
        let length = payload.count
        let head: [UInt8] = [
            UInt8(length >> 16), UInt8(length >> 8 & 255), UInt8(length & 255), type, flags,
            UInt8(stream >> 24), UInt8(stream >> 16 & 255), UInt8(stream >> 8 & 255), UInt8(stream & 255),
        ]
        return head + payload
    }

    /// A header list, each field as a literal that is not indexed (RFC 7541, section 6.2.2).
    static func headerBlock(_ fields: [(String, String)]) -> [UInt8] {
        fields.flatMap { name, value in [0] + literal(name) + literal(value) }
    }

    private static func literal(_ text: String) -> [UInt8] {
        let bytes = Array(text.utf8)
        guard bytes.count >= 127 else { return [UInt8(bytes.count)] + bytes }
        var length: [UInt8] = [127]
        var rest = bytes.count - 127
        while rest > 127 {
            length.append(UInt8(rest & 127 | 128))
            rest >>= 7
        }
        return length + [UInt8(rest)] + bytes
    }

    /// The header list of a good call.
    static func callHeaders(_ method: String, more: [(String, String)] = []) -> [UInt8] {
        headerBlock(
            [
                (":method", "POST"), (":scheme", "http"), (":path", "/test.Control/\(method)"),
                (":authority", "localhost"), ("te", "trailers"), ("content-type", "application/grpc"),
            ] + more
        )
    }
}
