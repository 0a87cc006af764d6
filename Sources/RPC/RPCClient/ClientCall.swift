internal import EventLoop
internal import HTTP2
internal import RPC

/// One call on its way: from being queued for a connection to its status. Confined to the channel's loop.
final class ClientCall: @unchecked Sendable {
    // @unchecked: confined to its loop.
    let path: String
    let options: CallOptions
    let messageBytes: Int
    /// When the call must be over, on the loop's clock.
    let deadline: UInt64?

    /// What came before the first message.
    private(set) var metadata = Metadata()
    /// What came with the status.
    private(set) var trailers = Metadata()
    /// Whether the server cannot have seen the call, so that it may be sent again whatever it does.
    private(set) var isUnseen = true

    private unowned let loop: EventLoop
    private var stream: HTTP2Stream?
    /// What is to be sent once there is a stream.
    private var queued: [[UInt8]] = []
    private var requestEnded = false
    private var headersSeen = false
    private var outcome: Status?
    /// Whether the reader has been told of the outcome.
    private var isDelivered = false
    private var timer: LoopTimer?
    private var reader: ((Result<[UInt8]?, RPCError>) -> Void)?
    private var writer: (() -> Void)?

    init(path: String, options: CallOptions, messageBytes: Int, deadline: UInt64?, loop: EventLoop) {
        self.path = path
        self.options = options
        self.messageBytes = messageBytes
        self.deadline = deadline
        self.loop = loop
    }

    var isFinished: Bool { outcome != nil }

    /// Starts the clock of the call.
    func startTimer() {
        guard let deadline, timer == nil else { return }
        let now = loop.now
        timer = loop.schedule(after: .nanoseconds(deadline > now ? Int64(deadline - now) : 0)) { [self] in
            stop(Status(.deadlineExceeded, "the call took longer than its timeout"))
        }
    }

    // MARK: Sending

    /// Sends a message that has its prefix.
    func send(_ framed: [UInt8]) {
        guard outcome == nil else { return }
        if let stream { stream.send(framed) } else { queued.append(framed) }
    }

    /// Calls `body` when there is room for another message, or the call is over.
    func whenWritable(_ body: @escaping () -> Void) {
        guard let stream, outcome == nil, stream.isFull else { return body() }
        precondition(writer == nil, "two tasks send on one call")
        writer = body
    }

    func endRequest() {
        guard !requestEnded, outcome == nil else { return }
        requestEnded = true
        stream?.finish()
    }

    /// Sends what is queued on a stream of a connection.
    func attach(_ stream: HTTP2Stream) {
        self.stream = stream
        isUnseen = false
        stream.attachment = self
        for framed in queued { stream.send(framed) }
        queued = []
        if requestEnded { stream.finish() }
    }

    // MARK: Receiving

    /// Calls `body` with the next message, with nil after the last one, or with why there is none.
    func next(_ body: @escaping (Result<[UInt8]?, RPCError>) -> Void) {
        precondition(reader == nil, "two tasks read from one call")
        reader = body
        deliver()
    }

    func handle(_ events: HTTP2Stream.Events, connectionLost: HTTP2Error?) {
        guard let stream, outcome == nil else { return }
        if events.contains(.headers) { readHeaders(stream) }
        if outcome == nil, events.contains(.ended) { readStatus(stream) }
        if outcome == nil, events.contains(.closed) {
            finish(Self.status(of: stream.errorCode, connectionLost))
            isUnseen = stream.errorCode == .refusedStream
        }
        if events.contains(.drained) || isFinished { wakeWriter() }
        deliver()
    }

    private func readHeaders(_ stream: HTTP2Stream) {
        headersSeen = true
        metadata = Metadata(stream.headers)
        let status = metadata.first(":status") ?? ""
        guard status == "200" else { return stop(Self.status(ofHTTP: status)) }
        let isGRPC = metadata.withValue("content-type") { $0?.starts(with: "application/grpc".utf8) ?? false }
        guard isGRPC else {
            let type = metadata.first("content-type") ?? "nothing"
            return stop(Status(.unknown, "the server answered with content-type \(type), not application/grpc"))
        }
        if let encoding = metadata.first("grpc-encoding"), encoding != "identity" {
            stop(Status(.internal, "the server compresses with \(encoding), which it was not offered"))
        }
        if stream.headersTooLarge { stop(Self.tooMuchMetadata) }
    }

