// The echo server on grpc-swift-2 with its NIO transport.
//
// usage: server HOST:PORT
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import GRPCProtobuf

struct EchoService: Bench_Echo.SimpleServiceProtocol {
    func say(request: Bench_EchoMessage, context: ServerContext) async throws -> Bench_EchoMessage {
        copy(request)
    }

    func count(
        request: Bench_EchoMessage,
        response: RPCWriter<Bench_EchoMessage>,
        context: ServerContext
    ) async throws {
        for _ in 0..<request.n { try await response.write(copy(request)) }
    }

    func chat(
        request: RPCAsyncSequence<Bench_EchoMessage, any Error>,
        response: RPCWriter<Bench_EchoMessage>,
        context: ServerContext
    ) async throws {
        for try await message in request { try await response.write(copy(message)) }
    }

    private func copy(_ message: Bench_EchoMessage) -> Bench_EchoMessage {
        var reply = Bench_EchoMessage()
        reply.text = message.text
        reply.n = message.n
        return reply
    }
}

@main
struct Main {
    static func main() async throws {
        let parts = CommandLine.arguments.dropFirst().first?.split(separator: ":") ?? []
        guard parts.count == 2, let port = Int(parts[1]) else {
            print("usage: server HOST:PORT")
            return
        }
        let server = GRPCServer(
            transport: .http2NIOPosix(
                address: .ipv4(host: String(parts[0]), port: port),
                transportSecurity: .plaintext
            ),
            services: [EchoService()]
        )
        try await server.serve()
    }
}
