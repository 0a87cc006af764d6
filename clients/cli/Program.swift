import Primitives
import Protobuf
import Terminal
import TrellisClient

/// The `trellis` program: finds the command that the words name, runs it, and turns what goes wrong into an exit code.
struct Program {
    let catalog: Catalog
    let messages: DynamicMessages
    let userHome: String?
    let isRoot: Bool
    var environment: @Sendable (String) -> String? = { Terminal.environment($0) }

    /// The commands that are more than one RPC, in the order of help.
    var commands: [Command] {
        [
            StatusCommand.command, SignInCommands.signIn, SignInCommands.acceptInvitation,
            SignInCommands.signOut, LoginCommands.login, LoginCommands.use, LoginCommands.profiles,
            LoginCommands.logout,
            SearchCommand.command, ImportReferenceCommand.sdg, ImportReferenceCommand.iris,
            ImportDocumentsCommand.command, CallCommands.call(messages), CallCommands.list, CallCommands.describe,
            completion, version,
        ]
    }

    private var completion: Command {
        Command(
            name: "completion",
            usage: "bash|zsh|fish",
            summary: "Print the script that makes a shell complete commands and flags.",
            examples: ["source <(trellis completion bash)"]
        ) { context in
            guard let word = context.words.first, let shell = Completion.Shell(rawValue: word) else {
                throw UsageError("which shell? trellis completion bash, zsh or fish")
            }
            Terminal.print(Completion.script(shell))
        }
    }

    private var version: Command {
        Command(name: "version", usage: "", summary: "Print the version.") { context in
            context.show(.object([("version", .string(ProgramVersion.current))]), ["trellis \(ProgramVersion.current)"])
        }
    }

    // MARK: Running

    /// Does what the words say. Returns the exit code.
    func run(_ words: [String]) async -> Int32 {
        if words.first == "__complete" {
            let found = Completion.candidates(Array(words.dropFirst()), commands: commands, catalog: catalog)
            if !found.isEmpty { Terminal.print(found.joined(separator: "\n")) }
            return 0
        }
        let isJSON = words.contains("--json")
        do {
            return try await dispatch(words.first == "--version" ? ["version"] : words)
        } catch is CancellationError {
            return 0
        } catch let error as TrellisError {
            if isJSON {
                Terminal.print(error.json.written(.indented), to: .error)
            } else {
                for line in error.lines(flags: fieldFlags(words)) { say(line) }
            }
            return error.exitCode
        } catch {
            // Anything else is about what was typed, or about files and folders that were named.
            if isJSON {
                Terminal.print(
                    JSONValue.object([
                        ("error", .object([("code", .string("USAGE")), ("message", .string("\(error)"))]))
                    ]).written(.indented),
                    to: .error
                )
            } else {
                for line in "\(error)".split(separator: "\n") { say(String(line)) }
            }
            return ExitCode.usage
        }
    }

    private func say(_ line: String) {
        Terminal.print(line.hasPrefix(" ") ? line : "trellis: \(line)", to: .error)
    }

    private func dispatch(_ words: [String]) async throws -> Int32 {
        let split = CommandWords(words, sessionFlags: Session.flags)
        guard let first = split.names.first else {
            if split.names.isEmpty && split.flags.isEmpty {
                Terminal.write(help.rendered(width: Terminal.width(.error)), to: .error)
                return ExitCode.usage
            }
            return try show(help, split)
        }
        if first == "help" { return try helpPage(split.names.dropFirst().map { $0 }) }
        if let (command, count) = rpc(split.names) { return try await run(command, split.rest(after: count)) }
        if let (command, count) = flow(split.names) { return try await run(command, split.rest(after: count)) }
        if Self.asksForHelp(split.rest(after: 0)) { return try helpPage(split.names) }
        throw unknown(split.names)
    }

    /// The RPC that the first two words name.
    private func rpc(_ names: [String]) -> (RPCCommand, Int)? {
        guard names.count > 1, let service = catalog.service(command: names[0]),
            let method = service.methods.first(where: { $0.command == names[1] })
        else { return nil }
        return (RPCCommand(method: method, catalog: catalog, messages: messages), 2)
    }

    /// The command with the longest name that the words begin with.
    private func flow(_ names: [String]) -> (Command, Int)? {
        let found = commands.filter { names.starts(with: $0.name.split(separator: " ").map(String.init)) }
        return found.max { $0.name.count < $1.name.count }.map { ($0, $0.name.split(separator: " ").count) }
    }

    private func run(_ command: RPCCommand, _ words: [String]) async throws -> Int32 {
        if Self.asksForHelp(words) { return print(command.help) }
        try await command.run(try context(words, command.flags))
        return 0
    }

    private func run(_ command: Command, _ words: [String]) async throws -> Int32 {
        if Self.asksForHelp(words) { return print(command.help) }
        try await command.run(try context(words, command.flags))
        return 0
    }

