// The kinds of value that a setting can have: how each is read from text, and what to say when it cannot be.

/// Why a text is no value of a setting: what would be right, to be put after "is not".
struct BadValue: Error, Equatable {
    let expected: String
}

/// A host and a port to listen at.
struct HostPort: Equatable, Sendable, CustomStringConvertible {
    var host: String
    var port: UInt16

    var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// Reads `host:port`, an IPv6 address in brackets.
    init(_ text: String) throws(BadValue) {
        let expected = BadValue(
            expected: "HOST:PORT, such as 127.0.0.1:7070 or [::1]:7070, with a port from 0 (any free one) to 65535"
        )
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            throw expected
        }
        var host = text[..<colon]
        if host.hasPrefix("[") && host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            throw expected
        }
        guard !host.isEmpty, !host.contains(where: { $0.isWhitespace }) else { throw expected }
        self.host = String(host)
        self.port = port
    }

    init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }
}

/// Readers of the other kinds.
enum Value {
    static func integer(_ range: ClosedRange<Int>) -> @Sendable (String) throws(BadValue) -> Int {
        { (text) throws(BadValue) in
            guard let value = Int(text), range.contains(value) else {
                throw BadValue(expected: "a whole number from \(range.lowerBound) to \(range.upperBound)")
            }
            return value
        }
    }

    /// `250ms`, `30s`, `5m`, `1h`.
    static func duration(_ range: ClosedRange<Duration>) -> @Sendable (String) throws(BadValue) -> Duration {
        { (text) throws(BadValue) in
            let units: [(String, Duration)] = [
                ("ms", .milliseconds(1)), ("s", .seconds(1)), ("m", .seconds(60)), ("h", .seconds(3600)),
            ]
            for (suffix, unit) in units where text.hasSuffix(suffix) {
                guard let count = Int32(text.dropLast(suffix.count)) else { break }
                let value = unit * Int(count)
                if range.contains(value) { return value }
                break
            }
            let bounds = "from \(durationText(range.lowerBound)) to \(durationText(range.upperBound))"
            throw BadValue(expected: "a duration such as 250ms, 30s, 5m or 1h, \(bounds)")
        }
    }

    static func durationText(_ duration: Duration) -> String {
        let milliseconds = duration.components.seconds * 1000 + duration.components.attoseconds / 1_000_000_000_000_000
        if milliseconds % 1000 != 0 { return "\(milliseconds)ms" }
        let seconds = milliseconds / 1000
        if seconds > 0 && seconds % 3600 == 0 { return "\(seconds / 3600)h" }
        if seconds > 0 && seconds % 60 == 0 { return "\(seconds / 60)m" }
        return "\(seconds)s"
    }

    /// `65536`, `64KiB`, `4MiB`.
    static func size(_ range: ClosedRange<Int>) -> @Sendable (String) throws(BadValue) -> Int {
        { (text) throws(BadValue) in
            let units = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("", 1)]
            for (suffix, unit) in units where text.hasSuffix(suffix) {
                guard let count = Int(text.dropLast(suffix.count)) else { break }
                let (value, overflow) = count.multipliedReportingOverflow(by: unit)
                if !overflow && range.contains(value) { return value }
                break
            }
            let bounds = "from \(sizeText(range.lowerBound)) to \(sizeText(range.upperBound))"
            throw BadValue(expected: "a size in bytes such as 65536, 64KiB or 4MiB, \(bounds)")
        }
    }

    static func sizeText(_ bytes: Int) -> String {
        if bytes > 0 && bytes % (1 << 30) == 0 { return "\(bytes >> 30)GiB" }
        if bytes > 0 && bytes % (1 << 20) == 0 { return "\(bytes >> 20)MiB" }
        if bytes > 0 && bytes % (1 << 10) == 0 { return "\(bytes >> 10)KiB" }
        return "\(bytes)"
    }

    static func choice<T: RawRepresentable & CaseIterable & Sendable>(
        _: T.Type
    ) -> @Sendable (String) throws(BadValue) -> T where T.RawValue == String {
        { (text) throws(BadValue) in
            guard let value = T(rawValue: text) else {
                throw BadValue(expected: "one of \(T.allCases.map(\.rawValue).joined(separator: ", "))")
            }
            return value
        }
    }

    /// A folder or file; `~/` stands for the home of the user.
    static func path(home: String?) -> @Sendable (String) throws(BadValue) -> String {
        { (text) throws(BadValue) in
            guard !text.isEmpty, !text.utf8.contains(0) else { throw BadValue(expected: "a path") }
            if text.hasPrefix("~/"), let home { return home + text.dropFirst() }
            return text
        }
    }
}
