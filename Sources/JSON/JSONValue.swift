/// A JSON value (RFC 8259) that keeps what the text said: the order of members, and numbers as they were written, so that
/// a 64-bit integer or a long decimal goes through unchanged.
public enum JSONValue: Sendable, Equatable {
    /// `null`
    case null
    /// `true` or `false`
    case bool(Bool)
    /// A number, as the characters that stood for it.
    case number(String)
    /// A string, with its escapes resolved.
    case string(String)
    /// Elements in order.
    case array([JSONValue])
    /// Members in order; no name stands twice in one that was parsed.
    case object([JSONMember])

    /// The member of this name, `nil` when there is none or this is no object.
    public subscript(_ name: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.name == name }?.value
    }

    /// The string, `nil` when this is none.
    public var string: String? {
        if case .string(let value) = self { value } else { nil }
    }

    /// The elements, `nil` when this is no array.
    public var array: [JSONValue]? {
        if case .array(let value) = self { value } else { nil }
    }

    /// The members, `nil` when this is no object.
    public var object: [JSONMember]? {
        if case .object(let value) = self { value } else { nil }
    }

    /// The number as an `Int`, `nil` when this is none or does not fit.
    public var int: Int? {
        if case .number(let text) = self { Int(text) } else { nil }
    }

    /// The truth value, `nil` when this is none.
    public var bool: Bool? {
        if case .bool(let value) = self { value } else { nil }
    }

    /// What kind of value this is, for messages.
    public var kind: String {
        switch self {
        case .null: "null"
        case .bool: "a truth value"
        case .number: "a number"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }
}

/// A member of a JSON object.
public struct JSONMember: Sendable, Equatable {
    /// The name before the colon.
    public var name: String
    /// The value after it.
    public var value: JSONValue

    /// A member.
    public init(_ name: String, _ value: JSONValue) {
        self.name = name
        self.value = value
    }
}

/// Text that is no JSON: what is wrong, and where.
public struct JSONError: Error, Equatable, CustomStringConvertible {
    /// What is wrong.
    public let reason: String
    /// The line, from 1.
    public let line: Int
    /// The byte in the line, from 1.
    public let column: Int

    /// The reason and the place in one sentence.
    public var description: String { "\(reason) at line \(line), column \(column)" }
}
