import EventLoop
import HTTP2
import Protobuf
import RPC
import RPCClient
import RPCServer
import Synchronization
import Testing

/// A real server on a real socket, whose methods misbehave as the request tells them to.
///
/// - Echo: the response is the request. Metadata "echo-*" comes back as response metadata, "trail-*" as trailers.
///   "wish-compression" of "gzip" or "none" is the handler's wish, here and in Count.
/// - Fail: throws the status "CODE MESSAGE" that the request names.
/// - Crash: throws an error that is not for the caller's eyes.
/// - Flaky: UNAVAILABLE until the call was sent before as often as the request says; answers how often that was.
/// - Remaining: answers how many seconds its caller still waits, and its traceparent.
/// - Wait: runs until it is cancelled.
/// - Count: streams as many messages as the request says, of as many bytes: "COUNT SIZE".
/// - Sum: takes a stream, answers how many messages and bytes came.
/// - First: answers the first request of a stream with a hundred messages of 1000 bytes, and ends.
/// - Chat: answers each request of a stream with itself.
final class ControlServer: Sendable {
    let server: RPCServer
    let group: EventLoopGroup
    let address: String
    let events = Events()

    /// What happened to the handlers, in order.
    final class Events: Sendable {
        private let list = Mutex<[String]>([])

        var all: [String] { list.withLock { $0 } }

        func add(_ event: String) { list.withLock { $0.append(event) } }

        /// Waits until something has happened as often.
        func wait(for event: String, times: Int = 1) async throws {
            for _ in 0..<500 {
                if all.count(where: { $0 == event }) >= times { return }
                try await Task.sleep(for: .milliseconds(10))
            }
            Issue.record("\(event) did not happen \(times) times within 5 s: \(all.suffix(10))")
        }
    }

    struct Unspeakable: Error {}
    struct Convertible: Error {}

    /// Writes down what passes.
    private struct Witness: ServerInterceptor, CallObserver {
        let events: Events

        func willHandle(_ context: ServerContext) async throws {
            if context.metadata.first("refuse") != nil { throw RPCError(.unauthenticated, "refused as asked") }
        }

        func didFinish(_ context: ServerContext, _ status: Status) {
            events.add("\(context.route.method) \(status.code.name)")
        }
    }

    init(loops: Int = 1, limits: ServerLimits = .init()) async throws {
        group = try EventLoopGroup(count: loops, name: "control")
        var configuration = ServerConfiguration()
        configuration.limits = limits
        let witness = Witness(events: events)
        (configuration.interceptors, configuration.observers) = ({ _ in [witness] }, { _ in [witness] })
        configuration.convertError = { error, _ in
            error is Convertible ? RPCError(.failedPrecondition, "converted") : nil
        }
        configuration.reportFault = { [events] error, context in events.add("fault \(error) \(context.requestID)") }
        server = RPCServer(group: group, configuration: configuration, router: Self.makeRouter(events))
        try await server.start()
        address = try server.listen(host: "127.0.0.1", port: 0).description
    }

    func stop(grace: Duration = .zero) async {
        await server.shutdown(grace: grace)
        group.shutdown()
    }

