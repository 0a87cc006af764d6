import Primitives
import Terminal

/// Times and durations as people write them, into what the protobuf JSON mapping takes.
enum Times {
    private static let units: [(suffix: String, seconds: Int64)] = [
        ("d", 86_400), ("h", 3600), ("m", 60), ("s", 1),
    ]

    /// `2027-01-31T12:00:00Z`, `2027-01-31` (midnight, UTC) or `+90d` (from now).
    static func timestamp(_ text: String, _ flag: String, now: Instant) throws(UsageError) -> String {
        if text.hasPrefix("+"), let seconds = seconds(text.dropFirst()) {
            return now.advanced(byMicroseconds: seconds * 1_000_000).rfc3339
        }
        if text.utf8.count == 10, RFC3339.parse(text + "T00:00:00Z") != nil { return text + "T00:00:00Z" }
        if RFC3339.parse(text) != nil { return text }
        throw UsageError("\(flag): '\(text)' is not a time such as 2027-01-31, 2027-01-31T12:00:00Z or +90d")
    }

    /// `1.5s`, `90s`, `5m`, `2h`, `30d`.
    static func duration(_ text: String, _ flag: String) throws(UsageError) -> String {
        if text.hasSuffix("s"), let seconds = Double(text.dropLast()), seconds.isFinite { return text }
        if let seconds = seconds(text[...]) { return "\(seconds)s" }
        throw UsageError("\(flag): '\(text)' is not a duration such as 1.5s, 90s, 5m, 2h or 30d")
    }

    private static func seconds(_ text: Substring) -> Int64? {
        for (suffix, seconds) in units where text.hasSuffix(suffix) {
            guard let count = Int64(text.dropLast(suffix.count)) else { return nil }
            let (total, overflow) = count.multipliedReportingOverflow(by: seconds)
            // More than 10,000 years is a slip, and would overflow what the mapping allows.
            return overflow || abs(total) > 315_576_000_000 ? nil : total
        }
        return nil
    }
}
