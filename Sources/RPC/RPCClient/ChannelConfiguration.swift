public import HTTP2
public import RPC

/// How a channel connects and treats its calls.
public struct ChannelConfiguration: Sendable {
    /// How long connecting to one address may take: TCP, TLS and the server's HTTP/2 settings together.
    public var connectTimeout = Duration.seconds(10)
    /// How long an address is waited for before the next one is tried beside it (RFC 8305 calls it the connection attempt
    /// delay).
    public var attemptDelay = Duration.milliseconds(250)
    /// How long the channel waits after the first failure to connect, give or take ``backoffJitter``.
    ///
    /// gRPC's connection-backoff document has 1 s, and 120 s at most. That suits daemons; a command line whose server is just
    /// starting should not stand still for a second.
    public var initialBackoff = Duration.milliseconds(100)
    /// How long the channel waits at most between two tries to connect, give or take ``backoffJitter``.
    public var maximumBackoff = Duration.seconds(10)
    /// What the wait grows by at each further failure.
    public var backoffMultiplier = 1.6
    /// The part of the wait by which it is made longer or shorter at random, so that many clients do not come back at once.
    public var backoffJitter = 0.2
    /// How long to leave the resolver alone after it was asked because a connection was lost.
    public var resolutionPause = Duration.seconds(5)
    /// Makes the connections' transports; nil leaves them as they are, without TLS.
    public var security: (any ClientTransportSecurity)?
    /// What goes into the user-agent header.
    public var userAgent = "trellis-swift"
    /// What is said about methods: timeouts, limits, retries, load balancing.
    public var serviceConfig = ServiceConfig.trellis
    /// How often one call is sent at most, whatever its service config says (gRFC A6).
    public var maximumAttempts = 5
    /// Bytes of requests that one call keeps so that it can be sent again; a call that has sent more is not.
    public var retryBufferBytes = 1024 * 1024
    /// Bytes of one response message; a larger one is RESOURCE_EXHAUSTED.
    public var messageBytes = MessageFraming.standardMessageBytes
    /// When a silent server is asked for a sign of life.
    public var keepalive = Keepalive()
    /// The limits of the connections; ``keepalive`` goes before what they say of it.
    public var http2 = HTTP2Limits()

    /// The defaults, which each property documents.
    public init() {}

    /// The connections' limits with the keepalive in them.
    var connectionLimits: HTTP2Limits {
        var limits = http2
        limits.keepaliveSeconds = keepalive.time.map { max(1, Int($0.seconds.rounded(.up))) } ?? 0
        limits.keepaliveTimeoutSeconds = max(1, Int(keepalive.timeout.seconds.rounded(.up)))
        limits.keepaliveWithoutStreams = keepalive.withoutCalls
        // The channel keeps this time itself.
        limits.handshakeSeconds = .max / 2_000_000_000
        return limits
    }
}

/// When a silent server is asked for a sign of life by a PING (doc/keepalive.md of the gRPC project).
public struct Keepalive: Sendable, Equatable {
    /// How long a connection may be silent before, in whole seconds, 1 or more; nil is for ever. 5 minutes are what gRPC's own
    /// servers allow; a server that finds it too often says so (GOAWAY with too_many_pings), and the channel then asks half
    /// as often.
    public var time: Duration? = .seconds(300)
    /// How long the answer may take, in whole seconds, 1 or more; then the connection is given up.
    public var timeout = Duration.seconds(20)
    /// Whether it is asked while no call is under way, too. gRPC's own servers do not allow it by default.
    public var withoutCalls = false

    /// The defaults, which each property documents.
    public init() {}

    /// A time and a timeout.
    public init(time: Duration?, timeout: Duration = .seconds(20), withoutCalls: Bool = false) {
        self.time = time
        self.timeout = timeout
        self.withoutCalls = withoutCalls
    }
}

/// What a channel's connections are doing (doc/connectivity-semantics-and-api.md of the gRPC project).
public enum ConnectivityState: String, Sendable, CaseIterable {
    /// Nobody needs a connection, and there is none.
    case idle
    /// A connection is being made.
    case connecting
    /// There is a connection, and its server speaks HTTP/2.
    case ready
    /// No server could be reached; the channel waits before it tries again.
    case transientFailure
    /// The channel is closed.
    case shutdown
}

/// What is said about one call.
public struct CallOptions: Sendable {
    /// What is sent beside the request. Names of the protocol, which `Metadata` does not take in the first place, are refused
    /// when a header list was taken over with them: the call ends INVALID_ARGUMENT.
    public var metadata = Metadata()
    /// How long the call may take, with all its tries; nil is forever.
    public var timeout: Duration?
    /// When the call must be over, in nanoseconds of `EventLoop.now`, beside ``timeout``; nil is never.
    public var deadline: UInt64?
    /// Whether the call may be sent again when it is not known whether the server did it.
    public var isIdempotent = false
    /// Bytes of one response message; nil takes the limit of the service config or of the channel.
    public var messageBytes: Int?
    /// Whether the call waits, until its timeout, while no server can be reached, instead of ending UNAVAILABLE; nil takes
    /// what the service config says, or no.
    public var waitForReady: Bool?
    /// How requests of 1 KiB and more are compressed, where that makes them smaller. Responses are taken with gzip or without,
    /// whatever is said here.
    public var compression = Compression.none

    /// The ways to compress.
    public enum Compression: Sendable, Equatable {
        /// Not at all.
        case none
        /// With gzip. A server that cannot read it says UNIMPLEMENTED.
        case gzip
    }

    /// Options; none is needed.
    public init(metadata: Metadata = Metadata(), timeout: Duration? = nil, isIdempotent: Bool = false) {
        self.metadata = metadata
        self.timeout = timeout
        self.isIdempotent = isIdempotent
    }

    /// Options of a call that is made on behalf of another one: it ends when that one must have been answered, and belongs to
    /// its trace. A handler passes `context.scope`.
    public init(
        inheriting scope: CallScope,
        metadata: Metadata = Metadata(),
        timeout: Duration? = nil,
        isIdempotent: Bool = false
    ) {
        self.init(metadata: metadata, timeout: timeout, isIdempotent: isIdempotent)
        deadline = scope.deadline
        self.metadata.append(contentsOf: scope.trace)
    }
}

/// The answer to a unary call.
public struct Response<Message: Sendable>: Sendable {
    /// The response message.
    public var message: Message
    /// What came before the message.
    public var metadata: Metadata
    /// What came with the status.
    public var trailers: Metadata
}

extension Duration {
    /// The duration in nanoseconds; zero when it is negative. It must be shorter than three centuries.
    var wholeNanoseconds: UInt64 {
        let (seconds, attoseconds) = components
        return UInt64(max(0, seconds * 1_000_000_000 + attoseconds / 1_000_000_000))
    }

    /// The duration in seconds.
    var seconds: Double {
        Double(components.seconds) + Double(components.attoseconds) / 1e18
    }
}
