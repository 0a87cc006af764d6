public import HTTP2
public import RPC

/// How a channel connects and treats its calls.
public struct ChannelConfiguration: Sendable {
    /// How long connecting to one address may take.
    public var connectTimeout = Duration.seconds(10)
    /// How long the channel waits after the first failure to connect; doubled at each further one.
    public var initialBackoff = Duration.milliseconds(50)
    /// How long the channel waits at most between two tries to connect.
    public var maximumBackoff = Duration.seconds(5)
    /// Makes the connections' transports; nil leaves them as they are, without TLS.
    public var security: (any ClientTransportSecurity)?
    /// What goes into the user-agent header.
    public var userAgent = "trellis-swift"
    /// When unary calls are tried again.
    public var retries = RetryPolicy()
    /// Bytes of one response message; a larger one is RESOURCE_EXHAUSTED.
    public var messageBytes = MessageFraming.standardMessageBytes
    /// The limits of the connection.
    public var http2: HTTP2Limits = {
        var limits = HTTP2Limits()
        limits.keepaliveSeconds = 60
        return limits
    }()

    /// The defaults, which each property documents.
    public init() {}
}

/// When a unary call is tried again: when it cannot have reached the server; and, if it may be repeated, when it ended
/// UNAVAILABLE. Never past its deadline.
public struct RetryPolicy: Sendable {
    /// How often a call is tried in all; 1 is no retry.
    public var attempts = 4
    /// The wait before the second try, give or take a quarter; doubled before each further one.
    public var initialWait = Duration.milliseconds(100)
    /// The longest wait between two tries.
    public var maximumWait = Duration.seconds(2)

    /// The defaults, which each property documents.
    public init() {}

    /// The wait before the next try, with jitter so that many clients do not come back at once.
    func wait(after attempt: Int) -> Duration {
        let doubled = initialWait * (1 << min(attempt - 1, 20))
        return min(doubled, maximumWait) * Double.random(in: 0.75...1.25)
    }
}

/// What is said about one call.
public struct CallOptions: Sendable {
    /// What is sent beside the request.
    public var metadata = Metadata()
    /// How long the call may take, with all its tries; nil is forever.
    public var timeout: Duration?
    /// Whether the call may be sent again when it is not known whether the server did it.
    public var isIdempotent = false
    /// Bytes of one response message; nil takes the channel's limit.
    public var messageBytes: Int?

    /// Options; none is needed.
    public init(metadata: Metadata = Metadata(), timeout: Duration? = nil, isIdempotent: Bool = false) {
        self.metadata = metadata
        self.timeout = timeout
        self.isIdempotent = isIdempotent
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
