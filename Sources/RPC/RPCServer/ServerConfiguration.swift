public import HTTP2
public import RPC

/// What callers may do to a server. The limits of HTTP/2 are in ``HTTP2Limits``.
public struct ServerLimits: Sendable {
    /// The limits of each connection.
    public var http2 = HTTP2Limits()
    /// Bytes of one request message; a larger one is RESOURCE_EXHAUSTED.
    public var messageBytes = MessageFraming.standardMessageBytes
    /// Bytes of requests of one connection that have begun to arrive and are not whole.
    public var requestBytesPerConnection = 32 * 1024 * 1024
    /// Bytes of requests of one loop's connections that have begun to arrive and are not whole.
    public var requestBytesPerLoop = 256 * 1024 * 1024
    /// Connections of one loop; what comes beyond is closed at once.
    public var connectionsPerLoop = 20_000

    /// The defaults, which each property documents.
    public init() {}
}

/// How a server treats calls.
public struct ServerConfiguration: Sendable {
    /// What callers may do.
    public var limits = ServerLimits()
    /// Bytes of a response message below which it is not compressed: what is sent in one packet anyway.
    public var compressedBytesMin = 1024
    /// What every call passes through, in this order.
    public var interceptors: [any ServerInterceptor] = []
    /// Knows the methods' messages in JSON, so that unary methods can be called by the Connect protocol; nil refuses such
    /// calls.
    public var transcoder: (any JSONTranscoder)?
    /// Makes an error that a handler threw into one for the caller; nil when it is not for the caller's eyes. An
    /// ``RPCError`` is passed on without asking.
    public var convertError: @Sendable (any Error, ServerContext) -> RPCError? = { _, _ in nil }
    /// Hears of each error that was not for the caller's eyes, who got INTERNAL and the request id.
    public var reportFault: @Sendable (any Error, ServerContext) -> Void = { _, _ in }

    /// No interceptors, no conversion, no reports, and the default limits.
    public init() {}
}
