import Files
import Primitives
import Terminal

/// One run of the program: the command that the words name, and everything that can be wrong with them.
struct Invocation {
    private let words: [String]
    private let settings: Settings

    init(_ words: [String], settings: Settings) {
        self.words = words
        self.settings = settings
    }

    /// Does what the words say. Returns the exit code.
    func run() -> Int32 {
        guard let first = words.first else {
            Terminal.write(Help.program().rendered(width: Terminal.width(.error)), to: .error)
            return ExitCode.usage
        }
        switch first {
        case "-h", "--help", "help": return help(words.dropFirst().first)
        case "--version": return version()
        default: break
        }
        guard let command = Command(rawValue: first) else {
            let guess = Suggestion.closest(to: first, among: Command.allCases.map(\.rawValue))
            return usage(
                "unknown command '\(first)': " + (guess.map { "did you mean '\($0)'?" } ?? "there are \(Help.commands)")
            )
        }
        let arguments = Array(words.dropFirst())
        if arguments.contains("--help") || arguments.contains("-h") { return help(command.rawValue) }
        switch command {
        case .help: return help(arguments.first)
        case .version: return version()
        case .options:
            Terminal.write(ConfigurationDocument.markdown(settings))
            return 0
        case .serve, .migrate: return start(command, arguments)
        }
    }

    private func start(_ command: Command, _ arguments: [String]) -> Int32 {
        let configuration: Configuration
        do {
            configuration = try Configuration(
                arguments,
                command: command,
                settings: settings,
                environment: Terminal.environment,
                readFile: { String(decoding: try Files.read($0), as: UTF8.self) }
            )
        } catch let error as ConfigurationError {
            return usage(error.description)
        } catch let error as UsageError {
            return usage(error.description)
        } catch {
            return usage("\(error)")
        }
        StandardErrorLog.install(configuration)
        return command == .serve ? Serve.run(configuration) : Migrate.run(configuration)
    }

    private func help(_ name: String?) -> Int32 {
        guard let name else {
            Terminal.write(Help.program().rendered(width: Terminal.width(.output)))
            return 0
        }
        guard let command = Command(rawValue: name) else { return usage("there is no command '\(name)'") }
        Terminal.write(Help.page(command, settings).rendered(width: Terminal.width(.output)))
        return 0
    }

    private func version() -> Int32 {
        Terminal.print("trellisd \(ProgramVersion.current)")
        return 0
    }

    private func usage(_ text: String) -> Int32 {
        for line in text.split(separator: "\n") { Terminal.print("trellisd: \(line)", to: .error) }
        Terminal.print("trellisd: 'trellisd help' shows how it is used", to: .error)
        return ExitCode.usage
    }
}

/// The help pages.
enum Help {
    static var commands: String { Command.allCases.map(\.rawValue).joined(separator: ", ") }

    static func summary(_ command: Command) -> String {
        switch command {
        case .serve: "Serve until SIGTERM or SIGINT."
        case .migrate: "Bring the database's schema up to this version and end."
        case .version: "Print the version."
        case .options: "Print all settings as Markdown, which is docs/configuration.md."
        case .help: "Show this, or the help of a command."
        }
    }

    static func program() -> HelpPage {
        var page = HelpPage(
            usage: "trellisd COMMAND [FLAGS]",
            summary: "The Trellis server, version \(ProgramVersion.current)."
        )
        page.add("Commands", Command.allCases.map { ($0.rawValue, summary($0)) })
        page.add(text: "'trellisd COMMAND --help' lists the flags of a command with their defaults.")
        return page
    }

    static func page(_ command: Command, _ settings: Settings) -> HelpPage {
        let entries = settings.all.filter { $0.commands.contains(command) }
        var page = HelpPage(
            usage: "trellisd \(command.rawValue)\(entries.isEmpty ? "" : " [FLAGS]")",
            summary: summary(command)
        )
        if !entries.isEmpty {
            page.add("Flags", flags: entries.map(\.flag))
            page.add(
                text: "A flag comes before the variable in brackets, which comes before the file that --config names."
            )
        }
        if command == .serve {
            page.add(
                text: "When it can serve, it prints one line on standard output, 'trellisd ready grpc=HOST:PORT "
                    + "admin=HOST:PORT', with ' tls=on' where it is; logs go to standard error. The first start writes DIR/credentials.json, which "
                    + "the trellis command reads. SIGHUP reads the certificates again. SIGTERM or SIGINT lets calls in flight finish within --grace; a second "
                    + "one stops at once."
            )
        }
        return page
    }
}
