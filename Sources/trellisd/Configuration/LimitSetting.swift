import HTTP2
import RPCServer

/// A setting that is a limit of the server: a row of ``all``, and nothing else, makes it a flag, a variable, a key of the
/// file, a line of the help and of the documents. Its default is the limit's own.
struct LimitSetting: Sendable {
    let entry: SettingEntry
    /// Reads the text of a value and sets it.
    let set: @Sendable (_ text: String, _ limits: inout ServerLimits) throws(BadValue) -> Void

    /// How a value is written.
    private enum Unit {
        case count
        case bytes
        /// Whole seconds, written as a duration; 0 is never or for ever.
        case seconds
    }

    private init(
        _ name: String,
        _ limit: any WritableKeyPath<ServerLimits, Int> & Sendable,
        _ unit: Unit,
        _ range: ClosedRange<Int>,
        _ help: String
    ) {
        let standard = ServerLimits()[keyPath: limit]
        let placeholder: String
        let defaultText: String
        switch unit {
        case .count:
            (placeholder, defaultText) = ("N", "\(standard)")
            set = { (text, limits) throws(BadValue) in limits[keyPath: limit] = try Value.integer(range)(text) }
        case .bytes:
            (placeholder, defaultText) = ("SIZE", Value.sizeText(standard))
            set = { (text, limits) throws(BadValue) in limits[keyPath: limit] = try Value.size(range)(text) }
        case .seconds:
            (placeholder, defaultText) = ("DURATION", Value.durationText(.seconds(standard)))
            set = { (text, limits) throws(BadValue) in
                let bounds = Duration.seconds(range.lowerBound)...(.seconds(range.upperBound))
                let duration = try Value.duration(bounds)(text)
                guard duration.components.attoseconds == 0 else {
                    throw BadValue(expected: "a whole number of seconds, such as 30s or 5m")
                }
                limits[keyPath: limit] = Int(duration.components.seconds)
            }
        }
        entry = SettingEntry(name: name, placeholder: placeholder, defaultText: defaultText, help: help)
    }

    /// In the order in which help shows them.
    static let all: [LimitSetting] = [
        LimitSetting(
            "max-message-size",
            \.messageBytes,
            .bytes,
            (64 << 10)...(64 << 20),
            "The largest request message that is accepted, from 64KiB to 64MiB."
        ),
        LimitSetting(
            "max-concurrent-streams",
            \.http2.concurrentStreams,
            .count,
            1...100_000,
            "Calls that one connection may have open at once, from 1 to 100000."
        ),
        LimitSetting(
            "max-connections-per-address",
            \.connectionsPerAddress,
            .count,
            0...1_000_000,
            "Connections that one address (a /64 network of IPv6) may have open at once; 0 is any number. Behind a balancer"
                + " all clients have its address: 0 is right there."
        ),
        LimitSetting(
            "hostile-connections-per-address",
            \.hostileConnectionsPerAddress,
            .count,
            0...1_000_000,
            "Connections of one address that may end for hostility before new ones are refused for a while; 0 is any"
                + " number, and right behind a balancer."
        ),
        LimitSetting(
            "idle-timeout",
            \.http2.idleSeconds,
            .seconds,
            0...86_400,
            "How long a connection may have no call before it is asked to go; 0s is for ever."
        ),
        LimitSetting(
            "max-connection-age",
            \.http2.connectionAgeSeconds,
            .seconds,
            0...604_800,
            "How old a connection may become, give or take a tenth, before it is asked to go, so that clients come back to"
                + " a balancer; 0s is any age."
        ),
        LimitSetting(
            "max-connection-age-grace",
            \.http2.connectionAgeGraceSeconds,
            .seconds,
            0...86_400,
            "How long calls may go on after that before the connection is closed; 0s is for ever."
        ),
        LimitSetting(
            "keepalive-time",
            \.http2.keepaliveSeconds,
            .seconds,
            0...86_400,
            "How long a connection may be silent before it is sent a PING; 0s is for ever."
        ),
        LimitSetting(
            "keepalive-timeout",
            \.http2.keepaliveTimeoutSeconds,
            .seconds,
            1...3600,
            "How long the answer to that PING may take, from 1s to 1h."
        ),
    ]
}
