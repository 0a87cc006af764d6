import Protobuf
import TrellisAPI

extension Catalog {
    /// The API that this program was built with.
    static let trellis = Catalog(DescriptorPool.trellis)

    /// What the CLI needs of the descriptors in a pool.
    init(_ pool: DescriptorPool) {
        // Reflection is for tools that have no descriptors; its streams are no commands.
        let shown = pool.services.filter { !$0.fullName.hasPrefix("grpc.reflection.") }
        services = shown.map { service in
            CatalogService(
                fullName: service.fullName,
                comment: service.comment,
                methods: service.methods.filter { !$0.isClientStreaming }.map(CatalogMethod.init)
            )
        }
        messages = pool.messages.mapValues { message in
            CatalogMessage(fullName: message.fullName, fields: message.fields.map { CatalogField($0, pool) })
        }
        enums = pool.enums.mapValues { descriptor in
            CatalogEnum(fullName: descriptor.fullName, values: descriptor.values.map { ($0.name, $0.comment) })
        }
    }
}

extension DynamicMessages {
    /// Messages by the descriptors that this program was built with.
    static let trellis = DynamicMessages(
        encode: { name, value in try DescriptorPool.trellis.serialize(value, as: name) },
        decode: { name, bytes in
            try DescriptorPool.trellis.json(bytes, as: name, options: JSONOptions(includesDefaults: true))
        }
    )
}

extension CatalogMethod {
    fileprivate init(_ method: MethodDescriptor) {
        self.init(
            service: method.service,
            name: method.name,
            comment: method.comment,
            input: method.input,
            output: method.output,
            isServerStreaming: method.isServerStreaming
        )
        guard let policy = method.policy else { return }
        permission = policy.permission
        writes = policy.effect == .write
        scope =
            switch policy.scope {
            case .platform: "the platform's key only"
            case .tenant: "a tenant's key"
            case .tenantOrPlatform: "a tenant's key, or the platform's for what all tenants share"
            case .authenticated: "any key"
            default: ""
            }
    }
}

extension CatalogField {
    fileprivate init(_ field: FieldDescriptor, _ pool: DescriptorPool) {
        let kind: Kind =
            switch field.kind {
            case .bool: .bool
            case .double, .float: .number
            case .string: .string
            case .bytes: .bytes
            case .enum: .enumeration(field.typeName)
            case .message, .group: .message(field.typeName)
            default: .integer
            }
        self.init(name: field.name, jsonName: field.jsonName, kind: kind)
        isMap = pool.messages[field.typeName]?.isMapEntry ?? false
        isRepeated = field.isRepeated && !isMap
        comment = field.comment
        let rules = field.rules
        isRequired = rules?.required ?? false
        isOutputOnly = rules?.outputOnly ?? false
        isSecret = field.isSecret
    }
}
