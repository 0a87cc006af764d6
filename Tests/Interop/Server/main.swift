// The server of gRPC's interoperability tests on our RPCServer: docs/testing.md says how to run it by hand.
import EventLoop
import Glibc
import RPCServer
import Terminal

/// Bytes of requests that are not whole, and of responses that are not taken, of one connection: concurrent_large_unary has
/// 256 of 272 and 314 KB on their way.
let bytesPerConnection = 128 * 1024 * 1024
/// How long calls that are open may go on after SIGTERM.
let grace = Duration.seconds(10)

do {
    let options = try Options(Array(CommandLine.arguments.dropFirst()))
    signal(SIGPIPE, SIG_IGN)
    let group = try EventLoopGroup(count: options.loops, name: "interop")
    let router = Router()
    TestService().register(on: router)
    var configuration = ServerConfiguration()
    configuration.limits.requestBytesPerConnection = bytesPerConnection
    configuration.limits.responseBytesPerConnection = bytesPerConnection
    let server = RPCServer(group: group, configuration: configuration, router: router)
    try await server.start()
    let bound = try server.listen(host: options.host, port: options.port, security: try options.security())
    let (stops, stop) = AsyncStream<Void>.makeStream()
    let loop = group.loops[0]
    loop.submit {
        do throws(EventLoopError) {
            // The handler keeps the watcher until the signal comes.
            var watcher: SignalWatcher?
            watcher = try SignalWatcher(loop: loop, signal: SIGTERM) {
                watcher?.close()
                watcher = nil
                stop.yield()
            }
        } catch {
            Terminal.print("interop-server: \(error)", to: .error)
            exit(1)
        }
    }
    // The line that tests wait for.
    Terminal.print("interop-server ready \(bound)")
    for await _ in stops { break }
    await server.shutdown(grace: grace)
    group.shutdown()
} catch let error as UsageError {
    Terminal.print("interop-server: \(error)\n\(Options.usage)", to: .error)
    exit(2)
} catch {
    Terminal.print("interop-server: \(error)", to: .error)
    exit(1)
}
