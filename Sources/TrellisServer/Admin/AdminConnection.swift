import EventLoop
import Glibc

/// One connection to the admin port: reads a request, answers, closes.
final class AdminConnection: @unchecked Sendable {
    // @unchecked: confined to its loop.
    private let descriptor: Int32
    private let part: AdminLoop
    private var watcher: FDWatcher?
    private var timer: LoopTimer?
    private var phase = Phase.head([])
    private var bridge: RPCBridge?
    private var isHead = false
    /// Whether the answer has come before the whole request.
    private var hasMore = false
    private var output: [UInt8] = []
    private var written = 0

    private enum Phase {
        /// The head comes, so far these bytes.
        case head([UInt8])
        /// The body of a call comes.
        case body(BodyReader)
        /// The request is whole, and is being answered.
        case answering
        /// The answer has been written, and what the peer still sends is read over, so that it gets to see the answer.
        case lingering
        case closed
    }

    init(_ descriptor: Int32, _ part: AdminLoop) {
        self.descriptor = descriptor
        self.part = part
    }

    func start() {
        do {
            // The watcher and the timer hold the connection until it closes itself.
            watcher = try part.loop.watch(descriptor) { [self] readiness in
                if readiness.contains(.writable), written < output.count { write() } else { read() }
            }
            watcher?.interest = .readable
            setTimer(AdminServer.patience)
        } catch {
            close()
        }
    }

    private func setTimer(_ patience: Duration) {
        timer?.cancel()
        timer = part.loop.schedule(after: patience) { [self] in close() }
    }

    // MARK: In

    private func read() {
        var buffer = [UInt8](repeating: 0, count: AdminRequest.maximumBytes)
        let count = Glibc.read(descriptor, &buffer, buffer.count)
        guard count > 0 else {
            if count < 0, errno == EAGAIN || errno == EINTR { return }
            return close()
        }
        switch phase {
        case .head(let before): takeHead(before + buffer[..<count])
        case .body(let reader): takeBody(reader, buffer[..<count])
        // One request a connection: what follows is nobody's.
        case .answering, .lingering, .closed: break
        }
    }

    private func takeHead(_ input: [UInt8]) {
        phase = .head(input)
        switch AdminRequest.parse(input) {
        case .incomplete: break
        case .malformed: reply(AdminReply(status: "400 Bad Request", body: "this port speaks HTTP/1.1\n"))
        case .request(let request):
            isHead = request.method == "HEAD"
            if request.isCall { beginCall(request, input[request.headBytes...]) } else { answer(request) }
        }
    }

    private func answer(_ request: AdminRequest) {
        guard request.method == "GET" || isHead else {
            return reply(AdminReply(status: "405 Method Not Allowed", body: "GET or HEAD\n"))
        }
        phase = .answering
        part.loop.startTask { [self] in reply(await part.answer(request)) }
    }

    private func takeBody(_ before: BodyReader, _ bytes: ArraySlice<UInt8>) {
        guard let bridge else { return }
        var reader = before
        do {
            let body = try reader.take(bytes)
            phase = .body(reader)
            bridge.send(body)
        } catch {
            return reply(AdminReply(status: "400 Bad Request", body: "the body is not as it was announced\n"))
        }
        if reader.isAtEnd {
            phase = .answering
            // The call has a deadline of its own, if any; while it lasts, its caller may only go away.
            timer?.cancel()
            bridge.finish()
        } else if bridge.isFull {
            watcher?.interest = []
        }
    }

    // MARK: Calls

    private func beginCall(_ request: AdminRequest, _ rest: ArraySlice<UInt8>) {
        guard request.body != .unclear else {
            return reply(AdminReply(status: "400 Bad Request", body: "the length of the body is unclear\n"))
        }
        let type = request.values("content-type").first ?? ""
        guard !type.lowercased().hasPrefix("application/grpc") else {
            return reply(AdminReply(status: "415 Unsupported Media Type", body: "gRPC needs HTTP/2\n"))
        }
        guard part.enterCall() else { return reply(Self.busy) }
        let bridge = RPCBridge(
            request,
            peer: SocketAddress(peerOf: descriptor)?.description ?? "unknown",
            on: part.loop,
            part.rpc,
            part.buffers,
            onDrained: { [weak self] in self?.watcher?.interest = .readable },
            onReply: { [weak self] in self?.reply($0) }
        )
        guard let bridge else {
            part.leaveCall()
            return reply(Self.busy)
        }
        self.bridge = bridge
        setTimer(AdminServer.bodyPatience)
        if expectsContinue(request) { sendContinue() }
        takeBody(BodyReader(request.body), rest)
    }

    private static let busy = AdminReply.unavailable(
        "{\"code\":\"unavailable\",\"message\":\"the server takes no more calls on this port now: try again\"}",
        isJSON: true
    )

    /// Whether the caller waits to hear that it may send the body (RFC 9110, section 10.1.1). One that is too large is
    /// answered, and never sent.
    private func expectsContinue(_ request: AdminRequest) -> Bool {
        guard request.isHTTP11, request.values("expect").contains(where: { $0.lowercased() == "100-continue" }) else {
            return false
        }
        if case .bytes(let count) = request.body { return count > 0 && count <= part.messageBytes }
        return true
    }

    private func sendContinue() {
        let line = Array("HTTP/1.1 100 Continue\r\n\r\n".utf8)
        // Nothing has been written yet, so that it fits; if the peer is gone, the next read says so.
        _ = line.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
    }

    private func endCall() {
        guard let bridge else { return }
        self.bridge = nil
        bridge.cancel()
        part.leaveCall()
    }

    // MARK: Out

    private func reply(_ reply: AdminReply) {
        if case .closed = phase { return }
        guard output.isEmpty else { return }
        if case .answering = phase { hasMore = false } else { hasMore = true }
        endCall()
        setTimer(AdminServer.patience)
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
        guard hasMore else { return close() }
        // Closed with something unread, the socket would be reset, and the answer lost.
        phase = .lingering
        shutdown(descriptor, Int32(SHUT_WR))
        watcher?.interest = .readable
    }

    private func close() {
        if case .closed = phase { return }
        phase = .closed
        endCall()
        watcher?.close()
        watcher = nil
        timer?.cancel()
        timer = nil
        Glibc.close(descriptor)
        part.left()
    }
}
