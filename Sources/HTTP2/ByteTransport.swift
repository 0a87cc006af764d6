internal import EventLoop
internal import Glibc

/// What a read brought.
public enum ReadOutcome: Equatable, Sendable {
    /// This many bytes, more than zero.
    case bytes(Int)
    /// Nothing now.
    case wouldBlock
    /// The peer will send nothing more.
    case ended
    /// The transport cannot be used any more.
    case failed(HTTP2Error)
}

/// What became of a write.
public enum WriteOutcome: Equatable, Sendable {
    /// This many bytes were taken, perhaps fewer than offered, perhaps none.
    case bytes(Int)
    /// The transport cannot be used any more.
    case failed(HTTP2Error)
}

/// A two-way stream of bytes that never blocks: a socket, or TLS over one.
///
/// The connection watches ``descriptor``, calls ``read(into:)`` when it is readable and ``write(_:)`` when there is
/// something to send. A transport with a handshake of its own is not ``isEstablished`` at first: until it is, reads bring
/// nothing, and only empty writes come, with which it goes on. One that needs the socket to be writable for its own sake
/// says so with ``wantsWritable``, and is then read from when it is. Confined to one loop.
public protocol ByteTransport: AnyObject {
    /// The descriptor to watch; nil when there is none (tests).
    var descriptor: Int32? { get }
    /// Whether the transport itself waits until it can write, and its reads with it.
    var wantsWritable: Bool { get }
    /// Whether its writes wait until it has read something.
    var wantsReadable: Bool { get }
    /// Whether its handshake is done, so that bytes can flow. Once it is, it stays so.
    var isEstablished: Bool { get }
    /// Whether it takes more from the descriptor than it gives away at once, so that ``hasInput`` has to be asked.
    var keepsInput: Bool { get }
    /// Whether a read would bring something of which the descriptor does not tell: bytes, or the end.
    var hasInput: Bool { get }
    /// Who the peer has proved to be; nil when it has not. Made when first asked for.
    var peerIdentity: PeerIdentity? { get }
    /// The address of the peer, such as "127.0.0.1:50312"; for logs, made when asked for.
    var peer: String { get }
    /// Reads what is there, at most as much as fits.
    func read(into buffer: UnsafeMutableRawBufferPointer) -> ReadOutcome
    /// Writes as much as is taken now.
    func write(_ bytes: UnsafeRawBufferPointer) -> WriteOutcome
    /// Closes the transport and its descriptor. Called once.
    func close()
}

// A transport without a handshake, a memory and proofs need not mention them.
extension ByteTransport {
    /// At once: there is no handshake.
    public var isEstablished: Bool { true }
    /// A write waits for nothing but room.
    public var wantsReadable: Bool { false }
    /// It keeps nothing.
    public var keepsInput: Bool { false }
    /// Nothing is kept.
    public var hasInput: Bool { false }
    /// Nobody proves anything.
    public var peerIdentity: PeerIdentity? { nil }
}

/// A TCP or Unix socket, as it is.
public final class SocketTransport: ByteTransport {
    private let socket: Int32

    /// Takes over a connected, non-blocking socket. SIGPIPE is ignored by whoever has an event loop.
    public init(socket: Int32) {
        self.socket = socket
    }

    /// The socket.
    public var descriptor: Int32? { socket }

    /// Never: a socket has nothing to say for itself.
    public var wantsWritable: Bool { false }

    /// The numeric address and port of the other end, or "unknown" when it is gone.
    public var peer: String { SocketAddress(peerOf: socket)?.description ?? "unknown" }

    /// Reads what the kernel has.
    public func read(into buffer: UnsafeMutableRawBufferPointer) -> ReadOutcome {
        while true {
            let count = Glibc.read(socket, buffer.baseAddress, buffer.count)
            if count > 0 { return .bytes(count) }
            if count == 0 { return .ended }
            switch errno {
            case EINTR: continue
            case EAGAIN: return .wouldBlock
            case let code: return .failed(.socket(code))
            }
        }
    }

    /// Gives the kernel as much as it takes.
    public func write(_ bytes: UnsafeRawBufferPointer) -> WriteOutcome {
        guard bytes.count > 0 else { return .bytes(0) }
        while true {
            let count = Glibc.write(socket, bytes.baseAddress, bytes.count)
            if count >= 0 { return .bytes(count) }
            switch errno {
            case EINTR: continue
            case EAGAIN: return .bytes(0)
            case let code: return .failed(.socket(code))
            }
        }
    }

    /// Closes the socket.
    public func close() {
        _ = Glibc.close(socket)
    }
}
