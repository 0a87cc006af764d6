/// A flag of a command: `--name VALUE`, `--name=VALUE`, or `--name` alone for one that is on or off.
public struct Flag: Sendable, Equatable {
    /// How many values a flag takes.
    public enum Arity: Sendable, Equatable {
        /// On when it is there: `--json`. `--json=false` and `--no-json` turn it off.
        case toggle
        /// One value; given twice is an error.
        case single
        /// One value each time it is given, in order.
        case repeated
    }

    /// The name without its dashes.
    public var name: String
    /// A one-letter short form without its dash.
    public var short: Character?
    /// How many values it takes.
    public var arity: Arity
    /// What its value is called in help, such as `HOST:PORT`.
    public var placeholder: String
    /// One or a few sentences for people.
    public var help: String
    /// The values it can have, for help, for completion and for errors; empty when they are not listed.
    public var choices: [String]

    /// A flag; see the properties.
    public init(
        _ name: String,
        short: Character? = nil,
        _ arity: Arity = .single,
        placeholder: String = "VALUE",
        help: String,
        choices: [String] = []
    ) {
        self.name = name
        self.short = short
        self.arity = arity
        self.placeholder = placeholder
        self.help = help
        self.choices = choices
    }
}

/// A command line that makes no sense: what is wrong and what would be right, for the person who typed it.
public struct UsageError: Error, Equatable, CustomStringConvertible {
    /// What is wrong and what would be right, without a full stop's worth of decoration.
    public let description: String

    /// An error with this text.
    public init(_ description: String) {
        self.description = description
    }
}

/// What stood on a command line, by flag.
public struct ParsedFlags: Sendable, Equatable {
    /// The values of each flag that was given, by its name.
    public private(set) var values: [String: [String]] = [:]
    /// What is no flag, in order.
    public private(set) var positional: [String] = []

    /// The value of a flag that takes one.
    public subscript(_ name: String) -> String? { values[name]?.last }

    /// All values of a repeated flag.
    public func all(_ name: String) -> [String] { values[name] ?? [] }

    /// Whether a toggle is on.
    public func isOn(_ name: String) -> Bool { values[name]?.last == "true" }

    /// Reads a command line.
    ///
    /// - Parameters:
    ///   - arguments: the words after the command's name.
    ///   - flags: all flags that the command knows.
    public init(_ arguments: [String], flags: [Flag]) throws(UsageError) {
        var index = 0
        while index < arguments.count {
            let argument = arguments[index]
            index += 1
            if argument == "--" {
                positional += arguments[index...]
                return
            }
            guard argument.hasPrefix("-"), argument.count > 1, Double(argument) == nil else {
                positional.append(argument)
                continue
            }
            let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            let (flag, negated) = try Self.find(parts[0], in: flags)
            let shown = negated ? "--no-\(flag.name)" : "--\(flag.name)"
            if flag.arity == .toggle {
                values[flag.name] = [try Self.toggle(parts.count == 2 ? parts[1] : nil, negated, shown)]
                continue
            }
            let value: String
            if parts.count == 2 {
                value = parts[1]
            } else if index < arguments.count {
                value = arguments[index]
                index += 1
            } else {
                throw UsageError("\(shown) needs a value: \(shown) \(flag.placeholder)")
            }
            if flag.arity == .single, let earlier = values[flag.name]?.first {
                throw UsageError("\(shown) was given twice ('\(earlier)' and '\(value)'): give it once")
            }
            if !flag.choices.isEmpty && !flag.choices.contains(value) && flag.arity == .single {
                throw UsageError(
                    "\(shown): '\(value)' is not one of \(flag.choices.joined(separator: ", "))"
                )
            }
            values[flag.name, default: []].append(value)
        }
    }

    private static func toggle(_ value: String?, _ negated: Bool, _ shown: String) throws(UsageError) -> String {
        switch value {
        case nil: return negated ? "false" : "true"
        case "true", "false": return negated == (value == "true") ? "false" : "true"
        case let other?: throw UsageError("\(shown): '\(other)' is neither true nor false")
        }
    }

    private static func find(_ word: String, in flags: [Flag]) throws(UsageError) -> (Flag, negated: Bool) {
        if word.hasPrefix("--") {
            let name = String(word.dropFirst(2))
            if let flag = flags.first(where: { $0.name == name }) { return (flag, false) }
            if name.hasPrefix("no-"),
                let flag = flags.first(where: { $0.arity == .toggle && $0.name == name.dropFirst(3) })
            {
                return (flag, true)
            }
            let guess = Suggestion.closest(to: name, among: flags.map(\.name)).map { ": did you mean --\($0)?" }
            throw UsageError("unknown flag \(word)" + (guess ?? "; --help lists the flags"))
        }
        if word.count == 2, let flag = flags.first(where: { $0.short == word.last }) { return (flag, false) }
        throw UsageError("unknown flag \(word); --help lists the flags")
    }
}
