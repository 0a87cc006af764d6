internal import Primitives

/// Times as PostgreSQL sends them: microseconds from 2000-01-01.
enum PostgresTime {
    /// Microseconds from 1970-01-01 to 2000-01-01.
    private static let epoch: Int64 = 946_684_800_000_000
    /// The range of RFC 3339 and google.protobuf.Timestamp: the years 1 to 9999.
    private static let range = (-62_135_596_800_000_000 - epoch)...(253_402_300_799_999_999 - epoch)

    /// The value for the wire. Instants that PostgreSQL cannot hold become its infinities.
    static func wire(_ value: Instant) -> Int64 {
        let (wire, overflow) = value.microseconds.subtractingReportingOverflow(epoch)
        return overflow ? Int64.min : wire
    }

    /// The instant that came over the wire; nil when it is infinite or outside the years 1 to 9999.
    static func timestamp(wire: Int64) -> Instant? {
        range.contains(wire) ? Instant(microseconds: wire + epoch) : nil
    }
}

/// A day of the calendar, as `date` stores it.
public struct PostgresDate: Sendable, Hashable, Comparable {
    /// Days from 1970-01-01, negative before it.
    public var daysSince1970: Int32

    /// Makes the day that is `daysSince1970` days after 1970-01-01.
    public init(daysSince1970: Int32) {
        self.daysSince1970 = daysSince1970
    }

    /// Days from 1970-01-01 to 2000-01-01.
    private static let epoch: Int32 = 10_957

    /// PostgreSQL counts from 2000-01-01.
    var wire: Int32 { daysSince1970 &- Self.epoch }

    init(wire: Int32) {
        daysSince1970 = wire &+ Self.epoch
    }

    /// Whether the first day is before the second.
    public static func < (first: PostgresDate, second: PostgresDate) -> Bool {
        first.daysSince1970 < second.daysSince1970
    }
}
