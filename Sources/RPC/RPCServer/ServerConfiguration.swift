public import EventLoop
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
    /// How long a request that has to be whole before its method begins may take to arrive, in seconds; 0 is forever.
    public var requestSeconds = 60
    /// Bytes of responses of one connection that its peer has not taken; a call whose response would go beyond is
    /// RESOURCE_EXHAUSTED.
    public var responseBytesPerConnection = 64 * 1024 * 1024
    /// Bytes of requests of one loop's connections that have begun to arrive and are not whole.
    public var requestBytesPerLoop = 256 * 1024 * 1024
    /// Connections of one loop; what comes beyond is closed at once.
    public var connectionsPerLoop = 20_000
    /// Connections that one address (one /64 network of IPv6) may have open at once, over all loops; what comes beyond is
    /// closed at once. 0 is any number: for a server behind a balancer, whose address all clients share.
    public var connectionsPerAddress = 1_000
    /// Connections of one address that may end for hostility (``HTTP2Limit/isHostile``) within
    /// ``hostilitySeconds`` before new ones of that address are closed at once for as long; 0 is any number.
    public var hostileConnectionsPerAddress = 10
    /// How long hostility is remembered, in seconds.
    public var hostilitySeconds = 10

    /// The defaults, which each property documents.
    public init() {}
}

/// How a server treats calls.
public struct ServerConfiguration: Sendable {
    /// What callers may do.
    public var limits = ServerLimits()
    /// Bytes of a response message below which it is not compressed: what is sent in one packet anyway.
    public var compressedBytesMin = 1024
    /// Makes what every call of a loop passes through, in this order. Asked once a loop, on it, so that nothing that a loop
    /// has of its own need be looked for with every call.
    public var interceptors: @Sendable (EventLoop) -> [any ServerInterceptor] = { _ in [] }
    /// Makes those who hear how every call of a loop ended, in this order. Asked like ``interceptors``.
    public var observers: @Sendable (EventLoop) -> [any CallObserver] = { _ in [] }
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
