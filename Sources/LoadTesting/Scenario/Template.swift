internal import Primitives
internal import Protobuf

/// The values that names in templates stand for, while an iteration runs.
struct Variables {
    /// What was saved out of responses, by name.
    var saved: [String: JSONValue]
    /// The current row of each feeder, by the feeder's name.
    var rows: [String: [String: JSONValue]]
    /// The number of the user, or in open loop of the lane.
    var user: Int
    /// How many iterations the lane began before this one.
    var iteration: Int
    var random: SplitMix64
}

/// Why a template has no value.
struct TemplateError: Error, CustomStringConvertible {
    let description: String
}

/// What stands in `${...}`.
enum Placeholder: Sendable, Equatable {
    /// `${name}`: what a step saved.
    case saved(String)
    /// `${feeder.column}`.
    case column(feeder: String, column: String)
    /// `${user}`, `${iteration}`.
    case user
    case iteration
    /// `${uuid}`: a new UUIDv7 each time.
    case uuid
    /// `${random:1:100}`: a whole number from the first to the second.
    case random(ClosedRange<Int64>)
    /// `${env:NAME}`, read once at the start.
    case constant(String)

    /// Its value now.
    func value(_ variables: inout Variables) throws(TemplateError) -> JSONValue {
        switch self {
        case .saved(let name):
            guard let value = variables.saved[name] else {
                throw TemplateError(description: "${\(name)} has no value: the step that saves it did not succeed")
            }
            return value
        case .column(let feeder, let column):
            guard let value = variables.rows[feeder]?[column] else {
                throw TemplateError(description: "${\(feeder).\(column)} has no value in this row of the feeder")
            }
            return value
        // Texts: fields of numbers take them, too.
        case .user: return .string("\(variables.user)")
        case .iteration: return .string("\(variables.iteration)")
        case .uuid: return .string(UUID.v7().text)
        case .random(let range): return .string("\(Int64.random(in: range, using: &variables.random))")
        case .constant(let text): return .string(text)
        }
    }
}

/// Text with placeholders in it.
struct TextTemplate: Sendable, Equatable {
    enum Part: Sendable, Equatable {
        case text(String)
        case placeholder(Placeholder)
    }

    let parts: [Part]

    /// Reads a text; `$${` stands for `${` itself.
    init(_ text: String, _ scope: TemplateScope) throws(TemplateError) {
        var parts: [Part] = []
        var literal = ""
        var rest = text[...]
        while let begin = rest.firstRange(of: "${") {
            if begin.lowerBound > rest.startIndex, rest[rest.index(before: begin.lowerBound)] == "$" {
                literal += rest[..<rest.index(before: begin.lowerBound)] + "${"
                rest = rest[begin.upperBound...]
                continue
            }
            guard let end = rest[begin.upperBound...].firstIndex(of: "}") else {
                throw TemplateError(description: "'${' in \"\(text)\" has no '}' behind it")
            }
            literal += rest[..<begin.lowerBound]
            let placeholder = try scope.placeholder(String(rest[begin.upperBound..<end]))
            if case .constant(let text) = placeholder {
                literal += text
            } else {
                if !literal.isEmpty { parts.append(.text(literal)) }
                literal = ""
                parts.append(.placeholder(placeholder))
            }
            rest = rest[rest.index(after: end)...]
        }
        literal += rest
        if !literal.isEmpty || parts.isEmpty { parts.append(.text(literal)) }
        self.parts = parts
    }

    /// A text that is taken as it is.
    init(constant text: String) { parts = [.text(text)] }

    /// The text when it has no placeholder.
    var constant: String? {
        guard parts.count == 1, case .text(let text) = parts[0] else { return nil }
        return text
    }

    /// The value now: that of the placeholder itself where the text is nothing else, so that a number stays one.
    func value(_ variables: inout Variables) throws(TemplateError) -> JSONValue {
        if parts.count == 1, case .placeholder(let placeholder) = parts[0] { return try placeholder.value(&variables) }
        return .string(try text(&variables))
    }

    /// The text now.
    func text(_ variables: inout Variables) throws(TemplateError) -> String {
        var result = ""
        for part in parts {
            switch part {
            case .text(let text): result += text
            case .placeholder(let placeholder):
                switch try placeholder.value(&variables) {
                case .string(let text): result += text
                case let other: result += other.written()
                }
            }
        }
        return result
    }
}

/// The names that a template may use.
struct TemplateScope {
    /// The columns of each feeder.
    var feeders: [String: [String]] = [:]
    /// What steps before it save.
    var saved: Set<String> = []
    var environment: (String) -> String? = { _ in nil }