    private static func makeRouter(_ events: Events) -> Router {
        let router = Router()
        router.unary("/test.Control/Echo") { (request: Note, context) -> Note in
            for (name, value) in context.metadata {
                if name.hasPrefix("echo-") {
                    append(name, value, &context.responseMetadata)
                } else if name.hasPrefix("trail-") {
                    append(name, value, &context.trailers)
                }
            }
            wish(context)
            if context.previousAttempts > 0 { context.trailers.append("attempts", "\(context.previousAttempts)") }
            if context.metadata["forge"] != nil { forge(&context.responseMetadata, &context.trailers) }
            return request
        }
        router.unary("/test.Control/Fail") { (request: Note, _) -> Note in
            let parts = request.text.split(separator: " ", maxSplits: 1)
            let code = StatusCode(rawValue: Int(parts[0]) ?? 2) ?? .unknown
            throw RPCError(code, String(parts[1]), details: [8, 5], metadata: ["why": "as asked"])
        }
        router.unary("/test.Control/Crash") { (request: Note, _) -> Note in
            if request.text == "convertible" { throw Convertible() }
            throw Unspeakable()
        }
        router.unary("/test.Control/Wait") { (request: Note, context) -> Note in
            events.add("waiting")
            do {
                try await context.loop.sleep(for: .seconds(60))
            } catch {
                events.add("cancelled")
            }
            return request
        }
        router.unary("/test.Control/Pause") { (request: Note, context) -> Note in
            events.add("pausing")
            try await context.loop.sleep(for: .milliseconds(Int64(request.text) ?? 0))
            return request
        }
        router.unary("/test.Control/Remaining") { (_: Note, context) -> Note in
            let left = context.timeRemaining.map { "\($0.components.seconds)" } ?? "none"
            return Note("\(left) \(context.metadata["traceparent"] ?? "none")")
        }
        router.unary("/test.Control/Flaky") { (request: Note, context) -> Note in
            let attempts = context.previousAttempts
            guard attempts >= Int(request.text) ?? 0 else { throw RPCError(.unavailable, "not yet") }
            return Note("\(attempts)")
        }
        router.serverStreaming("/test.Control/Count") { (request: Note, responses: ResponseWriter<Note>, context) in
            let parts = request.text.split(separator: " ").compactMap { Int($0) }
            wish(context)
            do {
                for index in 0..<parts[0] {
                    try await responses.send(Note([UInt8](repeating: UInt8(index & 127), count: parts[1])))
                    events.add("sent")
                }
            } catch {
                events.add("stopped \((error as? RPCError)?.code.name ?? "\(error)")")
                throw error
            }
        }
        router.clientStreaming("/test.Control/Sum") { (requests: RequestStream<Note>, _) -> Note in
            var (count, bytes) = (0, 0)
            for try await request in requests { (count, bytes) = (count + 1, bytes + request.bytes.count) }
            return Note("\(count) \(bytes)")
        }
        router.bidirectional("/test.Control/First") {
            (requests: RequestStream<Note>, responses: ResponseWriter<Note>, _) in
            for try await _ in requests {
                for index in 0..<100 { try await responses.send(Note([UInt8](repeating: UInt8(index), count: 1000))) }
                return
            }
        }
        router.bidirectional("/test.Control/Chat") {
            (requests: RequestStream<Note>, responses: ResponseWriter<Note>, _) in
            for try await request in requests { try await responses.send(request) }
        }
        return router
    }

    /// What no handler may say.
    private static func forge(_ heads: inout Metadata, _ trailers: inout Metadata) {
        for name in ["content-type", "grpc-encoding", "transfer-encoding", "connection", "te", "Content-Length"] {
            heads.append(name, "forged")
        }
        trailers.append("grpc-status", "5")
        trailers.append("Grpc-Message", "forged")
        trailers.appendBytes("grpc-status-details-bin", [1])
        trailers.append(":status", "500")
    }

    private static func wish(_ context: ServerContext) {
        switch context.metadata["wish-compression"] {
        case "gzip": context.responseCompression = .gzip
        case "none": context.responseCompression = .none
        default: break
        }
    }

    private static func append(_ name: String, _ value: String, _ metadata: inout Metadata) {
        if name.hasSuffix("-bin") {
            for bytes in Metadata(of: name, value).allBytes(name) ?? [] { metadata.appendBytes(name, bytes) }
        } else {
            metadata.append(name, value)
        }
    }
}

extension Metadata {
    /// Metadata with a value as it travelled.
    fileprivate init(of name: String, _ value: String) {
        var fields = HeaderFields()
        fields.append(name, value)
        self.init(fields)
    }
}

/// Runs a test against a server and a channel, and takes both down.
func withControl(
    loops: Int = 1,
    limits: ServerLimits = .init(),
    channel configuration: ChannelConfiguration = .init(),
    _ body: (ControlServer, Channel) async throws -> Void
) async throws {
    let server = try await ControlServer(loops: loops, limits: limits)
    let channel = try Channel(address: server.address, configuration: configuration)
    do {
        try await body(server, channel)
    } catch {
        await channel.close()
        await server.stop()
        throw error
    }
    await channel.close()
    await server.stop()
}
