public import Protobuf
public import RPC

/// Sends the requests of a call that takes any number of them. One task sends at a time.
public struct RequestWriter<Request: Message>: Sendable {
    let call: RawCall

    /// Sends a request, and waits while the server does not take what was sent before.
    ///
    /// - Parameter compresses: whether this one is compressed, where ``CallOptions/compression`` says that requests are.
    /// - Throws: ``RPCError`` CANCELLED when the call takes no more requests because it has ended; its responses say how.
    public func send(_ request: Request, compresses: Bool = true) async throws(RPCError) {
        var framed = request.serialized(prefix: MessageFraming.prefixBytes)
        MessageFraming.seal(&framed)
        guard await call.send(framed: framed, compresses) else {
            throw RPCError(.cancelled, "the call has ended; its responses say how")
        }
    }

    /// Says that no more requests will come.
    public func finish() { call.finishSending() }
}

/// A call with any number of requests and responses, in any order. It is given up when it is let go of before its end.
public struct BidirectionalCall<Request: Message, Response: Message>: Sendable {
    /// Where the requests go.
    public let requests: RequestWriter<Request>
    /// The responses, walked through once.
    public let responses: ResponseStream<Response>

    /// Waits for what comes before the first response; empty when the call ended before it came.
    public func metadata() async -> Metadata { await responses.metadata() }

    /// What came with the status; empty until the last response was read.
    public func trailers() async -> Metadata { await responses.trailers() }

    /// Gives the call up: what waits ends with CANCELLED, and the server hears of it.
    public func cancel() { responses.call.cancel() }
}

extension Channel {
    /// Makes a unary call.
    ///
    /// - Throws: ``RPCError`` with the server's status, UNAVAILABLE when it cannot be reached, CANCELLED when the calling
    ///   task is cancelled, DEADLINE_EXCEEDED when ``CallOptions/timeout`` is over.
    public func unary<Request: Message, Response: Message>(
        _ path: String,
        _ request: Request,
        _ options: CallOptions = .init(),
        returning: Response.Type = Response.self
    ) async throws(RPCError) -> Response {
        try await unaryResponse(path, request, options).message
    }

    /// Makes a unary call, and tells what came beside the message.
    public func unaryResponse<Request: Message, Answer: Message>(
        _ path: String,
        _ request: Request,
        _ options: CallOptions = .init(),
        returning: Answer.Type = Answer.self
    ) async throws(RPCError) -> Response<Answer> {
        try Self.decode(try await begin(path, options, request: Self.frame(request)).single())
    }

    /// Makes a call with one request and any number of responses. It is sent at once, and given up when the stream is let go
    /// of.
    public func serverStreaming<Request: Message, Response: Message>(
        _ path: String,
        _ request: Request,
        _ options: CallOptions = .init(),
        returning: Response.Type = Response.self
    ) -> ResponseStream<Response> {
        ResponseStream(begin(path, options, request: Self.frame(request)), Self.decode)
    }

    /// Makes a call with any number of requests, which `produce` sends, and one response. It is given up when `produce`
    /// throws.
    ///
    /// - Throws: what `produce` throws; ``RPCError`` with the status of a call that failed, also when `produce` threw because
    ///   the call took no more requests.
    public func clientStreaming<Request: Message, Response: Message>(
        _ path: String,
        _ options: CallOptions = .init(),
        returning: Response.Type = Response.self,
        _ produce: (RequestWriter<Request>) async throws -> Void
    ) async throws -> Response {
        try await clientStreamingResponse(path, options, produce).message
    }

    /// The same, and tells what came beside the message.
    public func clientStreamingResponse<Request: Message, Answer: Message>(
        _ path: String,
        _ options: CallOptions = .init(),
        returning: Answer.Type = Answer.self,
        _ produce: (RequestWriter<Request>) async throws -> Void
    ) async throws -> Response<Answer> {
        let call = begin(path, options, request: nil)
        do {
            try await produce(RequestWriter(call: call))
        } catch {
            // What the server said goes before what that led to here.
            if let ended = await call.failure() { throw ended }
            call.cancel()
            throw error
        }
        call.finishSending()
        return try Self.decode(try await call.single())
    }

    /// Begins a call with any number of requests and responses.
    public func bidirectional<Request: Message, Response: Message>(
        _ path: String,
        _ options: CallOptions = .init(),
        sending: Request.Type = Request.self,
        returning: Response.Type = Response.self
    ) -> BidirectionalCall<Request, Response> {
        let call = begin(path, options, request: nil)
        return BidirectionalCall(requests: RequestWriter(call: call), responses: ResponseStream(call, Self.decode))
    }

    private static func frame(_ request: some Message) -> [UInt8] {
        var framed = request.serialized(prefix: MessageFraming.prefixBytes)
        MessageFraming.seal(&framed)
        return framed
    }

    private static func decode<Answer: Message>(_ raw: Response<[UInt8]>) throws(RPCError) -> Response<Answer> {
        Response(message: try decode(raw.message), metadata: raw.metadata, trailers: raw.trailers)
    }

    private static func decode<Answer: Message>(_ bytes: [UInt8]) throws(RPCError) -> Answer {
        do throws(WireError) {
            return try Answer(serialized: bytes)
        } catch {
            throw RPCError(.internal, "the response is not a well-formed \(Answer.fullName): \(error)")
        }
    }
}
