internal import Primitives

/// The texts that stand for well-known types in JSON.
enum WellKnownText {
    // MARK: google.protobuf.Timestamp

    /// The years 1 to 9999.
    private static let timestampSeconds: ClosedRange<Int64> = -62_135_596_800...253_402_300_799

    static func timestamp(_ value: (seconds: Int64, nanos: Int32), _ path: String) throws(JSONError) -> String {
        guard timestampSeconds.contains(value.seconds), (0...999_999_999).contains(value.nanos) else {
            throw JSONError(
                reason: "\(value.seconds) s and \(value.nanos) ns are no time of the years 1 to 9999",
                path: path
            )
        }
        return RFC3339.format(seconds: value.seconds, nanoseconds: value.nanos)
    }

    static func timestamp(_ text: String, _ path: String) throws(JSONError) -> (seconds: Int64, nanos: Int32) {
        guard let (seconds, nanos) = RFC3339.parse(text), timestampSeconds.contains(seconds) else {
            throw JSONError(reason: "\"\(text)\" is no time; it must be like 2026-11-21T14:05:00Z", path: path)
        }
        return (seconds, nanos)
    }

    // MARK: google.protobuf.Duration

    private static let maxSeconds: Int64 = 315_576_000_000

    static func duration(_ value: (seconds: Int64, nanos: Int32), _ path: String) throws(JSONError) -> String {
        let isInRange = (-maxSeconds...maxSeconds).contains(value.seconds) && value.nanos.magnitude < 1_000_000_000
        guard isInRange, value.seconds == 0 || value.nanos == 0 || (value.seconds < 0) == (value.nanos < 0) else {
            throw JSONError(reason: "\(value.seconds) s and \(value.nanos) ns are no length of time", path: path)
        }
        let sign = value.seconds < 0 || value.nanos < 0 ? "-" : ""
        var fraction = ""
        if value.nanos != 0 {
            var digits = String(value.nanos.magnitude + 1_000_000_000).dropFirst()
            while digits.hasSuffix("000") { digits = digits.dropLast(3) }
            fraction = ".\(digits)"
        }
        return "\(sign)\(value.seconds.magnitude)\(fraction)s"
    }

    static func duration(_ text: String, _ path: String) throws(JSONError) -> (seconds: Int64, nanos: Int32) {
        let wrong = JSONError(reason: "\"\(text)\" is no length of time; it must be like 1.5s or -30s", path: path)
        guard text.hasSuffix("s") else { throw wrong }
        let isNegative = text.hasPrefix("-")
        let parts = text.dropLast().dropFirst(isNegative ? 1 : 0).split(
            separator: ".",
            omittingEmptySubsequences: false
        )
        guard (1...2).contains(parts.count), !parts[0].isEmpty, parts.allSatisfy({ $0.utf8.allSatisfy(\.isDigit) }),
            let seconds = Int64(parts[0]), seconds <= maxSeconds
        else { throw wrong }
        var nanos: Int32 = 0
        if parts.count == 2 {
            guard (1...9).contains(parts[1].utf8.count) else { throw wrong }
            nanos = Int32(parts[1] + String(repeating: "0", count: 9 - parts[1].utf8.count)) ?? 0
        }
        return isNegative ? (-seconds, -nanos) : (seconds, nanos)
    }

    // MARK: google.protobuf.FieldMask

    /// `inner.display_name` to `inner.displayName`.
    static func camelCase(_ path: String) -> String {
        var text = ""
        var isWordStart = false
        for character in path {
            if character == "_" {
                isWordStart = true
            } else {
                text += isWordStart ? character.uppercased() : String(character)
                isWordStart = false
            }
        }
        return text
    }

    /// `inner.displayName` to `inner.display_name`.
    static func snakeCase(_ path: String) -> String {
        path.reduce(into: "") { text, character in
            text += character.isUppercase ? "_" + character.lowercased() : String(character)
        }
    }
}
