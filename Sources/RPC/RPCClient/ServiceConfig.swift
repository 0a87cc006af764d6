public import RPC

/// How a channel treats the calls of a service's methods: gRPC's service config (doc/service_config.md and gRFC A6 of the
/// gRPC project), as values. ``init(json:)`` reads it from its standard JSON.
public struct ServiceConfig: Sendable, Equatable {
    /// How calls are spread over the addresses.
    public var loadBalancing = LoadBalancing.pickFirst
    /// What is said about methods. A method's own entry goes before its service's, and that before the default.
    public var methods: [MethodConfig] = []
    /// When nothing is sent again any more; nil is never.
    public var retryThrottling: RetryThrottling?

    /// Nothing said: calls are sent again only when no server can have seen them.
    public init() {}

    /// What is made for Trellis, and a channel's default: a call that ends UNAVAILABLE is sent again, up to 4 times in all, if
    /// it may be repeated or no server saw it; after a tenth of a second at first, and up to 2 s.
    public static let trellis: ServiceConfig = {
        var policy = RetryPolicy(
            maxAttempts: 4,
            initialBackoff: .milliseconds(100),
            maxBackoff: .seconds(2),
            backoffMultiplier: 2,
            retryableStatusCodes: [.unavailable]
        )
        policy.onlyIdempotent = true
        var config = ServiceConfig()
        config.methods = [MethodConfig(names: [.every], sending: .retry(policy))]
        config.retryThrottling = RetryThrottling(maxTokens: 100, tokenRatio: 0.1)
        return config
    }()
}

/// How a channel spreads its calls over the addresses that it has.
public enum LoadBalancing: Sendable, Equatable {
    /// All calls go to the first address that answers.
    case pickFirst
    /// Calls go to every address that answers, in turn.
    case roundRobin
}

/// What is said about some methods.
public struct MethodConfig: Sendable, Equatable {
    /// Which methods it is about.
    public var names: [MethodName]
    /// How long a call may take at most; a call's own timeout counts where it is shorter.
    public var timeout: Duration?
    /// Whether a call waits while no server can be reached, unless the call says itself.
    public var waitForReady: Bool?
    /// Bytes of one request message; a larger one is RESOURCE_EXHAUSTED and is not sent.
    public var maxRequestMessageBytes: Int?
    /// Bytes of one response message; a larger one is RESOURCE_EXHAUSTED.
    public var maxResponseMessageBytes: Int?
    /// Whether and how calls are sent more than once.
    public var sending: Sending

    /// How often a call is sent.
    public enum Sending: Sendable, Equatable {
        /// Once, and again only when no server can have seen it.
        case once
        /// Again after a failure.
        case retry(RetryPolicy)
        /// Again while there is no answer yet. For calls that may be repeated (``CallOptions/isIdempotent``) only.
        case hedge(HedgingPolicy)
    }

    /// What is said about methods; nil leaves something as it is.
    public init(
        names: [MethodName],
        timeout: Duration? = nil,
        waitForReady: Bool? = nil,
        maxRequestMessageBytes: Int? = nil,
        maxResponseMessageBytes: Int? = nil,
        sending: Sending = .once
    ) {
        self.names = names
        self.timeout = timeout
        self.waitForReady = waitForReady
        self.maxRequestMessageBytes = maxRequestMessageBytes
        self.maxResponseMessageBytes = maxResponseMessageBytes
        self.sending = sending
    }
}

/// The methods that a ``MethodConfig`` is about.
public struct MethodName: Sendable, Hashable {
    /// The full name of a service, such as "trellis.tenancy.v1.TenancyService"; empty is every service.
    public var service: String
    /// The name of one of its methods; empty is every method.
    public var method: String

    /// A method of a service, or all of them.
    public init(service: String, method: String = "") {
        self.service = service
        self.method = method
    }

    /// Every method of every service.
    public static let every = MethodName(service: "")
}

/// When a call that failed is sent again (gRFC A6).
public struct RetryPolicy: Sendable, Equatable {
    /// How often a call is sent in all, 2 or more. A channel's ``ChannelConfiguration/maximumAttempts`` caps it.
    public var maxAttempts: Int
    /// The wait before the second try, give or take a fifth.
    public var initialBackoff: Duration
    /// The longest wait between two tries, give or take a fifth.
    public var maxBackoff: Duration
    /// What the wait grows by from one try to the next.
    public var backoffMultiplier: Double
    /// The failures after which a call is sent again.
    public var retryableStatusCodes: Set<StatusCode>
    /// Whether only calls that may be repeated (``CallOptions/isIdempotent``), or that no server saw, are sent again. Not part
    /// of the JSON form, where it is false: there a method's policy holds for all its calls.
    public var onlyIdempotent = false

    /// A policy for all calls.
    public init(
        maxAttempts: Int,
        initialBackoff: Duration,
        maxBackoff: Duration,
        backoffMultiplier: Double,
        retryableStatusCodes: Set<StatusCode>
    ) {
        self.maxAttempts = maxAttempts
        self.initialBackoff = initialBackoff
        self.maxBackoff = maxBackoff
        self.backoffMultiplier = backoffMultiplier
        self.retryableStatusCodes = retryableStatusCodes
    }

    /// The wait after so many failures in a row, 1 or more, with the jitter of the later revision of gRFC A6.
    func wait(afterFailure failure: Int) -> Duration {
        Backoff.wait(initialBackoff, maxBackoff, backoffMultiplier, jitter: 0.2, failure: failure)
    }
}

/// When a call is sent again although no answer has come yet (gRFC A6).
public struct HedgingPolicy: Sendable, Equatable {
    /// How often a call is sent in all, 2 or more. A channel's ``ChannelConfiguration/maximumAttempts`` caps it.
    public var maxAttempts: Int
    /// How long to wait for an answer before the call is sent once more.
    public var hedgingDelay: Duration
    /// The failures after which the next one is sent at once; any other failure is the call's.
    public var nonFatalStatusCodes: Set<StatusCode>

    /// A policy.
    public init(maxAttempts: Int, hedgingDelay: Duration, nonFatalStatusCodes: Set<StatusCode> = []) {
        self.maxAttempts = maxAttempts
        self.hedgingDelay = hedgingDelay
        self.nonFatalStatusCodes = nonFatalStatusCodes
    }
}

/// How many failures there may be before nothing is sent again (gRFC A6): each failure that could be tried again takes one
/// token, each success gives ``tokenRatio`` of one back, and at half of ``maxTokens`` there are no more tries.
public struct RetryThrottling: Sendable, Equatable {
    /// How many tokens there are at first and at most; above 0, up to 1000.
    public var maxTokens: Int
    /// How much of a token a success gives back; above 0, in thousandths.
    public var tokenRatio: Double

    /// A throttle.
    public init(maxTokens: Int, tokenRatio: Double) {
        self.maxTokens = maxTokens
        self.tokenRatio = tokenRatio
    }
}

/// Exponential back-off.
enum Backoff {
    /// The wait after so many failures in a row, 1 or more.
    static func wait(
        _ initial: Duration,
        _ maximum: Duration,
        _ multiplier: Double,
        jitter: Double,
        failure: Int
    ) -> Duration {
        let limit = maximum.seconds
        var seconds = min(initial.seconds, limit)
        var step = 1
        // Bounded: a multiplier of 1 never reaches the limit.
        while step < min(failure, 200), seconds < limit {
            seconds = min(seconds * multiplier, limit)
            step += 1
        }
        return .seconds(seconds * Double.random(in: 1 - jitter...1 + jitter))
    }
}
