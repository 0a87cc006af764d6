import EventLoop
import Glibc
import HTTP2
import Protobuf
import RPC
import RPCClient
import RPCServer
import Synchronization
import Testing

@testable import TLS

/// A message that is its bytes.
struct Blob: Message {
    static var fullName: String { "test.Blob" }

    var bytes: [UInt8] = []

    init() {}

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    init(_ text: String) { bytes = Array(text.utf8) }

    init(serialized bytes: UnsafeRawBufferPointer) throws(WireError) { self.bytes = Array(bytes) }

    func serialized(prefix: Int) -> [UInt8] { [UInt8](repeating: 0, count: prefix) + bytes }

    var text: String { String(decoding: bytes, as: UTF8.self) }
}

/// A real server on a real socket with TLS.
///
/// - Echo: the response is the request.
/// - Who: the caller's identity, its parts on lines; "nobody" without one.
/// - Count: streams as many messages as the request says, of as many bytes: "COUNT SIZE".
/// - Sum: takes a stream, answers how many messages and bytes came.
/// - Chat: answers each request of a stream with itself.
final class SecureServer: Sendable {
    let server: RPCServer
    let group: EventLoopGroup
    let tls: ServerTLS?
    let port: UInt16
    let failures = Failures()

    /// Why handshakes failed.
    final class Failures: Sendable {
        private let list = Mutex<[String]>([])

        var all: [String] { list.withLock { $0 } }

        func add(_ reason: String) { list.withLock { $0.append(reason) } }

        /// Waits for the first one.
        func first() async throws -> String {
            for _ in 0..<500 {
                if let first = all.first { return first }
                try await Task.sleep(for: .milliseconds(10))
            }
            Issue.record("no handshake failed within 5 s")
            return ""
        }
    }

    init(
        _ configuration: ServerTLSConfiguration?,
        loops: Int = 1,
        handshakeSeconds: Int = 10,
        now: @escaping @Sendable () -> UInt64 = { 0 },
        wrap: (ServerTLS) -> any ServerTransportSecurity = { $0 }
    ) async throws {
        let failures = failures
        tls = try configuration.map { try ServerTLS($0, now: now) { _, reason in failures.add(reason) } }
        group = try EventLoopGroup(count: loops, name: "secure")
        var settings = ServerConfiguration()
        settings.limits.http2.handshakeSeconds = handshakeSeconds
        server = RPCServer(group: group, configuration: settings, router: Self.makeRouter())
        try await server.start()
        port = try server.listen(host: "127.0.0.1", port: 0, security: tls.map(wrap)).port
    }

    func stop() async {
        await server.shutdown(grace: .zero)
        group.shutdown()
    }

    /// Waits until so many connections are open.
    func waitForConnections(_ count: Int) async throws {
        for _ in 0..<500 {
            if server.counts().openConnections == count { return }
            try await Task.sleep(for: .milliseconds(10))
        }
        Issue.record("\(server.counts().openConnections) connections are open, not \(count)")
    }

    private static func makeRouter() -> Router {
        let router = Router()
        router.unary("/test.Secure/Echo") { (request: Blob, _) -> Blob in request }
        router.unary("/test.Secure/Who") { (_: Blob, context) -> Blob in
            guard let identity = context.peerIdentity else { return Blob("nobody") }
            let names = [identity.dnsNames, identity.uris].map { $0.joined(separator: ",") }
            return Blob(([identity.subject] + names + [identity.fingerprint]).joined(separator: "\n"))
        }
        router.serverStreaming("/test.Secure/Count") { (request: Blob, responses: ResponseWriter<Blob>, _) in
            let parts = request.text.split(separator: " ").compactMap { Int($0) }
            for index in 0..<parts[0] {
                try await responses.send(Blob([UInt8](repeating: UInt8(index & 127), count: parts[1])))
            }
        }
        router.clientStreaming("/test.Secure/Sum") { (requests: RequestStream<Blob>, _) -> Blob in
            var (count, bytes) = (0, 0)
            for try await request in requests { (count, bytes) = (count + 1, bytes + request.bytes.count) }
            return Blob("\(count) \(bytes)")
        }
        router.bidirectional("/test.Secure/Chat") {
            (requests: RequestStream<Blob>, responses: ResponseWriter<Blob>, _) in
            for try await request in requests { try await responses.send(request) }
        }
        return router
    }
}

/// Runs a test against a server with TLS, and takes it down.
func withServer(
    _ configuration: ServerTLSConfiguration?,
    loops: Int = 1,
    handshakeSeconds: Int = 10,
    now: @escaping @Sendable () -> UInt64 = { 0 },
    wrap: (ServerTLS) -> any ServerTransportSecurity = { $0 },
    _ body: (SecureServer) async throws -> Void
) async throws {
    let server = try await SecureServer(
        configuration,
        loops: loops,
        handshakeSeconds: handshakeSeconds,
        now: now,
        wrap: wrap
    )
    do { try await body(server) } catch {
        await server.stop()
        throw error
    }
    await server.stop()
}

/// Runs a test with a channel to a server, and closes it.
func withChannel<Result>(
    _ server: SecureServer,
    _ security: (any ClientTransportSecurity)?,
    host: String = "localhost",
    _ body: (Channel) async throws -> Result
) async throws -> Result {
    var configuration = ChannelConfiguration()
    configuration.security = security
    configuration.maximumAttempts = 1
    let channel = try Channel(address: "\(host):\(server.port)", configuration: configuration)
    do {
        let result = try await body(channel)
        await channel.close()
        return result
    } catch {
        await channel.close()
        throw error
    }
}

/// Why a call over a new channel fails.
func failure(
    _ server: SecureServer,
    _ security: (any ClientTransportSecurity)?,
    host: String = "localhost"
) async throws -> String {
    try await withChannel(server, security, host: host) { channel in
        do throws(RPCError) {
            let answer = try await channel.unary("/test.Secure/Echo", Blob("x"), returning: Blob.self)
            Issue.record("the call succeeded: \(answer.text)")
            return ""
        } catch {
            #expect(error.code == .unavailable)
            return error.status.message
        }
    }
}
