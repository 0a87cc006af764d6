import Logging
import Primitives
import Protobuf
import Terminal

/// Logs on standard error: a JSON object a line for programs, or a line of text for a person at a terminal.
///
/// A line is written with one system call, so lines of several threads do not mix.
struct StandardErrorLog: LogHandler {
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?
    let label: String
    let isJSON: Bool

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var all = metadata
        if let provided = metadataProvider?.get() { all.merge(provided) { _, new in new } }
        if let extra = event.metadata { all.merge(extra) { _, new in new } }
        let time = Self.now()
        Terminal.print(
            isJSON
                ? Self.json(time, event.level, label, event.message.description, all)
                : Self.text(time, event.level, event.message.description, all),
            to: .error
        )
    }

    private static func now() -> String { Instant.now().rfc3339 }

    /// One JSON object: time, level, logger and message first, then what the event carries, by name.
    static func json(
        _ time: String,
        _ level: Logger.Level,
        _ label: String,
        _ message: String,
        _ metadata: Logger.Metadata
    ) -> String {
        var members: [(key: String, value: JSONValue)] = [
            ("time", .string(time)), ("level", .string(level.rawValue)),
            ("logger", .string(label)), ("message", .string(message)),
        ]
        let taken = Set(members.map(\.key))
        for (name, value) in metadata.sorted(by: { $0.key < $1.key }) {
            members.append((taken.contains(name) ? "\(name)_" : name, value.json))
        }
        return JSONValue.object(members).written()
    }

    /// `12:34:56.789 warning message  name=value`, safe to show.
    static func text(_ time: String, _ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata) -> String {
        let clock = time.split(separator: "T").last.map { $0.prefix(12) } ?? ""
        let values = metadata.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
        return DisplayWidth.printable(
            "\(clock) \(DisplayWidth.padded(level.rawValue, to: 7)) \(message)" + (values.isEmpty ? "" : " " + values)
        )
    }
}

extension Logger.MetadataValue {
    fileprivate var json: JSONValue {
        switch self {
        case .string(let text): .string(text)
        case .stringConvertible(let value): .string(value.description)
        case .array(let values): .array(values.map(\.json))
        case .dictionary(let values):
            .object(values.sorted { $0.key < $1.key }.map { ($0.key, $0.value.json) })
        }
    }
}

extension StandardErrorLog {
    /// Makes this the log of the whole process. To be called once, before anything logs.
    static func install(_ configuration: Configuration) {
        let isJSON: Bool
        switch configuration.logFormat {
        case .json: isJSON = true
        case .text: isJSON = false
        case .auto: isJSON = !Terminal.isInteractive(.error)
        }
        // The names of the levels are those of swift-log; a test holds them together.
        let level = Logger.Level(rawValue: configuration.logLevel.rawValue) ?? .info
        LoggingSystem.bootstrap { label in StandardErrorLog(logLevel: level, label: label, isJSON: isJSON) }
    }
}
