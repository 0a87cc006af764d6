public import EventLoop
public import Protobuf
public import RPC

/// A way to a server: calls from anywhere share its one connection, which is made when it is first needed and made again
/// after it was lost.
public final class Channel: Sendable {
    /// The address as it was given, "host:port".
    public let address: String

    private let core: ChannelCore
    private let loop: EventLoop
    private let ownsLoop: Bool
    private let configuration: ChannelConfiguration

    /// A channel to "host:port" or "[IPv6]:port"; nothing is connected yet.
    ///
    /// - Parameter loop: where the connection lives; nil starts a thread for it, which ``close()`` ends.
    /// - Throws: ``ChannelError`` when the address is not one, ``EventLoopError`` when there can be no thread.
    public init(address: String, configuration: ChannelConfiguration = .init(), loop: EventLoop? = nil) throws {
        guard let (host, port) = Self.parse(address) else { throw ChannelError.address(address) }
        self.address = address
        self.configuration = configuration
        ownsLoop = loop == nil
        self.loop = try loop ?? EventLoop.startThread(name: "channel")
        core = ChannelCore(host: host, port: port, configuration: configuration, loop: self.loop)
    }

    private static func parse(_ address: String) -> (String, UInt16)? {
        guard let colon = address.lastIndex(of: ":"), let port = UInt16(address[address.index(after: colon)...]),
            port > 0
        else { return nil }
        var host = address[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            return nil
        }
        return host.isEmpty ? nil : (String(host), port)
    }

    /// Ends every call, closes the connection and, if the channel has one, ends its thread. Call it once, at the end; not
    /// from the channel's own thread.
    public func close() async {
        await onLoop { [core] done in
            core.close()
            done(.success(()))
        }
        guard ownsLoop else { return }
        loop.stop()
        // The thread ends after its turn; what waits for it here is only the last of its handles.
        loop.join()
    }

    // MARK: Unary calls

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
        var framed = request.serialized(prefix: MessageFraming.prefixBytes)
        MessageFraming.seal(&framed)
        let raw = try await attempt(path, framed, options)
        return Response(
            message: try Self.decode(Answer.self, raw.message),
            metadata: raw.metadata,
            trailers: raw.trailers
        )
    }

    /// Makes a unary call with a serialized request, and gives back the serialized response: for callers that know
    /// messages only by their descriptors.
    public func unaryBytes(
        _ path: String,
        _ request: [UInt8],
        _ options: CallOptions = .init()
    ) async throws(RPCError) -> Response<[UInt8]> {
        try await attempt(path, Self.frame(request), options)
    }

    // MARK: Streaming calls

    /// Makes a call with one request and any number of responses. It is sent when the first response is asked for, and
    /// given up when the stream is let go of.
    public func serverStreaming<Request: Message, Response: Message>(
        _ path: String,
        _ request: Request,
        _ options: CallOptions = .init(),
        returning: Response.Type = Response.self
    ) -> ResponseStream<Response> {
        var framed = request.serialized(prefix: MessageFraming.prefixBytes)
        MessageFraming.seal(&framed)
        let call = makeCall(path, options, deadline(options))
        return ResponseStream(RawCall(call, core, loop, request: framed)) { bytes throws(RPCError) in
            try Self.decode(Response.self, bytes)
        }
    }

    /// Makes a call with one serialized request and any number of serialized responses.
    public func serverStreamingBytes(
        _ path: String,
        _ request: [UInt8],
        _ options: CallOptions = .init()
    ) -> ResponseStream<[UInt8]> {
        let call = makeCall(path, options, deadline(options))
        return ResponseStream(RawCall(call, core, loop, request: Self.frame(request))) { bytes in bytes }
    }

    /// Begins a call of any shape, with serialized messages in both directions.
    public func call(_ path: String, _ options: CallOptions = .init()) -> RawCall {
        RawCall(makeCall(path, options, deadline(options)), core, loop, request: nil)
    }

    // MARK: Inside

    static func frame(_ message: [UInt8]) -> [UInt8] {
        var framed = [UInt8](repeating: 0, count: MessageFraming.prefixBytes)
        framed.append(contentsOf: message)
        MessageFraming.seal(&framed)
        return framed
    }

    private static func decode<Response: Message>(
        _: Response.Type,
        _ bytes: [UInt8]
    ) throws(RPCError) -> Response {
        do throws(WireError) {
            return try Response(serialized: bytes)
        } catch {
            throw RPCError(.internal, "the response is not a well-formed \(Response.fullName): \(error)")
        }
    }

    private func deadline(_ options: CallOptions) -> UInt64? {
        guard let timeout = options.timeout else { return nil }
        // Beyond three centuries there is no deadline.
        return timeout < .seconds(10_000_000_000) ? loop.now &+ timeout.wholeNanoseconds : nil
    }

    private func makeCall(_ path: String, _ options: CallOptions, _ deadline: UInt64?) -> ClientCall {
        ClientCall(
            path: path,
            options: options,
            messageBytes: options.messageBytes ?? configuration.messageBytes,
            deadline: deadline,
            loop: loop
        )
    }

    /// Tries a call until it succeeds, fails for good, or may not be tried again.
    private func attempt(
        _ path: String,
        _ framed: [UInt8],
        _ options: CallOptions
    ) async throws(RPCError) -> Response<[UInt8]> {
        let deadline = deadline(options)
        var tries = 1
        while true {
            let call = makeCall(path, options, deadline)
            do {
                return try await RawCall(call, core, loop, request: framed).single()
            } catch {
                let mayRepeat = error.code == .unavailable && (options.isIdempotent || call.isUnseen)
                let wait = configuration.retries.wait(after: tries)
                guard mayRepeat, tries < configuration.retries.attempts, !Task.isCancelled,
                    deadline.map({ loop.now + wait.wholeNanoseconds < $0 }) ?? true
                else { throw error }
                do {
                    try await Task.sleep(for: wait)
                } catch _ {
                    throw RPCError(.cancelled, "the calling task was cancelled")
                }
                tries += 1
            }
        }
    }

    private func onLoop<T: Sendable>(
        _ body: @escaping @Sendable (_ done: @escaping @Sendable (Result<T, Never>) -> Void) -> Void
    ) async -> T {
        await withCheckedContinuation { continuation in
            loop.submit { body { continuation.resume(with: $0) } }
        }
    }
}

extension Duration {
    /// The duration in nanoseconds; zero when it is negative. It must be shorter than three centuries.
    var wholeNanoseconds: UInt64 {
        let (seconds, attoseconds) = components
        return UInt64(max(0, seconds * 1_000_000_000 + attoseconds / 1_000_000_000))
    }
}

/// Why there can be no channel.
public enum ChannelError: Error, CustomStringConvertible {
    /// The address is not "host:port" or "[IPv6]:port".
    case address(String)

    /// What is wrong, and what would be right.
    public var description: String {
        switch self {
        case .address(let text):
            "the address is \"\(text)\"; it must be HOST:PORT, such as 127.0.0.1:7443 or [::1]:7443"
        }
    }
}
