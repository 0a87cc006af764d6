internal import EventLoop
internal import HTTP2
internal import RPC

/// One call as its caller sees it, whatever tries it takes: from its first message to its status. Confined to the
/// channel's loop.
final class ClientCall: @unchecked Sendable {
    // @unchecked: confined to its loop.
    let path: String
    let options: CallOptions
    let core: ChannelCore
    let method: MethodConfig
    /// When the call must be over, on the loop's clock.
    let deadline: UInt64?

    /// What came before the first message.
    private(set) var metadata = Metadata()
    /// What came with the status.
    private(set) var trailers = Metadata()

    /// The messages to send, framed: all of them, until it is settled that no other try will need them.
    private(set) var requests: [[UInt8]] = []
    private(set) var isRequestEnded = false
    private var bufferedBytes = 0

    /// How the tries go; its own file has what belongs to it.
    var tries = Tries()

    private var outcome: Status?
    private var deadlineTimer: LoopTimer?
    private var reader: ((Result<[UInt8]?, RPCError>) -> Void)?
    private var headersReaders: [() -> Void] = []
    private var writer: (() -> Void)?
    let messageBytes: Int

    init(path: String, options: CallOptions, deadline: UInt64?, core: ChannelCore) {
        self.path = path
        self.options = options
        self.deadline = deadline
        self.core = core
        method = core.methods[path]
        messageBytes = options.messageBytes ?? method.maxResponseMessageBytes ?? core.configuration.messageBytes
    }

    var isFinished: Bool { outcome != nil }

    var waitsForReady: Bool { options.waitForReady ?? method.waitForReady ?? false }

    /// How long the call may still take; nil is for ever.
    var timeRemaining: Duration? {
        guard let deadline else { return nil }
        let now = core.loop.now
        return deadline > now ? .nanoseconds(Int64(clamping: deadline - now)) : .zero
    }

    // MARK: Sending

    /// Begins.
    func start() {
        let refusal = core.callBegan()
        if let refusal { return finish(refusal) }
        guard outcome == nil else { return }
        if let fault = options.metadata.reservedName {
            return finish(
                Status(.invalidArgument, "metadata may not have the name \"\(fault)\"; it is the protocol's own")
            )
        }
        if let left = timeRemaining {
            guard left > .zero else { return expire() }
            deadlineTimer = core.loop.schedule(after: left) { [self] in expire() }
        }
        firstTry()
    }

    private func expire() {
        let hasStream = tries.committed != nil || tries.running.contains { $0.stream != nil }
        let why = hasStream || tries.made == 0 ? "" : "; \(core.waitReason)"
        stop(Status(.deadlineExceeded, "the call took longer than its timeout\(why)"))
    }

    /// Sends a message that has its prefix.
    ///
    /// - Returns: whether the call still takes messages.
    @discardableResult
    func send(_ framed: [UInt8], compresses: Bool = true) -> Bool {
        guard outcome == nil, !isRequestEnded else { return false }
        let length = framed.count - MessageFraming.prefixBytes
        if let limit = method.maxRequestMessageBytes, length > limit {
            stop(
                Status(
                    .resourceExhausted,
                    "a request message of \(length) bytes is larger than the limit of \(limit) bytes"
                )
            )
            return false
        }
        let framed = options.compression == .gzip && compresses ? compressed(framed) : framed
        if let committed = tries.committed {
            committed.stream?.send(framed)
            return true
        }
        requests.append(framed)
        bufferedBytes += framed.count
        for attempt in tries.running { attempt.push() }
        commitIfOverflown()
        return true
    }

    /// Calls `body` when there is room for another message, or the call is over.
    func whenWritable(_ body: @escaping () -> Void) {
        guard outcome == nil, isFull else { return body() }
        precondition(writer == nil, "two tasks send on one call")
        writer = body
    }

    private var isFull: Bool {
        if let stream = (tries.committed ?? tries.running.first { $0.stream != nil })?.stream { return stream.isFull }
        return bufferedBytes >= core.limits.streamOutputBytes
    }

    private func wakeWriter() {
        guard writer != nil, outcome != nil || !isFull else { return }
        writer.take()?()
    }

    func endRequest() {
        guard !isRequestEnded, outcome == nil else { return }
        isRequestEnded = true
        if let committed = tries.committed {
            committed.stream?.finish()
        } else {
            for attempt in tries.running { attempt.push() }
        }
    }

    /// Settles that no other try will be made, because what was sent is more than is kept.
    private func commitIfOverflown() {
        guard bufferedBytes > core.configuration.retryBufferBytes, tries.committed == nil,
            let first = tries.running.first(where: { $0.stream != nil })
        else { return }
        commit(first)
    }

    /// Settles that this try is the call: the others are given up, and what was kept for them is let go of.
    func commit(_ attempt: CallAttempt) {
        tries.commit(attempt)
        requests = []
        bufferedBytes = 0
    }

    /// A try has its stream.
    func attached(_ attempt: CallAttempt) {
        commitIfOverflown()
        wakeWriter()
    }

    // MARK: Receiving

    /// Calls `body` with the next message, with nil after the last one, or with why there is none.
    func next(_ body: @escaping (Result<[UInt8]?, RPCError>) -> Void) {
        precondition(reader == nil, "two tasks read from one call")
        reader = body
        deliver()
    }

    /// Calls `body` when what came before the first message is known, or the call is over.
    func whenHeaders(_ body: @escaping () -> Void) {
        guard outcome == nil, tries.committed?.hasHeaders != true else { return body() }
        headersReaders.append(body)
    }

