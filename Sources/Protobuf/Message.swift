/// A protobuf message as a plain Swift value. Conformances are generated from `proto/` by `scripts/generate`.
public protocol Message: Sendable, Equatable {
    /// The full name of the message, such as `trellis.tenancy.v1.Site`.
    static var fullName: String { get }

    /// A message with every field at its default.
    init()

    /// Decodes a message: the wire check first, then protobuf-c into the thread's arena, then a copy into Swift values.
    ///
    /// - Throws: `WireError` when the bytes are not a well-formed message of this type within `WireLimits.standard`.
    init(serialized bytes: UnsafeRawBufferPointer) throws(WireError)

    /// Encodes the message after `prefix` zero bytes (room for gRPC's five bytes of framing).
    ///
    /// A NUL in a string, which protobuf-c cannot carry, is written as U+FFFD; one that arrives is refused.
    func serialized(prefix: Int) -> [UInt8]

    /// What is wrong with the fields, by the rules of the proto file; empty when all is well, or there are no rules.
    ///
    /// A requirement, so that asking any message costs a call: a cast to ``ValidatedMessage`` costs a search.
    func violations() -> [FieldViolation]
}

extension Message {
    /// Decodes a message from an array of bytes.
    ///
    /// - Throws: `WireError` when the bytes are not a well-formed message of this type within `WireLimits.standard`.
    @inlinable
    public init(serialized bytes: [UInt8]) throws(WireError) {
        self = try bytes.span.withUnsafeBytes { (raw) throws(WireError) in try Self(serialized: raw) }
    }

    /// Encodes the message with nothing before it.
    public func serialized() -> [UInt8] { serialized(prefix: 0) }

    /// Nothing: a message without rules.
    public func violations() -> [FieldViolation] { [] }
}

/// A message whose proto file carries field rules (`trellis.options.v1.Rules`), checked before a handler sees it.
public protocol ValidatedMessage: Message {
    /// Checks the fields of this message. Submessages are checked by their own `validate`, which this calls.
    func validate(_ check: inout FieldChecker)
}

extension ValidatedMessage {
    /// What is wrong with the message: a path, what is wrong with the value and what would be right; empty when all is
    /// well.
    public func violations() -> [FieldViolation] {
        var check = FieldChecker()
        validate(&check)
        return check.violations
    }
}

/// A field that breaks a rule of its proto file.
public struct FieldViolation: Sendable, Equatable {
    /// The path of the field from the request down, such as `site.display_name` or `concepts[3].code`.
    public var field: String
    /// What is wrong with the value, and what would be right.
    public var reason: String

    /// A violation by `field`, for `reason`.
    public init(field: String, reason: String) {
        self.field = field
        self.reason = reason
    }
}
