extension JSONValue {
    /// How JSON text is laid out.
    public enum Layout: Sendable {
        /// On one line, without spaces.
        case compact
        /// A member or an element a line, indented by two spaces.
        case indented
    }

    /// The elements of an array; nil for anything else.
    public var elements: [JSONValue]? {
        if case .array(let elements) = self { elements } else { nil }
    }

    /// The members of an object in their order; nil for anything else.
    public var members: [(key: String, value: JSONValue)]? {
        if case .object(let members) = self { members } else { nil }
    }

    /// The value as JSON text.
    public func written(_ layout: Layout = .compact) -> String {
        var result = ""
        write(to: &result, layout, level: 0)
        return result
    }

    private func write(to result: inout String, _ layout: Layout, level: Int) {
        switch self {
        case .null: result += "null"
        case .bool(let value): result += value ? "true" : "false"
        case .number(let text): result += text
        case .string(let text): Self.write(text, to: &result)
        case .array(let elements):
            Self.write(elements, in: ("[", "]"), to: &result, layout, level) { element, result in
                element.write(to: &result, layout, level: level + 1)
            }
        case .object(let members):
            Self.write(members, in: ("{", "}"), to: &result, layout, level) { member, result in
                Self.write(member.key, to: &result)
                result += layout == .indented ? ": " : ":"
                member.value.write(to: &result, layout, level: level + 1)
            }
        }
    }

    private static func write<Element>(
        _ elements: [Element],
        in brackets: (String, String),
        to result: inout String,
        _ layout: Layout,
        _ level: Int,
        _ each: (Element, inout String) -> Void
    ) {
        result += brackets.0
        for (index, element) in elements.enumerated() {
            if index > 0 { result += "," }
            if layout == .indented { result += "\n" + String(repeating: "  ", count: level + 1) }
            each(element, &result)
        }
        if layout == .indented && !elements.isEmpty { result += "\n" + String(repeating: "  ", count: level) }
        result += brackets.1
    }

    /// Writes a string in double quotes: what RFC 8259, section 7, asks for is escaped, and so are DEL, U+2028 and
    /// U+2029, which terminals and older JavaScript take for more than text.
    public static func write(_ text: String, to result: inout String) {
        result += "\""
        for scalar in text.unicodeScalars {
            switch scalar.value {
            case 0x22: result += "\\\""
            case 0x5C: result += "\\\\"
            case 0x08: result += "\\b"
            case 0x0C: result += "\\f"
            case 0x0A: result += "\\n"
            case 0x0D: result += "\\r"
            case 0x09: result += "\\t"
            case 0..<0x20, 0x7F, 0x2028, 0x2029:
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        result += "\""
    }
}
