// The echo server of the benchmark: bench.Echo/Say through the whole of our stack, on one loop or more.
//
// usage: trellis-echo HOST:PORT [LOOPS [CERTIFICATE KEY]]
//
// With a certificate and its key, in PEM, it serves with TLS.
import EventLoop
import Glibc
import Protobuf
import RPC
import RPCServer
import TLS
import TrellisAPI

/// Looks at each call and lets it through, as authentication would.
struct Gate: ServerInterceptor {
    func willHandleAtOnce(_ request: (any Message)?, _ context: ServerContext) throws -> Bool {
        context.metadata.withValue("authorization") { $0 == nil }
    }
}

let arguments = CommandLine.arguments.dropFirst()
guard let address = arguments.first, let colon = address.lastIndex(of: ":"),
    let port = UInt16(address[address.index(after: colon)...])
else {
    print("usage: trellis-echo HOST:PORT [LOOPS [CERTIFICATE KEY]]")
    exit(64)
}
let group = try EventLoopGroup(count: arguments.dropFirst().first.flatMap { Int($0) } ?? 1, name: "echo")
let router = Router()
// google.type.Money has the fields of bench.EchoMessage, a string 1 and an int64 2, so the bytes are the same, and the
// benchmark decodes and encodes a message as every service does: checked, unpacked by protobuf-c, copied, packed.
router.unary("/bench.Echo/Say", nil) { (request: Money, _) in request }
var configuration = ServerConfiguration()
configuration.interceptors = [Gate()]
let server = RPCServer(group: group, configuration: configuration, router: router)
try await server.start()
var security: ServerTLS?
let files = Array(arguments.dropFirst(2))
if files.count == 2 { security = try ServerTLS(.init(certificateFile: files[0], keyFile: files[1])) }
let bound = try server.listen(host: String(address[..<colon]), port: port, security: security)
print("trellis-echo ready \(bound)")
// Serves until it is killed.
while true { try await Task.sleep(for: .seconds(3600)) }