    /// What stands between `${` and `}`.
    func placeholder(_ name: String) throws(TemplateError) -> Placeholder {
        let words = name.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        switch words[0] {
        case "user" where words.count == 1: return .user
        case "iteration" where words.count == 1: return .iteration
        case "uuid" where words.count == 1: return .uuid
        case "random":
            guard words.count == 3, let low = Int64(words[1]), let high = Int64(words[2]), low <= high else {
                throw TemplateError(
                    description: "${\(name)} must be two whole numbers, the lower one first: ${random:1:100}"
                )
            }
            return .random(low...high)
        case "env":
            guard words.count == 2, let value = environment(words[1]) else {
                throw TemplateError(
                    description: "${\(name)}: the environment has no \(words.dropFirst().joined(separator: ":"))"
                )
            }
            return .constant(value)
        default: break
        }
        if saved.contains(name) { return .saved(name) }
        let parts = name.split(separator: ".", maxSplits: 1).map(String.init)
        if parts.count == 2, let columns = feeders[parts[0]] {
            guard columns.contains(parts[1]) else {
                throw TemplateError(
                    description: "${\(name)}: the feeder \(parts[0]) has no column \(parts[1]); it has "
                        + columns.joined(separator: ", ")
                )
            }
            return .column(feeder: parts[0], column: parts[1])
        }
        let known = saved.sorted() + feeders.keys.sorted().map { "\($0).COLUMN" }
        throw TemplateError(
            description: "${\(name)} is not known here; there are "
                + (known + ["user", "iteration", "uuid", "random:A:B", "env:NAME"]).joined(separator: ", ")
        )
    }
}

/// A JSON value with placeholders in its strings.
indirect enum JSONTemplate: Sendable {
    case constant(JSONValue)
    case text(TextTemplate)
    case array([JSONTemplate])
    case object([(key: String, value: JSONTemplate)])

    init(_ value: JSONValue, _ scope: TemplateScope) throws(TemplateError) {
        switch value {
        case .string(let text):
            let template = try TextTemplate(text, scope)
            self = template.constant.map { .constant(.string($0)) } ?? .text(template)
        case .array(let elements):
            let parts = try elements.map { element throws(TemplateError) in try JSONTemplate(element, scope) }
            self = parts.allSatisfy(\.isConstant) ? .constant(.array(parts.compactMap(\.constant))) : .array(parts)
        case .object(let members):
            var parts: [(key: String, value: JSONTemplate)] = []
            for member in members { parts.append((member.key, try JSONTemplate(member.value, scope))) }
            let constants = parts.compactMap { part in part.value.constant.map { (key: part.key, value: $0) } }
            self = constants.count == parts.count ? .constant(.object(constants)) : .object(parts)
        default: self = .constant(value)
        }
    }

    /// The value when it has no placeholder.
    var constant: JSONValue? {
        if case .constant(let value) = self { value } else { nil }
    }

    private var isConstant: Bool { constant != nil }

    /// The value now.
    func value(_ variables: inout Variables) throws(TemplateError) -> JSONValue {
        switch self {
        case .constant(let value): return value
        case .text(let template): return try template.value(&variables)
        case .array(let elements):
            var values: [JSONValue] = []
            for element in elements { values.append(try element.value(&variables)) }
            return .array(values)
        case .object(let members):
            var values: [(key: String, value: JSONValue)] = []
            for member in members { values.append((member.key, try member.value.value(&variables))) }
            return .object(values)
        }
    }
}

/// Where in a response a value is: `site.id`, `sites[0].id`.
struct ResponsePath: Sendable, Equatable {
    enum Part: Sendable, Equatable {
        case key(String)
        case index(Int)
    }

    let text: String
    let parts: [Part]

    init?(_ text: String) {
        var parts: [Part] = []
        for word in text.split(separator: ".", omittingEmptySubsequences: false) {
            let pieces = word.split(separator: "[", omittingEmptySubsequences: false)
            guard !pieces[0].isEmpty else { return nil }
            parts.append(.key(String(pieces[0])))
            for piece in pieces.dropFirst() {
                guard piece.hasSuffix("]"), let index = Int(piece.dropLast()), index >= 0 else { return nil }
                parts.append(.index(index))
            }
        }
        self.text = text
        self.parts = parts
    }

    /// The value in a response; nil where there is none.
    func find(in response: JSONValue) -> JSONValue? {
        var value = response
        for part in parts {
            let next: JSONValue? =
                switch part {
                case .key(let key): value[key]
                case .index(let index): value[index]
                }
            guard let next else { return nil }
            value = next
        }
        return value
    }
}
