// The client of gRPC's interoperability tests on our RPCClient: docs/testing.md says how to run it by hand.
//
// Prints a line for each case; exit code 0 when all passed, 1 when one failed, 2 when the command line makes no sense.
import Glibc
import RPCClient
import Terminal

do {
    let options = try Options(Array(CommandLine.arguments.dropFirst()))
    signal(SIGPIPE, SIG_IGN)
    let configuration = try options.configuration()
    var hasFailed = false
    for test in options.cases {
        let session = try Session(address: options.server, configuration: configuration)
        do {
            try await test.run(session)
            Terminal.print("ok \(test.name)")
        } catch {
            hasFailed = true
            Terminal.print("FAILED \(test.name): \(error)")
        }
        await session.channel.close()
    }
    exit(hasFailed ? 1 : 0)
} catch let error as UsageError {
    Terminal.print("interop-client: \(error)\n\(Options.usage)", to: .error)
    exit(2)
} catch {
    Terminal.print("interop-client: \(error)", to: .error)
    exit(1)
}
