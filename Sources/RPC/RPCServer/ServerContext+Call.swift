internal import EventLoop
internal import HTTP2
public import Protobuf
public import RPC

/// The task of a call.
private struct HandlerRun: LoopWork {
    let context: ServerContext

    func run() async {
        await context.route.run(context)
    }
}

// What the routes' closures and the connection do with a call. A call ends once, in `end`; whatever comes later finds it
// finished and is dropped.
extension ServerContext {
    // MARK: Arriving

    /// Takes note of what arrived, and starts the handler when that is enough for it.
    func received() {
        switch phase {
        case .finished: return
        case .running: wakeReader()
        case .receiving: gather()
        }
    }

    /// Waits for one whole message and the end of the request.
    private func gather() {
        withStream { $0.acknowledge() }
        if let coding, coding.isJSON { return gatherJSON() }
        let limit = connection.limits.messageBytes
        switch MessageFraming.next(in: stream.inbound.bytes, limit: limit) {
        case .message(let length, let isCompressed):
            guard note(isCompressed: isCompressed) else { return end(Self.compressedWithoutEncoding) }
            guard stream.inbound.count == MessageFraming.prefixBytes + length else {
                return end(Status(.unimplemented, "\(route.path) takes one request message, and more came"))
            }
            if stream.remoteEnded { start() } else { hold() }
        case .incomplete:
            guard stream.remoteEnded else { return hold() }
            end(
                stream.inbound.count == 0
                    ? Status(.unimplemented, "\(route.path) takes one request message, and none came")
                    : Self.truncated
            )
        case .tooLarge(let length): end(tooLarge(length, limit))
        case .invalidFlag(let flag): end(Self.invalidFlag(flag))
        }
    }

    /// Starts the handler: it runs here and now until it first suspends.
    func start() {
        phase = .running
        let task = connection.executor.start(HandlerRun(context: self))
        if !isFinished { self.task = task }
    }

    /// Counts a request that is not whole against what its connection and loop may hold.
    func hold() {
        let more = stream.inbound.count - heldBytes
        heldBytes += more
        guard !connection.hold(more) else { return }
        connection.counters.reached(.requestBytes)
        end(Status(.resourceExhausted, "too many requests of this connection are incomplete; send fewer at once"))
    }

    private func release() {
        if heldBytes > 0 { connection.release(heldBytes) }
        heldBytes = 0
    }

    // MARK: For the routes

    /// The request of a method that takes one, within the rules of its proto file.
    @inlinable func decodeRequest<Request: Message>(_: Request.Type) throws -> Request {
        let request: Request
        if coding == nil {
            do throws(WireError) {
                request = try Request(serialized: requestBytes())
            } catch {
                throw MalformedRequest(message: Request.fullName, error: error)
            }
            releaseRequest()
        } else {
            request = try decodeCodedRequest(Request.self)
        }
        let violations = request.violations()
        guard violations.isEmpty else { throw InvalidRequest(violations) }
        return request
    }

    /// The request of a method that takes one, when it did not come as plain protobuf.
    @usableFromInline func decodeCodedRequest<Request: Message>(_: Request.Type) throws -> Request {
        guard let coding else { preconditionFailure("a plain request is decoded in place") }
        let bytes = try codedRequest(Request.fullName, coding)
        do throws(WireError) {
            return try Request(serialized: bytes)
        } catch {
            throw MalformedRequest(message: Request.fullName, error: error)
        }
    }

    /// The bytes of the request, valid until ``releaseRequest()``.
    @usableFromInline func requestBytes() -> UnsafeRawBufferPointer {
        guard !isFinished else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        return UnsafeRawBufferPointer(rebasing: stream.inbound.bytes[MessageFraming.prefixBytes...])
    }

    @usableFromInline func releaseRequest() {
        guard !isFinished else { return }
        connection.tally.messageReceived()
        stream.inbound.consume(stream.inbound.count)
        release()
    }

    @usableFromInline var interceptorCount: Int { connection.interceptors.gates.count }

    /// Asks the interceptors that need not wait, up to the first that must.
    ///
    /// - Returns: how many have let the call through.
    @usableFromInline func interceptAtOnce() throws -> Int {
        try connection.gates.ask(self)
    }

    /// Asks the interceptors after the first `passed` ones, of which the first must wait.
    @usableFromInline func intercept(after passed: Int) async throws {
        var isFirst = true
        for interceptor in connection.interceptors.gates.dropFirst(passed) {
            if !isFirst, try interceptor.willHandleAtOnce(self) { continue }
            isFirst = false
            try await interceptor.willHandle(self)
            if isFinished { throw CancellationError() }
        }
    }

