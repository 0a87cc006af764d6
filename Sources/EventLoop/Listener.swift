internal import CUV
internal import Glibc

/// A listening TCP socket whose connections are dealt out round-robin to the loops of a group.
///
/// The first loop of the group accepts. Confined to it, but for `address`.
public final class Listener: @unchecked Sendable {
    /// How many connections the kernel keeps for us to accept.
    static let backlogMax: Int32 = 1024
    /// How many connections are accepted in one turn, so that a flood of them does not starve the open ones.
    static let acceptsPerTurnMax = 64
    /// How long accepting pauses when the process or the system is out of descriptors.
    static let pauseWhenExhausted = Duration.milliseconds(100)

    /// The address that the socket is bound to; the port is the real one where 0 was asked for.
    public let address: SocketAddress

    private let descriptor: Int32
    private let group: EventLoopGroup
    private let acceptor: EventLoop
    private let onAccept: @Sendable (Int32, EventLoop) -> Void
    private var watcher: FDWatcher?
    private var pause: LoopTimer?
    private var isClosed = false

    /// Binds and listens; connections come once `start()` was called.
    ///
    /// - Parameters:
    ///   - host: a name or a numeric address, IPv4 or IPv6.
    ///   - port: 0 picks a free one.
    ///   - onAccept: called on the loop that the connection was dealt to; it owns the non-blocking descriptor.
    /// - Throws: `EventLoopError.address` when the host cannot be resolved, `.system` when it cannot be bound.
    public init(
        host: String,
        port: UInt16,
        group: EventLoopGroup,
        onAccept: @escaping @Sendable (Int32, EventLoop) -> Void
    ) throws(EventLoopError) {
        let (descriptor, address) = try Self.bind(host: host, port: port)
        self.descriptor = descriptor
        self.address = address
        self.group = group
        acceptor = group.loops[0]
        self.onAccept = onAccept
    }

    /// Begins to accept. Any thread.
    public func start() {
        acceptor.submit { [self] in
            guard !isClosed, watcher == nil else { return }
            do throws(EventLoopError) {
                let watcher = try acceptor.watch(descriptor) { [weak self] _ in self?.acceptPending() }
                watcher.interest = .readable
                self.watcher = watcher
            } catch {
                preconditionFailure("an open listening socket can be watched: \(error)")
            }
        }
    }

    /// Stops accepting and closes the socket; connections that were accepted stay. Any thread.
    public func close() {
        acceptor.submit { [self] in
            if isClosed { return }
            isClosed = true
            pause?.cancel()
            watcher?.close()
            watcher = nil
            Glibc.close(descriptor)
        }
    }

    private func acceptPending() {
        for _ in 0..<Self.acceptsPerTurnMax {
            let connection = accept4(descriptor, nil, nil, Int32(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue))
            if connection >= 0 {
                deal(connection)
                continue
            }
            switch errno {
            case EAGAIN: return
            case EMFILE, ENFILE, ENOBUFS, ENOMEM:
                // Level-triggered: without a pause the loop would spin until somebody closes a descriptor.
                watcher?.interest = []
                pause = acceptor.schedule(after: Self.pauseWhenExhausted) { [weak self] in
                    self?.watcher?.interest = .readable
                }
                return
            default: continue  // That connection was gone before it was accepted (accept(2), "Error handling").
            }
        }
    }

    private func deal(_ connection: Int32) {
        var on: Int32 = 1
        // Replies are written once a turn, whole; waiting for more would only add delay.
        setsockopt(connection, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
        let loop = group.next()
        let onAccept = onAccept
        if loop.isOnLoop {
            onAccept(connection, loop)
        } else {
            loop.submit { onAccept(connection, loop) }
        }
    }

    private static func bind(host: String, port: UInt16) throws(EventLoopError) -> (Int32, SocketAddress) {
        var lastError = EventLoopError.address("\(host) has no address")
        for candidate in try SocketAddress.resolve(host: host, port: port, toListen: true) {
            let kind = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
            let descriptor = socket(Int32(candidate.family), kind, 0)
            guard descriptor >= 0 else {
                lastError = .system(operation: "socket for \(candidate)", code: -errno)
                continue
            }
            var on: Int32 = 1
            setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
            let bound = candidate.bind(descriptor)
            if bound == 0, listen(descriptor, backlogMax) == 0 {
                return (descriptor, SocketAddress(localOf: descriptor) ?? candidate)
            }
            lastError = .system(operation: "listen on \(candidate)", code: -errno)
            Glibc.close(descriptor)
        }
        throw lastError
    }
}
