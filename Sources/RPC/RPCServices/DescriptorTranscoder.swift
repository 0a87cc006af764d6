public import Protobuf
public import RPCServer

/// Messages of methods in JSON by their descriptors (protobuf.dev, "ProtoJSON Format").
public struct DescriptorTranscoder: JSONTranscoder {
    private let pool: DescriptorPool
    /// The full names of the messages, by the method's path.
    private let methods: [String: (input: String, output: String)]

    /// Knows the methods of a pool.
    public init(_ pool: DescriptorPool) {
        self.pool = pool
        methods = Dictionary(
            pool.services.flatMap(\.methods).map { ($0.path, ($0.input, $0.output)) },
            uniquingKeysWith: { first, _ in first }
        )
    }

    /// The serialized request that JSON text stands for.
    public func request(_ json: UnsafeRawBufferPointer, of route: Route) throws(JSONError) -> [UInt8] {
        guard let text = String(validating: json, as: UTF8.self) else {
            throw JSONError(reason: "the text is not UTF-8")
        }
        return try pool.serialize(json: text, as: try names(route).input)
    }

    /// A serialized response as JSON text, without the fields that hold their defaults.
    public func response(_ message: ArraySlice<UInt8>, of route: Route) throws(JSONError) -> String {
        try pool.json(Array(message), as: try names(route).output).written()
    }

    /// A serialized error detail in JSON.
    public func detail(_ message: [UInt8], type: String) -> JSONValue? {
        do throws(JSONError) { return try pool.json(message, as: type) } catch { return nil }
    }

    private func names(_ route: Route) throws(JSONError) -> (input: String, output: String) {
        guard let names = methods[route.path] else {
            throw JSONError(reason: "\(route.path) is in no proto file, so it has no JSON")
        }
        return names
    }
}
