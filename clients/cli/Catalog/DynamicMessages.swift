import Protobuf
import RPCClient
import TrellisClient

/// Messages that the CLI knows by their descriptors only: JSON in, JSON out.
struct DynamicMessages: Sendable {
    /// The bytes of a message of this full name.
    let encode: @Sendable (_ message: String, _ value: JSONValue) throws -> [UInt8]
    /// The message of this full name in these bytes.
    let decode: @Sendable (_ message: String, _ bytes: [UInt8]) throws -> JSONValue

    /// Makes a unary call.
    func call(_ method: CatalogMethod, _ request: JSONValue, _ connection: TrellisConnection) async throws -> JSONValue
    {
        let bytes = try encode(method.input, request)
        // A write that carries a request id can be sent again: the server answers it once.
        let isIdempotent = !method.writes || request["requestId"] != nil
        let response = try await connection.unaryBytes(method.path, bytes, isIdempotent: isIdempotent)
        return try decode(method.output, response)
    }

    /// Makes a call with many responses and hands them over one by one.
    func stream(
        _ method: CatalogMethod,
        _ request: JSONValue,
        _ connection: TrellisConnection,
        _ body: (JSONValue) throws -> Void
    ) async throws {
        for try await response in connection.serverStreamingBytes(method.path, try encode(method.input, request)) {
            try body(try decode(method.output, response))
        }
    }
}
