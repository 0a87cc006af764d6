import EventLoop
import InteropAPI
import Primitives
import RPC
import RPCServer

/// `grpc.testing.TestService`: what doc/interop-test-descriptions.md of grpc/grpc asks of a server.
///
/// `UnimplementedCall` and `grpc.testing.UnimplementedService` are not registered: no server has them.
struct TestService: Sendable {
    /// The largest payload that is made, in bytes: what fits into a message that gRPC's clients take.
    static let payloadBytesMax = Int32(MessageFraming.standardMessageBytes - 1024)
    /// Bytes of payloads that one StreamingInputCall can add up, the largest number that its answer holds.
    static let aggregateBytesMax = Int(Int32.max)
    /// Responses that HalfDuplexCall keeps until it has all requests.
    static let heldResponsesMax = 10_000

    /// Another one for each process.
    private let serverID = "interop-server-\(UUID.v7().text)"

    /// Registers every method on a router.
    func register(on router: Router) {
        let service = "/grpc.testing.TestService/"
        router.unary(service + "EmptyCall") { (request: Empty, context) in
            echoMetadata(context)
            return request
        }
        router.unary(service + "UnaryCall") { (request: SimpleRequest, context) in try unary(request, context) }
        router.unary(service + "CacheableUnaryCall") { (_: SimpleRequest, context) in cacheable(context) }
        router.serverStreaming(service + "StreamingOutputCall") {
            (request: StreamingOutputCallRequest, responses: ResponseWriter<StreamingOutputCallResponse>, context) in
            echoMetadata(context)
            try await respond(to: request, responses, context)
        }
        router.clientStreaming(service + "StreamingInputCall") {
            (requests: RequestStream<StreamingInputCallRequest>, context) in
            echoMetadata(context)
            return try await count(requests, context)
        }
        router.bidirectional(service + "FullDuplexCall") {
            (
                requests: RequestStream<StreamingOutputCallRequest>,
                responses: ResponseWriter<StreamingOutputCallResponse>,
                context
            ) in
            echoMetadata(context)
            for try await request in requests { try await respond(to: request, responses, context) }
        }
        router.bidirectional(service + "HalfDuplexCall") {
            (
                requests: RequestStream<StreamingOutputCallRequest>,
                responses: ResponseWriter<StreamingOutputCallResponse>,
                context
            ) in
            echoMetadata(context)
            try await respondAfterAll(requests, responses, context)
        }
    }

    // MARK: The methods

    private func unary(_ request: SimpleRequest, _ context: ServerContext) throws -> SimpleResponse {
        echoMetadata(context)
        try expectCompressed(request.expectCompressed, context)
        try echoStatus(request.responseStatus)
        let payload = try payload(request.responseType, request.responseSize, "response_size")
        compressResponse(request.responseCompressed, context)
        return SimpleResponse(payload: payload, serverID: request.fillServerID ? serverID : "")
    }

    private func cacheable(_ context: ServerContext) -> SimpleResponse {
        echoMetadata(context)
        context.responseMetadata.append("cache-control", "max-age=60, public")
        return SimpleResponse(payload: Payload(body: Array("\(context.loop.now)".utf8)))
    }

    private func count(
        _ requests: RequestStream<StreamingInputCallRequest>,
        _ context: ServerContext
    ) async throws -> StreamingInputCallResponse {
        var bytes = 0
        for try await request in requests {
            try expectCompressed(request.expectCompressed, context)
            bytes += request.payload?.body.count ?? 0
            guard bytes <= Self.aggregateBytesMax else {
                throw RPCError(.outOfRange, "the payloads have more than \(Self.aggregateBytesMax) bytes")
            }
        }
        return StreamingInputCallResponse(aggregatedPayloadSize: Int32(bytes))
    }

    private func respond(
        to request: StreamingOutputCallRequest,
        _ responses: ResponseWriter<StreamingOutputCallResponse>,
        _ context: ServerContext
    ) async throws {
        try echoStatus(request.responseStatus)
        for parameters in request.responseParameters {
            try await respond(request.responseType, parameters, responses, context)
        }
    }

    private func respond(
        _ type: PayloadType,
        _ parameters: ResponseParameters,
        _ responses: ResponseWriter<StreamingOutputCallResponse>,
        _ context: ServerContext
    ) async throws {
        let payload = try payload(type, parameters.size, "response_parameters.size")
        guard parameters.intervalUs >= 0 else {
            throw RPCError(
                .invalidArgument,
                "response_parameters.interval_us is \(parameters.intervalUs); it must be 0 or more microseconds"
            )
        }
        if parameters.intervalUs > 0 { try await context.loop.sleep(for: .microseconds(parameters.intervalUs)) }
        compressResponse(parameters.compressed, context)
        try await responses.send(StreamingOutputCallResponse(payload: payload))
    }

    private func respondAfterAll(
        _ requests: RequestStream<StreamingOutputCallRequest>,
        _ responses: ResponseWriter<StreamingOutputCallResponse>,
        _ context: ServerContext
    ) async throws {
        var held: [(PayloadType, ResponseParameters)] = []
        for try await request in requests {
            try echoStatus(request.responseStatus)
            guard held.count + request.responseParameters.count <= Self.heldResponsesMax else {
                throw RPCError(
                    .resourceExhausted,
                    "the requests ask for more than \(Self.heldResponsesMax) responses; ask for fewer in one call"
                )
            }
            held += request.responseParameters.map { (request.responseType, $0) }
        }
        for (type, parameters) in held { try await respond(type, parameters, responses, context) }
    }

    // MARK: What they have in common

    /// Sends back the two values that the descriptions name: one before the first message, one with the status.
    private func echoMetadata(_ context: ServerContext) {
        let initial = "x-grpc-test-echo-initial"
        for value in context.metadata.all(initial) { context.responseMetadata.append(initial, value) }
        let trailing = "x-grpc-test-echo-trailing-bin"
        if let bytes = context.metadata.bytes(trailing) { context.trailers.appendBytes(trailing, bytes) }
    }

    private func echoStatus(_ status: EchoStatus?) throws(RPCError) {
        guard let status, status.code != 0 else { return }
        guard let code = StatusCode(rawValue: Int(status.code)) else {
            throw RPCError(.invalidArgument, "response_status.code is \(status.code); it must be 0 to 16")
        }
        throw RPCError(code, status.message)
    }

    private func payload(_ type: PayloadType, _ size: Int32, _ field: String) throws(RPCError) -> Payload {
        guard type == .compressable else {
            throw RPCError(.invalidArgument, "response_type is \(type.rawValue); it must be 0, COMPRESSABLE")
        }
        guard (0...Self.payloadBytesMax).contains(size) else {
            throw RPCError(.invalidArgument, "\(field) is \(size); it must be 0 to \(Self.payloadBytesMax) bytes")
        }
        return Payload(body: [UInt8](repeating: 0, count: Int(size)))
    }

    private func expectCompressed(_ expected: BoolValue?, _ context: ServerContext) throws(RPCError) {
        guard let expected, expected.value, !context.requestIsCompressed else { return }
        throw RPCError(.invalidArgument, "expect_compressed is true, and the message did not come compressed")
    }

    /// Compresses what is sent next, or does not, as the request says; where it says nothing, as the caller does.
    private func compressResponse(_ wanted: BoolValue?, _ context: ServerContext) {
        guard let wanted else { return }
        context.responseCompression = wanted.value ? .gzip : .none
    }
}
