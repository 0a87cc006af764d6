/// How messages are written as JSON.
public struct JSONOptions: Sendable {
    /// Writes fields that hold their default, too: empty texts, zeros, empty lists. Unset messages stay away.
    public var includesDefaults: Bool
    /// Writes the names of the proto file (`display_name`) instead of those of JSON (`displayName`).
    public var usesProtoNames: Bool
    /// Writes `"[redacted]"` for fields that their proto file calls secret: for logs and audit.
    public var redactsSecrets: Bool
    /// What is written in place of a value that its proto file calls personal; nil writes it as it is.
    public var personal: (@Sendable (JSONValue) -> JSONValue)?

    /// Options; by default as the protobuf JSON mapping says.
    public init(includesDefaults: Bool = false, usesProtoNames: Bool = false, redactsSecrets: Bool = false) {
        self.includesDefaults = includesDefaults
        self.usesProtoNames = usesProtoNames
        self.redactsSecrets = redactsSecrets
    }
}

/// The protobuf JSON mapping (protobuf.dev, "ProtoJSON Format") of any message, by its descriptor.
extension DescriptorPool {
    /// A serialized message as a JSON value.
    ///
    /// - Parameter name: the full name of the message's type.
    /// - Throws: `JSONError` when the pool has no such type, or the bytes are no well-formed message of it.
    public func json(_ bytes: [UInt8], as name: String, options: JSONOptions = .init()) throws(JSONError) -> JSONValue {
        guard let message = messages[name] else { throw JSONError(reason: "there is no message \(name)") }
        return try MessageToJSON(pool: self, options: options).message(bytes[...], message, path: "", depth: 1)
    }

    /// A message as a JSON value.
    ///
    /// - Throws: `JSONError` when the pool does not have the message's type.
    public func json<M: Message>(_ message: M, options: JSONOptions = .init()) throws(JSONError) -> JSONValue {
        try json(message.serialized(), as: M.fullName, options: options)
    }

    /// The serialized message that a JSON value stands for.
    ///
    /// - Parameter name: the full name of the message's type.
    /// - Throws: `JSONError` with the path of the value that does not fit, what is wrong and what would be right.
    public func serialize(_ value: JSONValue, as name: String) throws(JSONError) -> [UInt8] {
        guard let message = messages[name] else { throw JSONError(reason: "there is no message \(name)") }
        return try JSONToMessage(pool: self).message(value, message, path: "", depth: 1)
    }

    /// The serialized message that JSON text stands for.
    ///
    /// - Throws: `JSONError` with line and column, or with the path of the value that does not fit.
    public func serialize(json text: String, as name: String) throws(JSONError) -> [UInt8] {
        try serialize(JSONValue(parsing: text), as: name)
    }
}

extension Message {
    /// The message that JSON text stands for, by the descriptors of `pool`.
    ///
    /// - Throws: `JSONError` with line and column, or with the path of the value that does not fit.
    public init(json text: String, _ pool: DescriptorPool) throws(JSONError) {
        let bytes = try pool.serialize(json: text, as: Self.fullName)
        do {
            self = try Self(serialized: bytes)
        } catch {
            throw JSONError(reason: error.reason, path: error.field)
        }
    }
}

/// The well-known types that have a JSON form of their own.
enum WellKnownType: String {
    case timestamp = "google.protobuf.Timestamp"
    case duration = "google.protobuf.Duration"
    case fieldMask = "google.protobuf.FieldMask"
    case any = "google.protobuf.Any"
    case structure = "google.protobuf.Struct"
    case value = "google.protobuf.Value"
    case listValue = "google.protobuf.ListValue"
    case doubleValue = "google.protobuf.DoubleValue"
    case floatValue = "google.protobuf.FloatValue"
    case int64Value = "google.protobuf.Int64Value"
    case uint64Value = "google.protobuf.UInt64Value"
    case int32Value = "google.protobuf.Int32Value"
    case uint32Value = "google.protobuf.UInt32Value"
    case boolValue = "google.protobuf.BoolValue"
    case stringValue = "google.protobuf.StringValue"
    case bytesValue = "google.protobuf.BytesValue"

    /// Whether it only wraps a scalar in its field 1.
    var isWrapper: Bool {
        switch self {
        case .doubleValue, .floatValue, .int64Value, .uint64Value, .int32Value, .uint32Value, .boolValue, .stringValue,
            .bytesValue:
            true
        default: false
        }
    }
}

/// The limits of both directions.
enum JSONMappingLimits {
    /// How deep messages may be nested, as on the wire.
    static let depth = WireLimits.standard.depth
}

/// `site.displayName` out of `site` and `displayName`.
func joinPath(_ path: String, _ name: String) -> String { path.isEmpty ? name : "\(path).\(name)" }
