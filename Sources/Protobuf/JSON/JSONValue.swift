/// A JSON value (RFC 8259) that keeps the order of its keys and the text of its numbers.
public enum JSONValue: Sendable, Equatable {
    /// `null`.
    case null
    /// `true` or `false`.
    case bool(Bool)
    /// A number, by its text.
    case number(String)
    /// A string.
    case string(String)
    /// An array.
    case array([JSONValue])
    /// An object; keys are unique and in the order of the text.
    case object([(key: String, value: JSONValue)])

    /// Parses JSON text.
    ///
    /// - Throws: `JSONError` where the text is not JSON, holds a key twice, or is over a limit.
    public init(parsing text: String, limits: JSONLimits = .standard) throws(JSONError) {
        var text = text
        let result: Result<JSONValue, JSONError> = text.withUTF8 { utf8 in
            Result { () throws(JSONError) in
                var parser = JSONParser(utf8, limits: limits)
                return try parser.parse()
            }
        }
        self = try result.get()
    }

    /// Whether the text is JSON within the standard limits, with an object on top.
    public static func isObject(_ text: String) -> Bool {
        guard case .object? = try? JSONValue(parsing: text) else { return false }
        return true
    }

    /// The value of a key of an object; nil where there is none or this is no object.
    public subscript(key: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.key == key }?.value
    }

    /// The element of an array; nil where there is none or this is no array.
    public subscript(index: Int) -> JSONValue? {
        guard case .array(let elements) = self, elements.indices.contains(index) else { return nil }
        return elements[index]
    }

    /// The text of a string; nil for anything else.
    public var text: String? {
        guard case .string(let text) = self else { return nil }
        return text
    }

    /// The number as an integer; nil for anything else, a fraction or out of range. `1.0` and `1e2` are integers too.
    public var integer: Int64? {
        guard case .number(let text) = self else { return nil }
        return JSONNumber.integer(text)
    }

    /// The length of time that a string is in google.protobuf.Duration's form, such as "1.5s".
    ///
    /// - Parameter path: where the value stands, for the error.
    /// - Throws: `JSONError` for anything else.
    public func duration(at path: String) throws(JSONError) -> Duration {
        guard case .string(let text) = self else {
            throw JSONError(reason: "is \(kind); it must be a string like \"1.5s\"", path: path)
        }
        let (seconds, nanos) = try WellKnownText.duration(text, path)
        return .seconds(seconds) + .nanoseconds(Int64(nanos))
    }

    /// What kind of value it is, for messages to people.
    public var kind: String {
        switch self {
        case .null: "null"
        case .bool: "a boolean"
        case .number: "a number"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }

    /// Equality: keys in any order, numbers by their text.
    public static func == (left: JSONValue, right: JSONValue) -> Bool {
        switch (left, right) {
        case (.null, .null): true
        case (.bool(let left), .bool(let right)): left == right
        case (.number(let left), .number(let right)): left == right
        case (.string(let left), .string(let right)): left == right
        case (.array(let left), .array(let right)): left == right
        case (.object(let left), .object(let right)): byKey(left) == byKey(right)
        default: false
        }
    }

    private static func byKey(_ members: [(key: String, value: JSONValue)]) -> [String: JSONValue] {
        Dictionary(members.map { ($0.key, $0.value) }, uniquingKeysWith: { first, _ in first })
    }
}

/// The limits on JSON text.
public struct JSONLimits: Sendable {
    /// How deep arrays and objects may be nested.
    public var depth: Int
    /// How long the text may be, in bytes.
    public var sizeBytes: Int

    /// Limits of the given depth and size.
    public init(depth: Int, sizeBytes: Int) {
        self.depth = depth
        self.sizeBytes = sizeBytes
    }

    /// What everything uses unless it says otherwise: depth 64, 16 MiB.
    public static let standard = JSONLimits(depth: 64, sizeBytes: 16 << 20)
}

/// Text that is not JSON, or JSON that does not fit what was wanted of it.
public struct JSONError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What is wrong, and what would be right.
    public var reason: String
    /// The path of the value it is about, such as `site.displayName`; empty for the text as a whole.
    public var path: String
    /// The line in the text, from 1; 0 when it is not about a place in the text.
    public var line: Int
    /// The column in the line, from 1, in bytes.
    public var column: Int

    /// An error by its reason and place.
    public init(reason: String, path: String = "", line: Int = 0, column: Int = 0) {
        self.reason = reason
        self.path = path
        self.line = line
        self.column = column
    }

    /// One line for people.
    public var description: String {
        if line > 0 { return "line \(line), column \(column): \(reason)" }
        return path.isEmpty ? reason : "\(path): \(reason)"
    }
}