    /// Answers with one message that has room for its prefix.
    @usableFromInline func finish(_ framed: consuming [UInt8]) {
        guard !isFinished else { return }
        if let coding {
            guard !coding.isJSON else { return finishJSON(framed, coding) }
            seal(&framed, coding)
        } else {
            MessageFraming.seal(&framed)
        }
        guard admitsResponse(framed.count) else { return end(Self.tooMuchUntaken) }
        connection.tally.messageSent()
        stream.send(framed)
        end(.ok)
    }

    /// Answers that all messages have been sent.
    @usableFromInline func finish() {
        end(.ok)
    }

    /// Answers with what an error means to the caller.
    @usableFromInline func fail(_ error: any Error) {
        guard !isFinished else { return }
        switch error {
        case let error as RPCError:
            if !error.metadata.isEmpty { trailers.append(contentsOf: error.metadata) }
            end(error.status)
        case is CancellationError: end(Status(.cancelled, "the call was cancelled"))
        default:
            if let converted = connection.configuration.convertError(error, self) { return fail(converted) }
            if let malformed = error as? MalformedRequest { return fail(malformed.rpcError) }
            if let invalid = error as? InvalidRequest { return fail(invalid.rpcError) }
            connection.configuration.reportFault(error, self)
            end(Status(.internal, "internal error; request id \(requestID)"))
        }
    }

    // MARK: Streams of messages

    // What need not wait is not async: each async call looks for its executor when it returns, under a lock.

    /// Queues a message that has room for its prefix.
    ///
    /// - Returns: whether so much is queued that ``drained()`` must be awaited before the next.
    @usableFromInline func send(_ framed: consuming [UInt8]) throws(RPCError) -> Bool {
        loop.assertOnLoop()
        guard case .running = phase else { throw finishedError }
        if let coding { seal(&framed, coding) } else { MessageFraming.seal(&framed) }
        guard admitsResponse(framed.count) else { throw Self.error(Self.tooMuchUntaken) }
        connection.tally.messageSent()
        stream.send(framed)
        if !headersSent {
            headersSent = true
            stream.respond(head, responseMetadata.fields)
        }
        return withStream { $0.isFull }
    }

    /// Waits until the peer has taken most of what is queued.
    @usableFromInline func drained() async throws(RPCError) {
        guard case .running = phase else { throw finishedError }
        precondition(writer == nil, "two tasks send on one call")
        await withUnsafeContinuation { writer = $0 }
        guard case .running = phase else { throw finishedError }
    }

    /// The next message of a request stream; nil after the last one.
    @inlinable func nextRequest<Request: Message>(_: Request.Type) async throws(RPCError) -> Request? {
        // The standard library's own form of it for who stays where they are: the other one looks for the task's executor first,
        // under a lock, which is one look of three a message (docs/performance.md).
        while try !hasNextRequest() { await _unsafeInheritExecutor_withUnsafeContinuation { awaitMore($0) } }
        guard let bytes = try nextRequestBytes() else { return nil }
        guard coding == nil else { return try decodeCoded(Request.self, bytes) }
        do {
            let request = try Request(serialized: bytes)
            taken(bytes.count)
            return request
        } catch {
            throw MalformedRequest(message: Request.fullName, error: error).rpcError
        }
    }

    /// A message of a request stream that did not come as plain protobuf.
    @usableFromInline func decodeCoded<Request: Message>(
        _: Request.Type,
        _ bytes: UnsafeRawBufferPointer
    ) throws(RPCError) -> Request {
        let decoded = try decoded(bytes)
        taken(bytes.count)
        do {
            return try Request(serialized: decoded)
        } catch {
            throw MalformedRequest(message: Request.fullName, error: error).rpcError
        }
    }

    /// Whether the next message of a request stream is whole, or there is none any more.
    @usableFromInline func hasNextRequest() throws(RPCError) -> Bool {
        loop.assertOnLoop()
        guard case .running = phase else { throw finishedError }
        let next = MessageFraming.next(in: stream.inbound.bytes, limit: connection.limits.messageBytes)
        if case .incomplete = next { return stream.remoteEnded }
        return true
    }

    /// Resumes the reader of a request stream when more has come, or the call has ended.
    @usableFromInline func awaitMore(_ continuation: UnsafeContinuation<Void, Never>) {
        precondition(reader == nil, "two tasks read from one call")
        reader = continuation
        // The rest of a message that is larger than the window comes only if the window opens.
        if !isFinished { withStream { $0.acknowledge() } }
    }