    private func readStatus(_ stream: HTTP2Stream) {
        guard !stream.headersTooLarge else { return stop(Self.tooMuchMetadata) }
        // A call that fails before its first message has its status in the one header list that there is.
        let fields = stream.trailers.isEmpty ? stream.headers : stream.trailers
        trailers = Metadata(fields)
        let number = trailers.first("grpc-status").flatMap { Int($0) }
        guard let number else {
            return finish(Status(.unknown, "the server ended the call without a status"))
        }
        let message = trailers.withValue("grpc-message") { $0.map(PercentCoding.decode) ?? "" }
        let details = trailers.bytes("grpc-status-details-bin") ?? []
        finish(Status(StatusCode(rawValue: number) ?? .unknown, message, details: details))
    }

    /// Gives the reader what there is for it.
    private func deliver() {
        guard let reader else { return }
        if let stream {
            let next = MessageFraming.next(in: stream.inbound.bytes, limit: messageBytes)
            switch next {
            case .message(let length, isCompressed: false):
                let message = Array(stream.inbound.bytes[5..<5 + length])
                stream.inbound.consume(MessageFraming.prefixBytes + length)
                stream.acknowledge(keeping: stream.inbound.count)
                self.reader = nil
                return reader(.success(message))
            case .message(_, isCompressed: true):
                return stop(Status(.internal, "a message is marked as compressed, but the server named no encoding"))
            case .tooLarge(let length):
                return stop(
                    Status(
                        .resourceExhausted,
                        "a response message of \(length) bytes is larger than the limit of \(messageBytes) bytes"
                    )
                )
            case .invalidFlag(let flag):
                return stop(Status(.internal, "the first byte of a message is \(flag); it must be 0 or 1"))
            case .incomplete:
                guard outcome == nil else {
                    if stream.inbound.count > 0, outcome?.code == .ok {
                        outcome = Status(.internal, "the response ended in the middle of a message")
                    }
                    break
                }
                return stream.acknowledge()
            }
        }
        guard let outcome else { return }
        self.reader = nil
        isDelivered = true
        detach()
        guard outcome.code != .ok else { return reader(.success(nil)) }
        reader(.failure(RPCError(outcome.code, outcome.message, details: outcome.details, metadata: trailers)))
    }

    // MARK: Ending

    /// Gives the call up and tells the server so; what has arrived and was not read is dropped.
    func stop(_ status: Status) {
        guard !isDelivered else { return }
        if outcome == nil { stream?.reset(.cancel) }
        outcome = status
        detach()
        wakeWriter()
        deliver()
    }

    /// Notes how the call ended; messages that wait are still read.
    private func finish(_ status: Status) {
        guard outcome == nil else { return }
        outcome = status
        timer?.cancel()
        timer = nil
    }

    /// Ends a call that never had a stream.
    func fail(_ status: Status) {
        finish(status)
        wakeWriter()
        deliver()
    }

    private func detach() {
        timer?.cancel()
        timer = nil
        stream?.attachment = nil
        if let stream, stream.inbound.count > 0 {
            stream.inbound.consume(stream.inbound.count)
            stream.acknowledge()
        }
        stream = nil
        queued = []
    }

    private func wakeWriter() {
        writer.take()?()
    }

    // MARK: What the transport's end means

    private static let tooMuchMetadata = Status(.resourceExhausted, "the server sent more metadata than is taken here")

    private static func status(of code: HTTP2ErrorCode, _ lost: HTTP2Error?) -> Status {
        if let lost { return Status(.unavailable, "the connection was lost: \(lost.reason)") }
        switch code {
        case .refusedStream: return Status(.unavailable, "the server did not take the call")
        case .cancel: return Status(.cancelled, "the server gave the call up")
        case .enhanceYourCalm: return Status(.resourceExhausted, "the server asks for fewer calls")
        default: return Status(.internal, "the server reset the call with HTTP/2 error \(code.rawValue)")
        }
    }

    /// The status that gRPC gives an HTTP response that is not 200.
    private static func status(ofHTTP status: String) -> Status {
        let code: StatusCode =
            switch status {
            case "400": .internal
            case "401": .unauthenticated
            case "403": .permissionDenied
            case "404": .unimplemented
            case "429", "502", "503", "504": .unavailable
            default: .unknown
            }
        return Status(code, "the server answered with HTTP status \(status)")
    }
}

extension HTTP2Error {
    /// What happened, for people.
    var reason: String {
        switch self {
        case .session(let text), .limit(_, let text), .transport(let text): text
        case .socket(let code): systemMessage(code)
        case .closedByPeer: "the server closed it"
        case .goingAway: "the server is going away"
        case .closed: "it was closed"
        }
    }
}
