internal import CTrellisAPI
public import Protobuf

extension DescriptorPool {
    /// The contract that this program was built with: every proto file, with its comments.
    public static let trellis: DescriptorPool = {
        let start = trellis_proto_files_start()
        let files = (0..<trellis_proto_files_count()).map { index in
            [UInt8](UnsafeBufferPointer(start: start[index].bytes, count: start[index].count))
        }
        do {
            return try DescriptorPool(files: files) { options in
                guard let rules = findRules(options) else { return [] }
                return (rules.secret ? FieldMarks.secret : []).union(rules.personal ? .personal : [])
            }
        } catch {
            preconditionFailure("the embedded descriptors are malformed (\(error)): run scripts/generate again")
        }
    }()
}

/// The numbers of our extensions in descriptor options (options.proto).
private enum OptionNumber {
    static let policy = 50001
    static let rules = 50002
    static let permissions = 50003
}

/// The field rules in serialized field options.
private func findRules(_ options: [UInt8]) -> FieldRules? {
    var reader = WireReader(options)
    var found: [UInt8]?
    while let field = try? reader.nextField() {
        if field.number == OptionNumber.rules, case .bytes(let bytes) = field.value { found = Array(bytes) }
    }
    return found.flatMap { try? FieldRules(serialized: $0) }
}

extension MethodDescriptor {
    /// Who may call the method and what it does; nil for methods that are not ours.
    public var policy: MethodPolicy? { option(OptionNumber.policy).flatMap { try? MethodPolicy(serialized: $0) } }
}

extension ServiceDescriptor {
    /// The permissions that the service declares.
    public var permissions: [PermissionDeclaration] {
        options(OptionNumber.permissions).compactMap { try? PermissionDeclaration(serialized: $0) }
    }
}

extension FieldDescriptor {
    /// What the field may hold; nil when its proto file says nothing about it.
    public var rules: FieldRules? { option(OptionNumber.rules).flatMap { try? FieldRules(serialized: $0) } }
}
