/// A message type of the contract, as its proto file describes it.
public struct MessageDescriptor: Sendable {
    /// The full name, such as `trellis.tenancy.v1.Site`.
    public let fullName: String
    /// The comment in the proto file, without the marks; empty when there is none.
    public let comment: String
    /// The fields, in the order of the proto file.
    public let fields: [FieldDescriptor]
    /// Whether it is the entry of a map field.
    public let isMapEntry: Bool
    /// The path of its file.
    public let file: String

    /// The name without the package.
    public var name: String { String(fullName.split(separator: ".").last ?? "") }

    /// The field of that name: the one of the proto file or the one of JSON.
    public func field(named name: String) -> FieldDescriptor? {
        fields.first { $0.name == name || $0.jsonName == name }
    }
}

/// A field of a message type.
public struct FieldDescriptor: Sendable {
    /// The types of fields, by their numbers in descriptor.proto.
    public enum Kind: UInt8, Sendable {
        /// A 64-bit floating-point number.
        case double = 1
        /// A 32-bit floating-point number.
        case float
        /// A 64-bit integer.
        case int64
        /// An unsigned 64-bit integer.
        case uint64
        /// A 32-bit integer.
        case int32
        /// An unsigned 64-bit integer of fixed size.
        case fixed64
        /// An unsigned 32-bit integer of fixed size.
        case fixed32
        /// A truth value.
        case bool
        /// UTF-8 text.
        case string
        /// A group of proto2, which no message of ours has.
        case group
        /// A message.
        case message
        /// Bytes.
        case bytes
        /// An unsigned 32-bit integer.
        case uint32
        /// An enum value.
        case `enum`
        /// A 32-bit integer of fixed size.
        case sfixed32
        /// A 64-bit integer of fixed size.
        case sfixed64
        /// A 32-bit integer, small when near zero.
        case sint32
        /// A 64-bit integer, small when near zero.
        case sint64
    }

    /// The name in the proto file, such as `display_name`.
    public let name: String
    /// The name in JSON, such as `displayName`.
    public let jsonName: String
    /// The number on the wire.
    public let number: Int
    /// The type of a value.
    public let kind: Kind
    /// The full name of the message or enum; empty for scalars.
    public let typeName: String
    /// Whether it is a list (or a map).
    public let isRepeated: Bool
    /// Whether absence can be told from the default: messages, `optional` fields, members of a oneof.
    public let hasPresence: Bool
    /// The oneof that it is a member of, unless that only stands for `optional`.
    public let oneof: String?
    /// The comment in the proto file, without the marks; empty when there is none.
    public let comment: String
    /// What the contract says of its values.
    public let marks: FieldMarks
    /// The serialized google.protobuf.FieldOptions.
    public let options: [UInt8]

    /// Whether its value must not be shown.
    public var isSecret: Bool { marks.contains(.secret) }

    /// The serialized value of an extension of the field's options, such as our rules; nil when it is not set.
    public func option(_ number: Int) -> [UInt8]? { findBytes(number, in: options) }
}

/// What a contract can say of a field's values, in extensions that are its own.
public struct FieldMarks: OptionSet, Sendable {
    /// The bits.
    public let rawValue: Int

    /// Takes the bits.
    public init(rawValue: Int) { self.rawValue = rawValue }

    /// They must not be shown.
    public static let secret = FieldMarks(rawValue: 1)
    /// They are somebody's personal data.
    public static let personal = FieldMarks(rawValue: 2)
}

/// An enum type.
public struct EnumDescriptor: Sendable {
    /// A value of an enum.
    public struct Value: Sendable {
        /// The name, such as `SITE_KIND_STAGING`.
        public let name: String
        /// The number on the wire.
        public let number: Int32
        /// The comment in the proto file.
        public let comment: String
    }

    /// The full name.
    public let fullName: String
    /// The comment in the proto file.
    public let comment: String
    /// The values, in the order of the proto file.
    public let values: [Value]
    /// The path of its file.
    public let file: String

    /// The value of that name.
    public func value(named name: String) -> Value? { values.first { $0.name == name } }

    /// The value of that number; the first one where two names share it.
    public func value(_ number: Int32) -> Value? { values.first { $0.number == number } }
}

/// A service and its methods.
public struct ServiceDescriptor: Sendable {
    /// The full name, such as `trellis.tenancy.v1.TenancyService`.
    public let fullName: String
    /// The comment in the proto file.
    public let comment: String
    /// The methods, in the order of the proto file.
    public let methods: [MethodDescriptor]
    /// The path of its file.
    public let file: String
    /// The serialized google.protobuf.ServiceOptions.
    public let options: [UInt8]

    /// The name without the package.
    public var name: String { String(fullName.split(separator: ".").last ?? "") }

    /// The serialized values of a repeated extension of the service's options, such as our permissions.
    public func options(_ number: Int) -> [[UInt8]] { findAllBytes(number, in: options) }
}

/// A method of a service.
public struct MethodDescriptor: Sendable {
    /// The full name of its service.
    public let service: String
    /// The name, such as `CreateSite`.
    public let name: String
    /// The comment in the proto file.
    public let comment: String
    /// The full name of the request message.
    public let input: String
    /// The full name of the response message.
    public let output: String
    /// Whether it takes any number of requests.
    public let isClientStreaming: Bool
    /// Whether it gives any number of responses.
    public let isServerStreaming: Bool
    /// The serialized google.protobuf.MethodOptions.
    public let options: [UInt8]

    /// The path of its calls, such as `/trellis.tenancy.v1.TenancyService/CreateSite`.
    public var path: String { "/\(service)/\(name)" }

    /// The serialized value of an extension of the method's options, such as our policy; nil when it is not set.
    public func option(_ number: Int) -> [UInt8]? { findBytes(number, in: options) }
}

/// A proto file.
public struct FileDescriptor: Sendable {
    /// An extension that the file declares.
    public struct Extension: Sendable {
        /// The full name, such as `trellis.options.v1.policy`.
        public let fullName: String
        /// The full name of the message that it extends.
        public let extendee: String
        /// The number that it has there.
        public let number: Int
    }

    /// The path, such as `trellis/tenancy/v1/tenancy.proto`.
    public let path: String
    /// The package.
    public let package: String
    /// The paths of the files that it imports.
    public let dependencies: [String]
    /// The serialized google.protobuf.FileDescriptorProto.
    public let serialized: [UInt8]
    /// The extensions that it declares, nested ones included.
    public let extensions: [Extension]
    /// The comment above its package; what the file is about.
    public let comment: String
}

extension FileDescriptor {
    /// Reads a serialized google.protobuf.FileDescriptorProto by itself: types of other files are not looked up.
    ///
    /// - Throws: `WireError` when it is malformed.
    public init(serialized bytes: [UInt8]) throws(WireError) {
        self = try DescriptorReader(bytes).read { _ in [] }.file
    }
}