    private func context(_ words: [String], _ flags: [Flag]) throws -> Context {
        // A field of a request may be called like a flag of every command; then it is the field.
        let own = Set(flags.map(\.name))
        let parsed = try ParsedFlags(words, flags: flags + Session.flags.filter { !own.contains($0.name) })
        let session = try Session(parsed, environment: environment, userHome: userHome, isRoot: isRoot)
        return Context(parsed: parsed, session: session, catalog: catalog)
    }

    private static func asksForHelp(_ words: [String]) -> Bool {
        words.prefix { $0 != "--" }.contains { $0 == "--help" || $0 == "-h" }
    }

    // MARK: Help

    private func print(_ page: HelpPage) -> Int32 {
        Terminal.write(page.rendered(width: Terminal.width(.output)))
        return 0
    }

    private func show(_ page: HelpPage, _ split: CommandWords) throws -> Int32 {
        guard Self.asksForHelp(split.flags) else { throw UsageError("a command is needed: 'trellis help' lists them") }
        return print(page)
    }

    private func helpPage(_ names: [String]) throws -> Int32 {
        if names.isEmpty { return print(help) }
        if let (command, _) = rpc(names) { return print(command.help) }
        if let (command, _) = flow(names) { return print(command.help) }
        if names.count == 1, let service = catalog.service(command: names[0]) { return print(Self.help(service)) }
        throw unknown(names)
    }

    private var help: HelpPage {
        var page = HelpPage(usage: "trellis COMMAND [FLAGS]", summary: "Trellis, version \(ProgramVersion.current).")
        page.add("Commands", commands.map { ($0.name, $0.summary) })
        page.add(
            "Services, with a command for each of their methods",
            catalog.services.map { ($0.command, Words.firstSentence($0.comment)) }
        )
        page.add("Flags of every command", flags: Session.flags)
        page.add(text: "'trellis help COMMAND' says more; 'trellis help SERVICE' lists the methods of a service.")
        return page
    }

    private static func help(_ service: CatalogService) -> HelpPage {
        var page = HelpPage(
            usage: "trellis \(service.command) METHOD [FLAGS]",
            summary: Words.paragraphs(service.comment)
        )
        page.add("Methods", service.methods.map { ($0.command, Words.firstSentence($0.comment)) })
        return page
    }

    // MARK: Mistakes

    private func unknown(_ names: [String]) -> UsageError {
        if let service = catalog.service(command: names[0]) {
            guard names.count > 1 else {
                return UsageError("which method? 'trellis help \(service.command)' lists them")
            }
            let guess = Suggestion.closest(to: names[1], among: service.methods.map(\.command))
                .map { ": did you mean '\(service.command) \($0)'?" }
            return UsageError(
                "\(service.command) has no method '\(names[1])'"
                    + (guess ?? ": 'trellis help \(service.command)' lists them")
            )
        }
        let firsts = commands.map { $0.name.split(separator: " ").first.map(String.init) ?? $0.name }
        if firsts.contains(names[0]) {
            let inner = commands.map(\.name).filter { $0.hasPrefix(names[0] + " ") }
            return UsageError("there are \(inner.map { "'\($0)'" }.joined(separator: ", "))")
        }
        let guess = Suggestion.closest(to: names[0], among: firsts + catalog.services.map(\.command))
            .map { ": did you mean '\($0)'?" }
        return UsageError("unknown command '\(names[0])'" + (guess ?? ": 'trellis help' lists them"))
    }

    /// The flags of the RPC that the words name, by the field that each sets.
    private func fieldFlags(_ words: [String]) -> [String: String] {
        rpc(CommandWords(words, sessionFlags: Session.flags).names)?.0.flagsByField ?? [:]
    }
}

/// The words of a command line with the flags before the command moved behind it, so that `trellis --json status` and
/// `trellis status --json` are the same.
struct CommandWords {
    /// The flags, with their values, that stand before the command.
    private(set) var flags: [String] = []
    /// The command's words and what follows, up to the first flag.
    private(set) var names: [String] = []
    private var behind: [String] = []

    init(_ words: [String], sessionFlags: [Flag]) {
        var index = 0
        while index < words.count, words[index].hasPrefix("-"), words[index] != "--" {
            let flag = sessionFlags.first { "--\($0.name)" == words[index] }
            let takesValue = flag.map { $0.arity != .toggle } ?? false
            flags += words[index..<min(index + (takesValue ? 2 : 1), words.count)]
            index += takesValue ? 2 : 1
        }
        behind = Array(words.dropFirst(index))
        names = Array(behind.prefix { !$0.hasPrefix("-") })
    }

    /// What belongs to a command whose name is the first `count` words.
    func rest(after count: Int) -> [String] { flags + behind.dropFirst(count) }
}