    /// The bytes of the next message of a request stream, valid until ``taken(_:)``; nil after the last one. Only when
    /// there is one, see ``hasNextRequest()``.
    @usableFromInline func nextRequestBytes() throws(RPCError) -> UnsafeRawBufferPointer? {
        let limit = connection.limits.messageBytes
        guard case .running = phase else { throw finishedError }
        let waiting = stream.inbound.bytes
        switch MessageFraming.next(in: waiting, limit: limit) {
        case .message(let length, let isCompressed):
            guard note(isCompressed: isCompressed) else { throw Self.error(Self.compressedWithoutEncoding) }
            return UnsafeRawBufferPointer(rebasing: waiting[5..<5 + length])
        case .incomplete:
            guard waiting.count > 0 else { return nil }
            throw Self.error(Self.truncated)
        case .tooLarge(let length): throw Self.error(tooLarge(length, limit))
        case .invalidFlag(let flag): throw Self.error(Self.invalidFlag(flag))
        }
    }

    /// Lets the peer send as much as was taken.
    @usableFromInline func taken(_ length: Int) {
        guard !isFinished else { return }
        connection.tally.messageReceived()
        withStream { stream in
            stream.inbound.consume(MessageFraming.prefixBytes + length)
            stream.acknowledge(keeping: stream.inbound.count)
        }
    }

    func wakeReader() {
        reader.take()?.resume()
    }

    func wakeWriter() {
        writer.take()?.resume()
    }

    // MARK: Ending

    /// Answers and ends the call.
    func end(_ status: Status) {
        guard !isFinished else { return }
        finished(status)
        withStream { stream in
            if let coding, coding.isJSON {
                answerJSON(status, coding)
            } else if headersSent {
                stream.finish(Replies.trailers[status.code.rawValue], statusFields(status))
            } else if status.code == .ok {
                stream.finish(Replies.trailers[0], statusFields(status))
                stream.respond(head, responseMetadata.fields)
            } else {
                if !responseMetadata.isEmpty { trailers.append(contentsOf: responseMetadata) }
                stream.respond(Replies.trailersOnly[status.code.rawValue], statusFields(status), ended: true)
            }
        }
        detach()
    }

    /// What begins a response with messages.
    private var head: FixedHeaders {
        guard let coding, coding.compressesResponses else { return Replies.head }
        return Replies.gzipHead
    }

    private func statusFields(_ status: Status) -> HeaderFields {
        if status.code == .ok, trailers.isEmpty { return HeaderFields() }
        return Replies.fields(status, trailers)
    }

    /// Ends the call with nobody left to answer: the caller or the connection is gone.
    func abandon() {
        guard !isFinished else { return }
        finished(Status(.cancelled, "the caller is gone"))
        detach()
    }

    /// Answers that the time is over, and stops the handler.
    func expire() {
        end(Status(.deadlineExceeded, "the deadline that the caller set has passed"))
    }

    private func finished(_ status: Status) {
        phase = .finished(status.code)
        deadlineTimer?.cancel()
        deadlineTimer = nil
        connection.observers.tell(self, status)
        if status.code == .ok { connection.tally.finished() } else { connection.counters.failed(status.code) }
    }

    /// Lets go of the stream, of the task and of whoever waits.
    private func detach() {
        release()
        withStream { stream in
            if stream.inbound.count > 0 {
                stream.inbound.consume(stream.inbound.count)
                stream.acknowledge()
            }
            stream.attachment = nil
        }
        // A handler that has returned is not disturbed by this; one that still runs has nobody to run for.
        task?.cancel()
        task = nil
        wakeReader()
        wakeWriter()
    }

    private var finishedError: RPCError {
        guard case .finished(let code) = phase, code != .ok else {
            return RPCError(.cancelled, "the call has been answered")
        }
        return RPCError(code, "the call has ended")
    }

    // MARK: What can be wrong with a body

    private static func error(_ status: Status) -> RPCError { RPCError(status.code, status.message) }

    private static let compressedWithoutEncoding = Status(
        .internal,
        "a message is marked as compressed, but grpc-encoding names no compression"
    )

    private static let truncated = Status(.internal, "the request ended in the middle of a message")

    func tooLarge(_ length: Int, _ limit: Int) -> Status {
        connection.counters.reached(.messageBytes)
        return Status(
            .resourceExhausted,
            "a request message of \(length) bytes is larger than the limit of \(limit) bytes"
        )
    }

    private static func invalidFlag(_ flag: UInt8) -> Status {
        Status(.internal, "the first byte of a message is \(flag); it must be 0 or 1")
    }
}
