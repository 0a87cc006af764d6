internal import EventLoop
public import RPC

/// A call with serialized messages in both directions. It is given up when it is let go of before its end.
///
/// One task may send while another receives; not two of either.
public final class RawCall: Sendable {
    private let call: ClientCall
    private let loop: EventLoop
    /// Kept, so that its thread does not end before the call does.
    private let channel: Channel

    /// Begins at once without a request, or with one that is framed and the only one.
    init(_ call: ClientCall, _ loop: EventLoop, _ channel: Channel, request: [UInt8]?) {
        self.call = call
        self.loop = loop
        self.channel = channel
        loop.submit {
            call.start()
            guard let request else { return }
            call.send(request)
            call.endRequest()
        }
    }

    deinit {
        let call = call
        loop.submit { call.stop(Status(.cancelled, "the caller let go of the call")) }
    }

    /// Sends a request, and waits while the server does not take what was sent before.
    ///
    /// - Parameter compresses: whether this one is compressed, where ``CallOptions/compression`` says that requests are.
    /// - Returns: whether the call still takes requests; if not, it has ended, and ``next()`` says how.
    @discardableResult
    public func send(_ request: [UInt8], compresses: Bool = true) async -> Bool {
        await send(framed: Channel.frame(request), compresses)
    }

    func send(framed: [UInt8], _ compresses: Bool) async -> Bool {
        let (call, loop) = (call, loop)
        return await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<Bool, Never>) in
                loop.submit {
                    guard call.send(framed, compresses: compresses) else {
                        return continuation.resume(returning: false)
                    }
                    call.whenWritable { continuation.resume(returning: !call.isFinished) }
                }
            }
        } onCancel: {
            cancel()
        }
    }

    /// Says that no more requests will come.
    public func finishSending() {
        let call = call
        loop.submit { call.endRequest() }
    }

    /// The next response; nil after the last one.
    ///
    /// - Throws: ``RPCError`` with the status of a call that failed.
    public func next() async throws(RPCError) -> [UInt8]? {
        try await wait { call, done in call.next(done) }
    }

    /// What came before the first response; empty until then.
    public func metadata() async -> Metadata {
        await read { $0.metadata }
    }

    /// Waits for what comes before the first response; empty when the call ended before it came.
    public func responseMetadata() async -> Metadata {
        let (call, loop) = (call, loop)
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                loop.submit { call.whenHeaders { continuation.resume(returning: call.metadata) } }
            }
        } onCancel: {
            cancel()
        }
    }

    /// What came with the status; empty until the last response was read.
    public func trailers() async -> Metadata {
        await read { $0.trailers }
    }

    /// Gives the call up: what waits ends with CANCELLED.
    public func cancel() {
        let call = call
        loop.submit { call.stop(Status(.cancelled, "the calling task was cancelled")) }
    }

    /// The one response of a call that has one.
    func single() async throws(RPCError) -> Response<[UInt8]> {
        try await wait { call, done in call.single(done) }
    }

    /// How the call failed, once it has ended; nil while it goes on.
    func failure() async -> RPCError? {
        await read { $0.failure }
    }

    private func wait<T: Sendable>(
        _ body: @escaping @Sendable (ClientCall, @escaping (Result<T, RPCError>) -> Void) -> Void
    ) async throws(RPCError) -> T {
        let (call, loop) = (call, loop)
        let result: Result<T, RPCError> = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                loop.submit { body(call) { continuation.resume(returning: $0) } }
            }
        } onCancel: {
            cancel()
        }
        return try result.get()
    }

    private func read<T: Sendable>(_ body: @escaping @Sendable (ClientCall) -> T) async -> T {
        let (call, loop) = (call, loop)
        return await withCheckedContinuation { continuation in
            loop.submit { continuation.resume(returning: body(call)) }
        }
    }
}

/// The responses of a call that has any number of them, in order. Walked through once; the call is given up when the
/// stream and its iterator are let go of, or the task that walks is cancelled.
public struct ResponseStream<Element: Sendable>: AsyncSequence, Sendable {
    /// Takes one response after another.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let call: RawCall
        let decode: @Sendable ([UInt8]) throws(RPCError) -> Element

        /// The next response; nil after the last one.
        ///
        /// - Throws: ``RPCError`` with the status of a call that failed.
        public mutating func next() async throws(RPCError) -> Element? {
            guard let bytes = try await call.next() else { return nil }
            return try decode(bytes)
        }
    }

    /// The call underneath, for its metadata and for giving it up.
    public let call: RawCall
    private let decode: @Sendable ([UInt8]) throws(RPCError) -> Element

    init(_ call: RawCall, _ decode: @escaping @Sendable ([UInt8]) throws(RPCError) -> Element) {
        self.call = call
        self.decode = decode
    }

    /// Begins to take responses.
    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(call: call, decode: decode)
    }

    /// Waits for what comes before the first response; empty when the call ended before it came.
    public func metadata() async -> Metadata { await call.responseMetadata() }

    /// What came with the status; empty until the last response was read.
    public func trailers() async -> Metadata { await call.trailers() }
}
