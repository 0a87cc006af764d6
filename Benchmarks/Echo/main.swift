// The echo server of the benchmark: bench.Echo through the whole of our stack, with interceptors like trellisd's.
//
// usage: trellis-echo HOST:PORT [LOOPS [AUTHORIZATION [CERTIFICATE KEY]]]
//   AUTHORIZATION: the header that callers must send, more than 32 bytes; "-" for none, and then there are no interceptors
//   CERTIFICATE, KEY: files in PEM; with them it serves with TLS
//
// A line on standard input asks for the connections that are open, a number a loop.
import EventLoop
import Glibc
import Logging
import Protobuf
import RPC
import RPCServer
import TLS

func makeRouter() -> Router {
    let router = Router()
    router.unary("/bench.Echo/Say", nil) { (request: EchoMessage, _) in request }
    router.serverStreaming("/bench.Echo/Count", nil) {
        (request: EchoMessage, responses: ResponseWriter<EchoMessage>, _) in
        for _ in 0..<max(0, request.n) { try await responses.send(request) }
    }
    router.bidirectional("/bench.Echo/Chat", nil) {
        (requests: RequestStream<EchoMessage>, responses: ResponseWriter<EchoMessage>, _) in
        for try await request in requests { try await responses.send(request) }
    }
    return router
}

let arguments = Array(CommandLine.arguments.dropFirst())
guard [1, 2, 3, 5].contains(arguments.count), let colon = arguments[0].lastIndex(of: ":"),
    let port = UInt16(arguments[0][arguments[0].index(after: colon)...]),
    let loops = Int(arguments.count > 1 ? arguments[1] : "1"), (1...1024).contains(loops)
else {
    print("usage: trellis-echo HOST:PORT [LOOPS [AUTHORIZATION [CERTIFICATE KEY]]]")
    exit(64)
}
let group = try EventLoopGroup(count: loops, name: "echo")
let table = PartTable()
var configuration = ServerConfiguration()
// All of the load comes from one address.
configuration.limits.connectionsPerAddress = 0
if arguments.count > 2, arguments[2] != "-" {
    for loop in group.loops {
        let part = LoopPart(loop, methods: makeRouter().routes.count, log: Logger(label: "echo"))
        guard part.remember(Array(arguments[2].utf8)) else {
            print("trellis-echo: AUTHORIZATION is \(arguments[2]); it must be more than 32 bytes")
            exit(64)
        }
        table.add(part)
    }
    configuration.observers = { [CallCounter(part: table[$0]), CallLog(part: table[$0])] }
    configuration.interceptors = { [Authentication(part: table[$0])] }
}
let server = RPCServer(group: group, configuration: configuration, router: makeRouter())
try await server.start()
var security: ServerTLS?
if arguments.count == 5 { security = try ServerTLS(.init(certificateFile: arguments[3], keyFile: arguments[4])) }
let bound = try server.listen(host: String(arguments[0][..<colon]), port: port, security: security)
print("trellis-echo ready \(bound)")
fflush(nil)
while readLine() != nil {
    print(server.countsByLoop().map { String($0.openConnections) }.joined(separator: " "))
    fflush(nil)
}
// Serves until it is killed.
while true { try await Task.sleep(for: .seconds(3600)) }
