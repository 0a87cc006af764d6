/// What becomes of a job that fails: after how long it is tried again, and how often.
public struct RetryPolicy: Sendable, Equatable {
    /// The pause after the first failure.
    public var pause: Duration
    /// Whether each pause is twice as long as the one before.
    public var doubles: Bool
    /// How often it is tried again; nil for as often as it takes.
    public var retries: Int?
    /// After how many failures whoever runs the server is warned that it keeps failing; nil for never.
    public var warnsAfter: Int?

    /// Takes the parts.
    public init(pause: Duration, doubles: Bool, retries: Int?, warnsAfter: Int?) {
        self.pause = pause
        self.doubles = doubles
        self.retries = retries
        self.warnsAfter = warnsAfter
    }

    /// Three retries, after 2, 4 and 8 seconds: for what fails for a moment.
    public static let standard = RetryPolicy(pause: .seconds(2), doubles: true, retries: 3, warnsAfter: nil)

    /// Every 30 minutes until it succeeds, with a warning after three failures: for what depends on others, who may be away.
    public static let untilItSucceeds = RetryPolicy(pause: .seconds(1800), doubles: false, retries: nil, warnsAfter: 3)

    /// No retry.
    public static let never = RetryPolicy(pause: .zero, doubles: false, retries: 0, warnsAfter: nil)

    /// How long to wait after a number of failures; nil when it is not tried again.
    public func pause(after failures: Int) -> Duration? {
        if let retries, failures > retries { return nil }
        guard doubles else { return pause }
        return pause * (1 << min(max(failures - 1, 0), 20))
    }
}

/// A failure that trying again does not change: the job ends with it at once.
public struct PermanentJobFailure: Error, CustomStringConvertible {
    /// What went wrong.
    public let reason: any Error

    /// Takes what went wrong.
    public init(_ reason: any Error) { self.reason = reason }

    /// What went wrong.
    public var description: String { "\(reason)" }
}

/// Whether an error of a job ends it: what the domain refuses it will refuse again, but for what passes by itself.
public func isPermanentJobFailure(_ error: any Error) -> Bool {
    switch error {
    case is PermanentJobFailure: true
    case DomainError.contention, DomainError.resourceExhausted: false
    case is DomainError: true
    default: false
    }
}

/// The job is no longer this server's: it was not heard of for too long, and another one has taken the job over. What the
/// transaction did that ended with this was rolled back.
public struct JobLost: Error, Equatable, CustomStringConvertible {
    /// Which job.
    public let job: String

    /// What has happened.
    public var description: String { "job \(job) was taken over by another server" }
}
