// A fuzz target for libFuzzer (scripts/fuzz): bytes from any peer, into the whole server and the client's side of HTTP/2.
import EventLoop
import FuzzSupport
import HTTP2
import Protobuf
import RPC
import RPCServer
import RPCServices
import TrellisAPI

/// What an input's first byte chooses.
private enum Kind: UInt8 {
    /// The bytes follow a client's preface and settings.
    case greeted
    /// The bytes are all that the client sends.
    case raw
    /// The bytes are all that a server sends to our client.
    case server
}

/// Takes one input: the first byte chooses what it is fed to, the second how many bytes come at a time.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let data, count > 2, let kind = Kind(rawValue: data[0] % 3) else { return 0 }
    let input = [UInt8](UnsafeBufferPointer(start: data + 2, count: count - 2))
    let step = Int(data[1]) + 1
    switch kind {
    case .greeted: Victim.shared.serve(preface + input, step)
    case .raw: Victim.shared.serve(input, step)
    case .server: Victim.shared.call(input, step)
    }
    return 0
}

private let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + [0, 0, 0, 4, 0, 0, 0, 0, 0]

/// A server and a client's loop, made once.
private final class Victim: Sendable {
    static let shared = Victim()

    private let group: EventLoopGroup
    private let server: RPCServer

    private init() {
        do {
            group = try EventLoopGroup(count: 1, name: "fuzz")
        } catch {
            preconditionFailure("no loop: \(error)")
        }
        let router = Router()
        router.register(health: Health())
        router.register(reflection: Reflection(.trellis))
        router.unary("/t/E") { (request: HealthCheckRequest, _) in request }
        router.unary("/t/W") { (request: HealthCheckRequest, context) -> HealthCheckRequest in
            try await context.loop.sleep(for: .seconds(60))
            return request
        }
        router.serverStreaming("/t/C") {
            (request: HealthCheckRequest, responses: ResponseWriter<HealthCheckRequest>, _) in
            for _ in 0..<100 { try await responses.send(request) }
        }
        router.clientStreaming("/t/S") {
            (requests: RequestStream<HealthCheckRequest>, _) -> HealthCheckRequest in
            var last = HealthCheckRequest()
            for try await request in requests { last = request }
            return last
        }
        router.bidirectional("/t/B") {
            (requests: RequestStream<HealthCheckRequest>, responses: ResponseWriter<HealthCheckRequest>, _) in
            for try await request in requests { try await responses.send(request) }
        }
        // Whatever a caller says is a status with details, in trailers or in JSON.
        router.unary("/t/F") { (request: HealthCheckRequest, _) -> HealthCheckRequest in
            throw RPCError(.aborted, request.service, details: Array(request.service.utf8))
        }
        var configuration = ServerConfiguration()
        configuration.limits = Self.limits
        configuration.transcoder = DescriptorTranscoder(.trellis)
        configuration.compressedBytesMin = 16
        server = RPCServer(group: group, configuration: configuration, router: router)
        let (started, server) = (Signal(), server)
        Task {
            try await server.start()
            started.post()
        }
        started.wait()
    }

    /// Small limits, so that small inputs reach them.
    private static var limits: ServerLimits {
        var limits = ServerLimits()
        limits.http2.headerListBytes = 1024
        limits.http2.headerFields = 16
        limits.http2.hostileHeaderListBytes = 4096
        limits.http2.concurrentStreams = 8
        limits.http2.streamWindowBytes = 512
        limits.http2.streamOutputBytes = 256
        limits.http2.brokenStreamBurst = 10
        limits.http2.idleFrameBurst = 50
        limits.messageBytes = 300
        limits.requestBytesPerConnection = 600
        return limits
    }

    /// Lets a client send bytes to the server, then cuts it off, and looks whether everything has ended.
    func serve(_ input: [UInt8], _ step: Int) {
        onLoop { [server] loop in
            let tape = Tape(input, step)
            guard let connection = server.accept(tape, on: loop) else { preconditionFailure("not accepted") }
            while !tape.isAtEnd, !connection.isClosed {
                connection.receive()
                connection.flush()
            }
            connection.keepTime()
            connection.close(.closedByPeer)
            let counts = server.counts()
            precondition(counts.openConnections == 0, "a connection is left")
            precondition(counts.started == counts.finished.reduce(0, +), "a call was not finished")
        }
    }

    /// Lets a server send bytes to a client that has made calls.
    func call(_ input: [UInt8], _ step: Int) {
        onLoop { loop in
            let tape = Tape(input, step)
            let limits = Self.limits.http2
            let connection = HTTP2Connection(
                role: .client,
                transport: tape,
                loop: loop,
                limits: limits,
                buffers: HTTP2LoopBuffers(limits: limits)
            )
            let caller = Caller()
            connection.session.delegate = caller
            for _ in 0..<3 {
                guard let stream = connection.session.request(Caller.head, HeaderFields()) else { continue }
                stream.send([0, 0, 0, 0, 0])
                stream.finish()
                caller.open += 1
            }
            while !tape.isAtEnd, !connection.isClosed {
                connection.receive()
                connection.flush()
            }
            connection.close(.closedByPeer)
            precondition(caller.open == 0, "a stream was not closed")
        }
    }

    private func onLoop(_ body: @escaping @Sendable (EventLoop) -> Void) {
        let loop = group.loops[0]
        let done = Signal()
        loop.submit {
            body(loop)
            done.post()
        }
        done.wait()
    }
}

/// Counts the streams of a client.
private final class Caller: HTTP2SessionDelegate {
    static let head = FixedHeaders([
        (":method", "POST"), (":scheme", "http"), (":path", "/t/E"), ("content-type", "application/grpc"),
    ])
    var open = 0

    func session(_ session: HTTP2Session, stream: HTTP2Stream, did events: HTTP2Stream.Events) {
        stream.inbound.consume(stream.inbound.count)
        stream.acknowledge()
        if events.contains(.closed) { open -= 1 }
    }

    func session(_ session: HTTP2Session, goingAway code: HTTP2ErrorCode, lastStream: Int32) {}
}
