public import Protobuf
public import RPC
public import RPCClient
public import TLS

/// A connection to a Trellis server with the key that its calls carry.
///
/// It can be used from any thread and by any number of tasks at once: their calls share one HTTP/2 connection, which is
/// made when it is first needed and made again when it was lost. Close it at the end.
public final class TrellisConnection: Sendable {
    /// What every call carries unless it says otherwise.
    public struct Options: Sendable {
        /// How long a call may take with all its tries; `nil` is forever.
        public var timeout: Duration? = .seconds(30)
        /// Metadata to send along, such as a `traceparent`.
        public var metadata = Metadata()
        /// Whether a call waits, until its timeout, while no server can be reached, instead of ending UNAVAILABLE.
        public var waitForReady = false
        /// How requests are compressed.
        public var compression = CallOptions.Compression.none
        /// The call on whose behalf calls are made: they end with it, and belong to its trace.
        public var scope: CallScope?

        /// A timeout of 30 seconds, and nothing else.
        public init() {}
    }

    /// The channel below, for calls that know messages by their descriptors only.
    public let channel: Channel
    private let token: String?
    private let options: Options

    /// A connection to a server; nothing is connected yet.
    ///
    /// - Parameters:
    ///   - address: `host:port` or `[IPv6]:port`; of several servers with commas between them.
    ///   - token: the API key to act with; `nil` for calls that need none.
    ///   - tls: how the connection is secured; `nil` leaves it without TLS, or with the security of `configuration`.
    ///   - options: what calls carry unless they say otherwise.
    /// - Throws: `ChannelError` when the address is none, `TLSConfigurationError` when a certificate, key or CA cannot be
    ///   used.
    public init(
        address: String,
        token: String? = nil,
        tls: ClientTLSConfiguration? = nil,
        options: Options = Options(),
        configuration: ChannelConfiguration = ChannelConfiguration()
    ) throws {
        var configuration = configuration
        if let tls { configuration.security = try ClientTLS(tls) }
        channel = try Channel(address: address, configuration: configuration)
        self.token = token
        self.options = options
    }

    /// Ends what is still going on and closes the connection.
    public func close() async { await channel.close() }

    /// Takes no new calls, waits until those under way are over, but not longer than `grace`, and closes.
    public func close(grace: Duration) async { await channel.close(grace: grace) }

    /// Makes a unary call. The generated clients call this; `isIdempotent` says whether it may be sent again when it is
    /// not known whether the server did it: reads, and writes that carry a request id.
    public func unary<Request: Message, Response: Message>(
        _ path: String,
        _ request: Request,
        isIdempotent: Bool,
        options: Options? = nil,
        returning: Response.Type = Response.self
    ) async throws(TrellisError) -> Response {
        do {
            return try await channel.unary(path, request, callOptions(options, isIdempotent), returning: returning)
        } catch {
            throw TrellisError(error)
        }
    }

    /// Makes a unary call with a serialized request, and gives the serialized response: for programs that know messages
    /// by their descriptors only.
    public func unaryBytes(
        _ path: String,
        _ request: [UInt8],
        isIdempotent: Bool,
        options: Options? = nil
    ) async throws(TrellisError) -> [UInt8] {
        do {
            return try await channel.unaryBytes(path, request, callOptions(options, isIdempotent)).message
        } catch {
            throw TrellisError(error)
        }
    }

    /// Makes a call with one request and any number of responses, which are read as they are asked for. `isIdempotent` says
    /// whether it may be sent again while no response has come.
    public func serverStreaming<Request: Message, Response: Message>(
        _ path: String,
        _ request: Request,
        isIdempotent: Bool = false,
        options: Options? = nil,
        returning: Response.Type = Response.self
    ) -> ResponseStream<Response> {
        channel.serverStreaming(path, request, callOptions(options, isIdempotent), returning: returning)
    }

    /// The same for serialized messages.
    public func serverStreamingBytes(
        _ path: String,
        _ request: [UInt8],
        isIdempotent: Bool = false,
        options: Options? = nil
    ) -> ResponseStream<[UInt8]> {
        channel.serverStreamingBytes(path, request, callOptions(options, isIdempotent))
    }

    /// Makes a call with any number of requests, which `produce` sends, and one response.
    ///
    /// - Throws: `TrellisError` with the status of a call that failed; what `produce` throws.
    public func clientStreaming<Request: Message, Response: Message>(
        _ path: String,
        options: Options? = nil,
        returning: Response.Type = Response.self,
        _ produce: (RequestWriter<Request>) async throws -> Void
    ) async throws -> Response {
        do {
            return try await channel.clientStreaming(path, callOptions(options, false), returning: returning, produce)
        } catch let error as RPCError {
            throw TrellisError(error)
        }
    }

    /// Begins a call with any number of requests and responses.
    public func bidirectional<Request: Message, Response: Message>(
        _ path: String,
        options: Options? = nil,
        sending: Request.Type = Request.self,
        returning: Response.Type = Response.self
    ) -> BidirectionalCall<Request, Response> {
        channel.bidirectional(path, callOptions(options, false), sending: sending, returning: returning)
    }

    private func callOptions(_ given: Options?, _ isIdempotent: Bool) -> CallOptions {
        let given = given ?? options
        var metadata = given.metadata
        if let token { metadata.append("authorization", "Bearer \(token)") }
        var made = CallOptions(
            inheriting: given.scope ?? CallScope(),
            metadata: metadata,
            timeout: given.timeout,
            isIdempotent: isIdempotent
        )
        if given.waitForReady { made.waitForReady = true }
        made.compression = given.compression
        return made
    }
}
