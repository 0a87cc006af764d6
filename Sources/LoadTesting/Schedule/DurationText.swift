internal import Terminal

/// Lengths of time as people write them: `250us`, `5ms`, `1.5s`, `2m`, `1h`.
enum DurationText {
    /// The longest that can be written: a week.
    static let longest: UInt64 = 7 * 86_400 * 1_000_000_000

    private static let units: [(suffix: String, nanoseconds: Double)] = [
        ("ns", 1), ("us", 1e3), ("µs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3600e9),
    ]

    /// The nanoseconds of a text; nil when it is no length of time, or longer than ``longest``.
    static func parse(_ text: some StringProtocol) -> UInt64? {
        let number = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        guard let unit = units.first(where: { $0.suffix == text.dropFirst(number.count) }), let value = Double(number)
        else { return nil }
        let nanoseconds = (value * unit.nanoseconds).rounded()
        return nanoseconds <= Double(longest) ? UInt64(nanoseconds) : nil
    }

    /// What a text must look like, for messages.
    static let expectation = "a number and a unit, such as 250us, 5ms, 1.5s or 2m, at most 168h"

    /// A length of time with three digits: `4.21 ms`.
    static func show(_ nanoseconds: UInt64) -> String { show(Double(nanoseconds)) }

    /// A length of time with three digits: `4.21 ms`.
    static func show(_ nanoseconds: Double) -> String {
        if nanoseconds < 1e3 { return "\(Int(nanoseconds.rounded())) ns" }
        if nanoseconds < 999_500 { return "\(NumberText.digits(nanoseconds / 1e3)) us" }
        if nanoseconds < 999.5e6 { return "\(NumberText.digits(nanoseconds / 1e6)) ms" }
        return "\(NumberText.digits(nanoseconds / 1e9)) s"
    }
}

/// Numbers as people read them, without Foundation.
enum NumberText {
    /// Three significant digits, more for whole numbers: 4.21, 42.1, 421, 4210.
    static func digits(_ value: Double) -> String {
        let size = abs(value)
        return fixed(value, size < 9.995 ? 2 : size < 99.95 ? 1 : 0)
    }

    /// A number with so many digits after the point.
    static func fixed(_ value: Double, _ places: Int) -> String {
        guard value.isFinite, abs(value) < 1e15 else { return "\(value)" }
        var scale = 1.0
        for _ in 0..<places { scale *= 10 }
        let scaled = Int((abs(value) * scale).rounded())
        let whole = scaled / Int(scale)
        let sign = value < 0 && scaled > 0 ? "-" : ""
        guard places > 0 else { return sign + "\(whole)" }
        let rest = String(scaled % Int(scale))
        return sign + "\(whole)." + String(repeating: "0", count: places - rest.count) + rest
    }

    /// A whole number with its thousands apart: 1,234,567.
    static func grouped(_ value: some BinaryInteger) -> String {
        var groups: [Substring] = []
        let text = "\(value)"
        var rest = text.drop { $0 == "-" }
        while rest.count > 3 {
            groups.insert(rest.suffix(3), at: 0)
            rest = rest.dropLast(3)
        }
        groups.insert(rest, at: 0)
        return (text.hasPrefix("-") ? "-" : "") + groups.joined(separator: ",")
    }

    /// A rate a second: 12,345/s, 12.3/s.
    static func rate(_ value: Double) -> String {
        (value >= 999.5 ? grouped(Int(value.rounded())) : digits(value)) + "/s"
    }

    /// A part of one in percent: 0.12 %.
    static func percent(_ part: Double) -> String { digits(part * 100) + " %" }

    /// Bytes in the unit that fits.
    static func bytes(_ count: UInt64) -> String {
        var value = Double(count)
        for unit in ["B", "KiB", "MiB", "GiB"] {
            if value < 1023.5 { return unit == "B" ? "\(count) B" : "\(digits(value)) \(unit)" }
            value /= 1024
        }
        return "\(digits(value)) TiB"
    }
}
