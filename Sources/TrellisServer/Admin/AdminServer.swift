import EventLoop
import Glibc

/// The admin port: probes and metrics over HTTP/1.1. No credential is asked for, so it shows no tenant's data and belongs
/// on an address that only the operator's machines reach.
final class AdminServer: Sendable {
    /// Connections that are open at the same time at most, a loop; more are closed at once.
    static let maximumConnections = 64
    /// How long a connection may last.
    static let patience = Duration.seconds(10)

    private let listener: Listener
    /// Where it listens.
    let address: SocketAddress

    /// Listens; `answer` is called on the loop of the connection.
    init(
        host: String,
        port: UInt16,
        group: EventLoopGroup,
        answer: @escaping @Sendable (AdminRequest) async -> AdminReply
    ) throws {
        let counts = LoopCounts(group)
        listener = try Listener(host: host, port: port, group: group) { descriptor, loop in
            guard counts.enter(loop) else {
                Glibc.close(descriptor)
                return
            }
            AdminConnection(descriptor, loop, answer) { counts.leave(loop) }.start()
        }
        address = listener.address
    }

    /// Begins to answer.
    func start() { listener.start() }

    /// Stops listening; what is being answered is answered.
    func close() { listener.close() }

    /// How many connections each loop has open.
    private final class LoopCounts: @unchecked Sendable {
        // @unchecked: each count is touched on its own loop only, and the array itself does not change.
        private let loops: [EventLoop]
        private let counts: UnsafeMutablePointer<Int>

        init(_ group: EventLoopGroup) {
            loops = group.loops
            counts = .allocate(capacity: loops.count)
            counts.initialize(repeating: 0, count: loops.count)
        }

        deinit { counts.deallocate() }

        func enter(_ loop: EventLoop) -> Bool {
            guard counts[position(loop)] < AdminServer.maximumConnections else { return false }
            counts[position(loop)] += 1
            return true
        }

        func leave(_ loop: EventLoop) { counts[position(loop)] -= 1 }

        private func position(_ loop: EventLoop) -> Int {
            loop.assertOnLoop()
            guard let position = loops.firstIndex(where: { $0 === loop }) else {
                preconditionFailure("a connection was dealt to a loop of another group")
            }
            return position
        }
    }
}

/// One connection to the admin port: reads a request's head, answers, closes.
private final class AdminConnection: @unchecked Sendable {
    // @unchecked: confined to its loop.
    private let descriptor: Int32
    private let loop: EventLoop
    private let answer: @Sendable (AdminRequest) async -> AdminReply
    private let onClosed: () -> Void
    private var watcher: FDWatcher?
    private var timer: LoopTimer?
    private var input: [UInt8] = []
    private var output: [UInt8] = []
    private var written = 0
    private var isAnswering = false
    private var isClosed = false

    init(
        _ descriptor: Int32,
        _ loop: EventLoop,
        _ answer: @escaping @Sendable (AdminRequest) async -> AdminReply,
        onClosed: @escaping () -> Void
    ) {
        self.descriptor = descriptor
        self.loop = loop
        self.answer = answer
        self.onClosed = onClosed
    }

    func start() {
        do {
            // The watcher and the timer hold the connection until it closes itself.
            watcher = try loop.watch(descriptor) { [self] readiness in
                if readiness.contains(.writable), !output.isEmpty { write() } else { read() }
            }
            watcher?.interest = .readable
            timer = loop.schedule(after: AdminServer.patience) { [self] in close() }
        } catch {
            close()
        }
    }

    private func read() {
        guard !isAnswering else { return close() }
        var buffer = [UInt8](repeating: 0, count: AdminRequest.maximumBytes)
        let count = Glibc.read(descriptor, &buffer, buffer.count)
        guard count > 0 else {
            if count < 0, errno == EAGAIN || errno == EINTR { return }
            return close()
        }
        input += buffer[..<count]
        switch AdminRequest.parse(input) {
        case .incomplete:
            return
        case .malformed:
            reply(AdminReply(status: "400 Bad Request", body: "this port speaks HTTP/1.1\n"), isHead: false)
        case .request(let request) where request.method != "GET" && request.method != "HEAD":
            reply(AdminReply(status: "405 Method Not Allowed", body: "GET or HEAD\n"), isHead: false)
        case .request(let request):
            isAnswering = true
            loop.startTask { [self] in
                let reply = await answer(request)
                self.reply(reply, isHead: request.method == "HEAD")
            }
        }
    }

    private func reply(_ reply: AdminReply, isHead: Bool) {
        guard !isClosed else { return }
        isAnswering = true
        output = reply.bytes(isHead: isHead)
        write()
    }

    private func write() {
        while written < output.count {
            let count = output.withUnsafeBytes {
                send(descriptor, $0.baseAddress.unsafelyUnwrapped + written, $0.count - written, Int32(MSG_NOSIGNAL))
            }
            if count < 0 {
                guard errno == EAGAIN else { return close() }
                watcher?.interest = .writable
                return
            }
            written += count
        }
        close()
    }

    private func close() {
        guard !isClosed else { return }
        isClosed = true
        watcher?.close()
        watcher = nil
        timer?.cancel()
        timer = nil
        Glibc.close(descriptor)
        onClosed()
    }
}
