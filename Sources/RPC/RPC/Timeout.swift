/// The value of a grpc-timeout header: at most eight digits and a unit.
public enum Timeout {
    /// Reads a header's value.
    ///
    /// - Returns: the timeout, or nil when the value is not one.
    public static func parse(_ value: UnsafeRawBufferPointer) -> Duration? {
        guard value.count >= 2, value.count <= 9, let unit = value.last else { return nil }
        var number: Int64 = 0
        for digit in value.dropLast() {
            guard digit >= UInt8(ascii: "0"), digit <= UInt8(ascii: "9") else { return nil }
            number = number * 10 + Int64(digit - UInt8(ascii: "0"))
        }
        switch unit {
        case UInt8(ascii: "H"): return .seconds(number * 3600)
        case UInt8(ascii: "M"): return .seconds(number * 60)
        case UInt8(ascii: "S"): return .seconds(number)
        case UInt8(ascii: "m"): return .milliseconds(number)
        case UInt8(ascii: "u"): return .microseconds(number)
        case UInt8(ascii: "n"): return .nanoseconds(number)
        default: return nil
        }
    }

    /// Writes a timeout in the finest unit in which it fits, rounded up; a negative one becomes "0n".
    public static func format(_ timeout: Duration) -> String {
        guard timeout > .zero else { return "0n" }
        let (seconds, attoseconds) = timeout.components
        let units: [(perSecond: Int64, letter: String)] = [
            (1_000_000_000, "n"), (1_000_000, "u"), (1000, "m"), (1, "S"),
        ]
        for (perSecond, letter) in units where seconds <= 100_000_000 / perSecond {
            let atto = 1_000_000_000_000_000_000 / perSecond
            let count = seconds * perSecond + attoseconds / atto + (attoseconds % atto > 0 ? 1 : 0)
            if count < 100_000_000 { return "\(count)\(letter)" }
        }
        if seconds < 99_999_999 * 60 { return "\(seconds / 60 + 1)M" }
        return "\(min(99_999_999, seconds / 3600 + 1))H"
    }
}
