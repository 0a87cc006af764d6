internal import Files
internal import Glibc
internal import Primitives
internal import Protobuf
internal import Terminal

/// The `trellis-load` program.
public enum LoadProgram {
    /// Does what the words say, and tells the exit code (docs/load.md, "Exit codes").
    public static func run(_ words: [String]) async -> Int32 {
        // A reader that goes away (`| head`) is seen by the write, not as a signal.
        signal(SIGPIPE, SIG_IGN)
        do {
            return try await dispatch(words)
        } catch {
            for line in "\(error)".split(separator: "\n") { Terminal.print("trellis-load: \(line)", to: .error) }
            return ExitCode.usage
        }
    }

    private static let commands = ["run", "compare", "merge", "report", "help", "version"]

    private static func dispatch(_ words: [String]) async throws -> Int32 {
        let rest = Array(words.dropFirst())
        let asksForHelp = rest.prefix { $0 != "--" }.contains { $0 == "--help" || $0 == "-h" }
        switch words.first {
        case nil:
            Terminal.write(help.rendered(width: Terminal.width(.error)), to: .error)
            return ExitCode.usage
        case "help", "--help", "-h": return show(page(rest.first))
        case let command? where asksForHelp && commands.contains(command): return show(page(command))
        case "version", "--version":
            Terminal.print("trellis-load \(ProgramVersion.current)")
            return ExitCode.success
        case "run": return try await RunCommand(rest).run()
        case "compare": return try CompareCommand.run(rest)
        case "merge": return try merge(rest)
        case "report": return try report(rest)
        case let other?:
            let guess = Suggestion.closest(to: other, among: commands).map { ": did you mean '\($0)'?" }
            throw UsageError(
                "unknown command '\(other)'" + (guess ?? "; there are \(commands.joined(separator: ", "))")
            )
        }
    }

    private static func show(_ page: HelpPage) -> Int32 {
        Terminal.write(page.rendered(width: Terminal.width(.output)))
        return ExitCode.success
    }

    // MARK: Results

    private static let outputs = [
        Flag("json", placeholder: "FILE", help: "Writes the result with its whole histograms."),
        Flag("html", placeholder: "FILE", help: "Writes the result as one page with charts."),
    ]
    private static let mode = Flag(
        "as",
        placeholder: "HOW",
        help:
            "Whether the loads were on the server at the same time, so that rates add up, or one after another, so that "
            + "times do. Default: by when they were.",
        choices: RunResult.MergeMode.allCases.map(\.rawValue)
    )

    private static func merge(_ words: [String]) throws -> Int32 {
        let flags = try ParsedFlags(words, flags: outputs + [mode])
        guard flags.positional.count >= 2 else {
            throw UsageError("trellis-load merge A.json B.json ...: two at least")
        }
        var results: [RunResult] = []
        for file in flags.positional { results.append(try RunResult.read(file)) }
        let mode = flags["as"].flatMap { RunResult.MergeMode(rawValue: $0) }
        return try write(try RunResult.merged(results, mode: mode), flags)
    }

    private static func report(_ words: [String]) throws -> Int32 {
        let flags = try ParsedFlags(words, flags: outputs)
        guard flags.positional.count == 1 else {
            throw UsageError("trellis-load report RESULT.json: one file is needed")
        }
        return try write(try RunResult.read(flags.positional[0]), flags)
    }

    private static func write(_ result: RunResult, _ flags: ParsedFlags) throws -> Int32 {
        if let file = flags["json"] { try Files.writePrivately(result.json.written() + "\n", to: file) }
        if let file = flags["html"] { try Files.writePrivately(HTMLReport(result: result).page, to: file) }
        let report = TextReport(result: result, width: Terminal.width(.output), colours: Terminal.colours(.output))
        for line in report.lines() { Terminal.print(line) }
        return ExitCode.success
    }

    // MARK: Help

    private static var help: HelpPage {
        var page = HelpPage(
            usage: "trellis-load COMMAND [FLAGS]",
            summary: "Puts load on a gRPC server and measures it, version \(ProgramVersion.current)."
        )
        page.add(
            "Commands",
            [
                ("run", "Put load on a server: any method, or a scenario."),
                ("compare", "Tell what changed between two results, and what is noise."),
                ("merge", "Make one result of several, exactly."),
                ("report", "Show a result again, or as a page."),
                ("version", "Print the version."),
            ]
        )
        page.add(text: "'trellis-load help COMMAND' says more.")
        return page
    }

    private static func page(_ command: String?) -> HelpPage {
        switch command {
        case "run":
            var page = HelpPage(
                usage: "trellis-load run HOST:PORT SERVICE/METHOD [JSON|@FILE] [FLAGS], or HOST:PORT --scenario FILE",
                summary: "Puts load on a server and tells what came of it. With --users each user waits for its answer "
                    + "(closed loop); with --rate calls are begun at times decided beforehand (open loop), and a stall of "
                    + "the server is in their latency."
            )
            page.add("Flags", flags: RunFlags.flags)
            page.add(
                "Examples",
                verbatim: [
                    #"trellis-load run 127.0.0.1:7070 grpc.health.v1.Health/Check '{}' --rate 5000 --duration 30s"#,
                    "trellis-load run 127.0.0.1:7070 --scenario scenarios/point-reads.json --users 64 -c 8 --html out.html",
                ]
            )
            return page
        case "compare": return CompareCommand.help
        case "merge":
            var page = HelpPage(
                usage: "trellis-load merge A.json B.json ... [FLAGS]",
                summary: "Makes one result of several: all counts and histograms are sums, nothing is estimated."
            )
            page.add("Flags", flags: outputs + [mode])
            return page
        case "report":
            var page = HelpPage(usage: "trellis-load report RESULT.json [FLAGS]", summary: "Shows a result again.")
            page.add("Flags", flags: outputs)
            return page
        default: return help
        }
    }
}
