/// The contract at run time: every proto file's messages, enums, services and comments, by name.
public final class DescriptorPool: Sendable {
    /// The files, each after those that it imports.
    public let files: [FileDescriptor]
    /// The services, in the order of the files.
    public let services: [ServiceDescriptor]
    /// The messages by their full names.
    public let messages: [String: MessageDescriptor]
    /// The enums by their full names.
    public let enums: [String: EnumDescriptor]
    /// The file that declares a symbol, by the symbol's full name.
    private let fileOfSymbol: [String: String]

    /// Reads serialized google.protobuf.FileDescriptorProto messages.
    ///
    /// - Parameter marks: tells by a field's serialized google.protobuf.FieldOptions what is to be known of its values.
    /// - Throws: `WireError` when one is malformed, or names a type that none of them declares.
    public init(files serialized: [[UInt8]], marks: (_ options: [UInt8]) -> FieldMarks = { _ in [] }) throws(WireError)
    {
        var files: [FileDescriptor] = []
        var services: [ServiceDescriptor] = []
        var messages: [String: MessageDescriptor] = [:]
        var enums: [String: EnumDescriptor] = [:]
        var symbols: [String: String] = [:]
        for bytes in serialized {
            let parsed = try DescriptorReader(bytes).read(marks)
            files.append(parsed.file)
            services += parsed.services
            for message in parsed.messages {
                messages[message.fullName] = message
                symbols[message.fullName] = parsed.file.path
                for field in message.fields {
                    symbols["\(message.fullName).\(field.name)"] = parsed.file.path
                    if let oneof = field.oneof { symbols["\(message.fullName).\(oneof)"] = parsed.file.path }
                }
            }
            for descriptor in parsed.enums {
                enums[descriptor.fullName] = descriptor
                symbols[descriptor.fullName] = parsed.file.path
                // The values of an enum stand beside it, not inside (as in C++).
                let scope = descriptor.fullName.split(separator: ".").dropLast()
                for value in descriptor.values {
                    symbols[(scope + [Substring(value.name)]).joined(separator: ".")] = parsed.file.path
                }
            }
            for service in parsed.services {
                symbols[service.fullName] = parsed.file.path
                for method in service.methods { symbols["\(service.fullName).\(method.name)"] = parsed.file.path }
            }
            for field in parsed.file.extensions { symbols[field.fullName] = parsed.file.path }
        }
        for message in messages.values {
            for field in message.fields where !field.typeName.isEmpty {
                guard messages[field.typeName] != nil || enums[field.typeName] != nil else {
                    throw WireError(
                        reason: "\(message.fullName).\(field.name) is \(field.typeName), which no file declares"
                    )
                }
            }
        }
        self.files = files
        self.services = services
        self.messages = messages
        self.enums = enums
        fileOfSymbol = symbols
    }

    /// The file of that path.
    public func file(named path: String) -> FileDescriptor? { files.first { $0.path == path } }

    /// The file that declares a message, field, oneof, enum, enum value, service, method or extension of that full name.
    public func file(containing symbol: String) -> FileDescriptor? {
        fileOfSymbol[symbol].flatMap { file(named: $0) }
    }

    /// A file and all that it imports, each once, itself first.
    public func closure(of file: FileDescriptor) -> [FileDescriptor] {
        var result: [FileDescriptor] = []
        var seen: Set<String> = []
        var next = [file.path]
        while let path = next.popLast() {
            guard seen.insert(path).inserted, let file = self.file(named: path) else { continue }
            result.append(file)
            next.append(contentsOf: file.dependencies.reversed())
        }
        return result
    }

    /// The file that declares the extension of a message with that number.
    public func file(extending message: String, number: Int) -> FileDescriptor? {
        files.first { $0.extensions.contains { $0.extendee == message && $0.number == number } }
    }

    /// The numbers of all extensions of a message, in order.
    public func extensionNumbers(of message: String) -> [Int] {
        files.flatMap(\.extensions).filter { $0.extendee == message }.map(\.number).sorted()
    }

    /// The service of that full name, or of that name alone.
    public func service(named name: String) -> ServiceDescriptor? {
        services.first { $0.fullName == name } ?? services.first { $0.name == name }
    }
}
