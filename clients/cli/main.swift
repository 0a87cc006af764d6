import Terminal

#if canImport(Glibc)
    import Glibc
#endif

// A reader that goes away (`| head`) is seen by the write, which then ends the program.
signal(SIGPIPE, SIG_IGN)
let program = Program(
    catalog: .trellis,
    messages: .trellis,
    userHome: Terminal.environment("HOME"),
    isRoot: geteuid() == 0
)
exit(await program.run(Array(CommandLine.arguments.dropFirst())))
