import EventLoop
import Terminal

#if canImport(Glibc)
    import Glibc
#endif

/// Exit codes, as documented in docs/operating.md.
enum ExitCode {
    static let failure: Int32 = 1
    static let usage: Int32 = 2
}

let settings = Settings(
    userHome: Terminal.environment("HOME"),
    isRoot: geteuid() == 0,
    cores: availableProcessors
)
let invocation = Invocation(CommandLine.arguments.dropFirst().map { $0 }, settings: settings)
exit(invocation.run())
