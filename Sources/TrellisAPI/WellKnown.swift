public import Primitives
public import Protobuf

extension Timestamp {
    /// The same instant; microseconds, which is what PostgreSQL keeps.
    public init(_ instant: Instant) {
        let (seconds, rest) = instant.microseconds.quotientAndRemainder(dividingBy: 1_000_000)
        let isBefore = rest < 0
        self.init(seconds: isBefore ? seconds - 1 : seconds, nanos: Int32(isBefore ? rest + 1_000_000 : rest) * 1000)
    }

    /// The same instant to the microsecond; nanoseconds below it are cut off. The years that a timestamp may have fit.
    public var instant: Instant { Instant(microseconds: seconds &* 1_000_000 &+ Int64(nanos) / 1000) }
}

extension Timestamp: ValidatedMessage {
    /// Seconds of the years 1 to 9999, and nanoseconds that are not negative (timestamp.proto).
    public func validate(_ check: inout FieldChecker) {
        check.number("seconds", seconds, minimum: -62_135_596_800, maximum: 253_402_300_799)
        check.number("nanos", nanos, minimum: 0, maximum: 999_999_999)
    }
}

extension ProtoDuration {
    /// The same length of time, to the nanosecond.
    public init(_ duration: Duration) {
        let parts = duration.components
        self.init(seconds: parts.seconds, nanos: Int32(parts.attoseconds / 1_000_000_000))
    }

    /// The same length of time.
    public var duration: Duration { .seconds(seconds) + .nanoseconds(Int64(nanos)) }
}

extension ProtoDuration: ValidatedMessage {
    /// About 10,000 years either way, and nanoseconds of the seconds' sign (duration.proto).
    public func validate(_ check: inout FieldChecker) {
        check.number("seconds", seconds, minimum: -315_576_000_000, maximum: 315_576_000_000)
        check.number(
            "nanos",
            nanos,
            minimum: seconds > 0 ? 0 : -999_999_999,
            maximum: seconds < 0 ? 0 : 999_999_999
        )
    }
}