    private func wakeHeadersReaders() {
        guard !headersReaders.isEmpty else { return }
        let readers = headersReaders
        headersReaders = []
        for reader in readers { reader() }
    }

    /// Calls `body` with the one response of a call that has one.
    func single(_ body: @escaping (Result<Response<[UInt8]>, RPCError>) -> Void) {
        next { [self] first in
            switch first {
            case .failure(let error): return body(.failure(error))
            case .success(nil):
                return body(.failure(RPCError(.unimplemented, "the server ended the call without a response")))
            case .success(let message?):
                next { [self] second in
                    switch second {
                    case .failure(let error): body(.failure(error))
                    case .success(nil):
                        body(.success(Response(message: message, metadata: metadata, trailers: trailers)))
                    case .success:
                        let reason = "the server sent more than one response to a call that has one"
                        stop(Status(.unimplemented, reason))
                        body(.failure(RPCError(.unimplemented, reason)))
                    }
                }
            }
        }
    }

    /// A try has response headers, so that it is the call.
    func headersCame(_ attempt: CallAttempt) {
        if tries.committed == nil { commit(attempt) }
        metadata = attempt.metadata
        wakeHeadersReaders()
    }

    /// Something happened to a try; its headers and its end have been told.
    func progressed(_ attempt: CallAttempt, _ events: HTTP2Stream.Events) {
        if events.contains(.drained) { wakeWriter() }
        if reader != nil { deliver() }
    }

    /// Gives the reader what there is for it.
    private func deliver() {
        guard let reader else { return }
        if let stream = tries.committed?.stream {
            switch MessageFraming.next(in: stream.inbound.bytes, limit: messageBytes) {
            case .message(let length, let isCompressed):
                let message: [UInt8]
                do {
                    message = try decoded(
                        UnsafeRawBufferPointer(rebasing: stream.inbound.bytes[5..<5 + length]),
                        isCompressed
                    )
                } catch {
                    return stop(error.status)
                }
                stream.inbound.consume(MessageFraming.prefixBytes + length)
                stream.acknowledge(keeping: stream.inbound.count)
                self.reader = nil
                return reader(.success(message))
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
                guard outcome != nil else { return stream.acknowledge() }
                if stream.inbound.count > 0, outcome?.code == .ok {
                    outcome = Status(.internal, "the response ended in the middle of a message")
                }
            }
        }
        guard outcome != nil else { return }
        self.reader = nil
        tries.letGo()
        reader(failure.map { .failure($0) } ?? .success(nil))
    }

    /// How the call failed; nil when it goes on, or went well.
    var failure: RPCError? {
        guard let outcome, outcome.code != .ok else { return nil }
        return RPCError(outcome.code, outcome.message, details: outcome.details, metadata: trailers)
    }

    // MARK: Ending

    /// Gives the call up and tells the server so; what has arrived and was not read is dropped.
    func stop(_ status: Status) {
        if outcome == nil {
            tries.abandonAll()
            finish(status)
        } else if tries.committed?.stream != nil {
            // It has ended, but not been read to its end.
            tries.letGo()
            outcome = status
            deliver()
        }
    }

    /// Notes how the call ended; messages that wait are still read.
    func finish(_ status: Status, _ trailers: Metadata = Metadata()) {
        guard outcome == nil else { return }
        outcome = status
        self.trailers = trailers
        deadlineTimer?.cancel()
        deadlineTimer = nil
        tries.finish()
        requests = []
        core.callEnded()
        wakeHeadersReaders()
        wakeWriter()
        deliver()
    }

    /// What a stream's end without a status means (PROTOCOL-HTTP2, "Errors").
    func status(ofReset code: HTTP2ErrorCode, _ lost: HTTP2Error?) -> Status {
        if code == .refusedStream { return Status(.unavailable, "the server did not take the call") }
        if let lost { return Status(.unavailable, "the connection was lost: \(lost.reason)") }
        switch code {
        case .cancel:
            // Clocks differ: the server may find first that the time is over.
            if timeRemaining == .zero { return Status(.deadlineExceeded, "the call took longer than its timeout") }
            return Status(.cancelled, "the server gave the call up")
        case .enhanceYourCalm: return Status(.resourceExhausted, "the server asks for less (ENHANCE_YOUR_CALM)")
        case .inadequateSecurity:
            return Status(.permissionDenied, "the connection is not secure enough for the server (INADEQUATE_SECURITY)")
        case .http11Required, .streamClosed:
            return Status(.unknown, "the server reset the call with HTTP/2 error \(code.rawValue)")
        default: return Status(.internal, "the server reset the call with HTTP/2 error \(code.rawValue)")
        }
    }
}

extension Metadata {
    /// The first name that is not for users to send, which only a header list that was taken over whole can hold; nil when
    /// there is none.
    var reservedName: String? {
        guard !isEmpty else { return nil }
        for index in 0..<fields.count {
            let isReserved = fields.withField(at: index) { name, _ in
                name.first == UInt8(ascii: ":") || name.starts(with: "grpc-".utf8)
                    || Self.reserved.contains { name.elementsEqual($0.utf8) }
            }
            if isReserved { return fields.field(at: index).name }
        }
        return nil
    }

    /// gRPC's own names, and those that mean something to a connection and may not stand in HTTP/2 (RFC 9113, 8.2.2).
    private static let reserved = [
        "te", "content-type", "user-agent", "host", "connection", "keep-alive", "proxy-connection", "transfer-encoding",
        "upgrade",
    ]
}
