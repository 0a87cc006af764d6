/// Checks fields against the rules of their proto file and collects what breaks them; what generated `validate` calls.
///
/// A path is put together only for a violation, so a valid message costs no allocation.
public struct FieldChecker {
    /// The most violations that one message is answered with.
    static let maxViolations = 64

    /// What was found, in the order of the fields.
    public private(set) var violations: [FieldViolation] = []
    /// The submessages that we are in, outermost first; the index is -1 for a singular one.
    private var path: [(name: StaticString, index: Int)] = []

    /// A checker at the top of a message.
    public init() {}

    // MARK: text and bytes

    /// Checks a string field; `minimum` and `maximum` count Unicode code points, and a maximum of 0 is no rule.
    public mutating func text(
        _ name: StaticString,
        _ value: String,
        required: Bool = false,
        minimum: Int = 0,
        maximum: Int = 0,
        format: TextFormat = .any,
        secret: Bool = false
    ) {
        guard !value.isEmpty else {
            if required { violation(name, "is required and is empty\(TextRules.wanted(minimum, maximum, format))") }
            return
        }
        if let reason = TextRules.fault(in: value, minimum, maximum, format, secret) { violation(name, reason) }
    }

    /// Checks a string field with presence; a value that is set is checked like any other.
    public mutating func text(
        _ name: StaticString,
        optional value: String?,
        required: Bool = false,
        minimum: Int = 0,
        maximum: Int = 0,
        format: TextFormat = .any,
        secret: Bool = false
    ) {
        guard let value else {
            if required { violation(name, "is required and is not set\(TextRules.wanted(minimum, maximum, format))") }
            return
        }
        text(name, value, required: required, minimum: minimum, maximum: maximum, format: format, secret: secret)
    }

    /// Checks each element of a list of strings.
    public mutating func texts(
        _ name: StaticString,
        _ values: [String],
        minimum: Int = 0,
        maximum: Int = 0,
        format: TextFormat = .any,
        secret: Bool = false
    ) {
        for (index, value) in values.enumerated() {
            if let reason = TextRules.fault(in: value, minimum, maximum, format, secret) {
                violation(name, reason, index: index)
            }
        }
    }

    /// Checks a bytes field; a maximum of 0 is no rule.
    public mutating func bytes(
        _ name: StaticString,
        _ value: [UInt8]?,
        required: Bool = false,
        minimum: Int = 0,
        maximum: Int = 0
    ) {
        guard let value, !value.isEmpty else {
            if required { violation(name, "is required and is empty") }
            return
        }
        if value.count < minimum { violation(name, "is \(value.count) bytes long; at least \(minimum) are needed") }
        if maximum > 0, value.count > maximum {
            violation(name, "is \(value.count) bytes long; at most \(maximum) are allowed")
        }
    }

    // MARK: numbers and enums

    /// Checks an integer field.
    public mutating func number<N: BinaryInteger>(
        _ name: StaticString,
        _ value: N?,
        required: Bool = false,
        minimum: Int64? = nil,
        maximum: Int64? = nil
    ) {
        guard let value else {
            if required { violation(name, "is required and is not set") }
            return
        }
        let isLow = minimum.map { value < $0 } ?? false
        let isHigh = maximum.map { value > $0 } ?? false
        if isLow || isHigh { violation(name, "is \(value); it must be \(Self.range(minimum, maximum))") }
    }

    /// Checks a floating-point field, which must be finite where it has rules.
    public mutating func number(
        _ name: StaticString,
        floating value: Double?,
        required: Bool = false,
        minimum: Int64? = nil,
        maximum: Int64? = nil
    ) {
        guard let value else {
            if required { violation(name, "is required and is not set") }
            return
        }
        let isLow = minimum.map { value < Double($0) } ?? false
        let isHigh = maximum.map { value > Double($0) } ?? false
        if isLow || isHigh || !value.isFinite {
            violation(name, "is \(value); it must be \(Self.range(minimum, maximum))")
        }
    }

    /// Checks an enum field: a number that this server has no name for is refused, and zero where a value is required.
    public mutating func value<E: GeneratedEnum>(_ name: StaticString, _ value: E?, required: Bool = false) {
        guard let value else {
            if required { violation(name, "is required and is not set; it must be \(Self.oneOf(E.self))") }
            return
        }
        if value.protoName == nil {
            violation(name, "is \(value.rawValue), which has no name here; it must be \(Self.oneOf(E.self))")
        } else if required, value.rawValue == 0 {
            violation(name, "is required and is not set; it must be \(Self.oneOf(E.self))")
        }
    }

