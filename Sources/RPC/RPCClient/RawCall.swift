internal import EventLoop
public import RPC

/// A call with serialized messages in both directions. It is given up when it is let go of before its end.
///
/// One task may send while another receives; not two of either.
public final class RawCall: Sendable {
    private let call: ClientCall
    private let core: ChannelCore
    private let loop: EventLoop

    /// Begins at once without a request, or with one that is framed and the only one.
    init(_ call: ClientCall, _ core: ChannelCore, _ loop: EventLoop, request: [UInt8]?) {
        self.call = call
        self.core = core
        self.loop = loop
        loop.submit {
            if let request {
                call.send(request)
                call.endRequest()
            }
            core.start(call)
        }
    }

    deinit {
        let call = call
        loop.submit { call.stop(Status(.cancelled, "the caller let go of the call")) }
    }

    /// Sends a request, and waits while the server does not take what was sent before.
    public func send(_ request: [UInt8]) async {
        let (call, loop) = (call, loop)
        let framed = Channel.frame(request)
        await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
                loop.submit {
                    call.send(framed)
                    call.whenWritable { continuation.resume() }
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
        let (call, loop) = (call, loop)
        let result: Result<[UInt8]?, RPCError> = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                loop.submit { call.next { continuation.resume(returning: $0) } }
            }
        } onCancel: {
            cancel()
        }
        return try result.get()
    }

    /// What came before the first response; empty until then.
    public func metadata() async -> Metadata {
        await read { $0.metadata }
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

    private func read<T: Sendable>(_ body: @escaping @Sendable (ClientCall) -> T) async -> T {
        let (call, loop) = (call, loop)
        return await withCheckedContinuation { continuation in
            loop.submit { continuation.resume(returning: body(call)) }
        }
    }

    /// The one response of a unary call.
    func single() async throws(RPCError) -> Response<[UInt8]> {
        guard let message = try await next() else {
            throw RPCError(.internal, "the server ended the call without a response")
        }
        guard try await next() == nil else {
            throw RPCError(.internal, "the server sent more than one response to a unary call")
        }
        return Response(message: message, metadata: await metadata(), trailers: await trailers())
    }
}

/// The responses of a call that has any number of them, in order. Walked through once; the call is given up when the
/// stream and its iterator are let go of.
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
}