    /// Checks each element of a list of enum values.
    public mutating func values<E: GeneratedEnum>(_ name: StaticString, _ values: [E]) {
        for (index, value) in values.enumerated() where value.protoName == nil {
            let reason = "is \(value.rawValue), which has no name here; it must be \(Self.oneOf(E.self))"
            violation(name, reason, index: index)
        }
    }

    // MARK: messages and lists

    /// Checks the number of elements of a list; a maximum of 0 is no rule.
    public mutating func count(
        _ name: StaticString,
        _ count: Int,
        required: Bool = false,
        minimum: Int = 0,
        maximum: Int = 0
    ) {
        if required, count == 0 {
            violation(name, "is required and is empty; at least \(max(minimum, 1)) must be given")
        } else if count < minimum {
            violation(name, "has \(count) elements; at least \(minimum) are needed")
        } else if maximum > 0, count > maximum {
            violation(name, "has \(count) elements; at most \(maximum) are allowed")
        }
    }

    /// Checks that a field is set.
    public mutating func set(_ name: StaticString, _ isSet: Bool) {
        if !isSet { violation(name, "is required and is not set") }
    }

    /// Checks a submessage by its own rules.
    public mutating func message<M: ValidatedMessage>(_ name: StaticString, _ value: M?) {
        guard let value else { return }
        path.append((name, -1))
        value.validate(&self)
        path.removeLast()
    }

    /// Checks each element of a list of submessages by their own rules.
    public mutating func messages<M: ValidatedMessage>(_ name: StaticString, _ values: [M]) {
        for (index, value) in values.enumerated() {
            guard violations.count < Self.maxViolations else { return }
            path.append((name, index))
            value.validate(&self)
            path.removeLast()
        }
    }

    // MARK: what is said

    private mutating func violation(_ name: StaticString, _ reason: String, index: Int = -1) {
        guard violations.count < Self.maxViolations else { return }
        let field = (path + [(name, index)])
            .map { $0.index < 0 ? "\($0.name)" : "\($0.name)[\($0.index)]" }.joined(separator: ".")
        violations.append(FieldViolation(field: field, reason: reason))
    }

    private static func range(_ minimum: Int64?, _ maximum: Int64?) -> String {
        switch (minimum, maximum) {
        case (let low?, let high?): "from \(low) to \(high)"
        case (let low?, nil): "at least \(low)"
        case (nil, let high?): "at most \(high)"
        case (nil, nil): "a finite number"
        }
    }

    private static func oneOf<E: GeneratedEnum>(_: E.Type) -> String {
        let names = E.knownCases.filter { $0.rawValue != 0 }.compactMap(\.protoName)
        return names.isEmpty ? "left out" : "one of \(names.joined(separator: ", "))"
    }
}

/// The rules of one text and what is said about breaking them.
private enum TextRules {
    /// What is wrong with the text, or nil. The value is shown unless it is a secret.
    static func fault(
        in value: String,
        _ minimum: Int,
        _ maximum: Int,
        _ format: TextFormat,
        _ secret: Bool
    ) -> String? {
        // Bytes are never fewer than code points, so most values need no counting.
        if maximum > 0, value.utf8.count > maximum {
            let length = value.unicodeScalars.count
            if length > maximum { return "is \(length) characters long; at most \(maximum) are allowed" }
        }
        if minimum > 1 {
            let length = value.unicodeScalars.count
            if length < minimum { return "is \(length) characters long; at least \(minimum) are needed" }
        }
        guard !format.admits(value) else { return nil }
        return secret ? "is not \(format.wanted)" : "is \"\(shown(value))\"; it must be \(format.wanted)"
    }

    /// What would be right, to follow what is wrong.
    static func wanted(_ minimum: Int, _ maximum: Int, _ format: TextFormat) -> String {
        if format != .any { return "; it must be \(format.wanted)" }
        if maximum > 0 { return "; it must be \(max(minimum, 1)) to \(maximum) characters long" }
        return minimum > 1 ? "; it must be at least \(minimum) characters long" : ""
    }

    private static func shown(_ value: String) -> String {
        let most = 60
        let cut = value.unicodeScalars.prefix(most)
        let text = String(String.UnicodeScalarView(cut))
        return cut.endIndex == value.unicodeScalars.endIndex ? text : text + "..."
    }
}
