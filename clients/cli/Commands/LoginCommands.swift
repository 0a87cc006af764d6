import Protobuf
import Terminal
import TrellisAPI
import TrellisClient

/// `trellis login`, `logout`, `use` and `profiles`: keys that are kept for later calls.
enum LoginCommands {
    static let login = Command(
        name: "login",
        usage: "[NAME] [FLAGS]",
        summary: "Check a key, store it under a name, and use it from now on.",
        details: "NAME is the tenant's short name unless one is given. The key comes from --token, else TRELLIS_TOKEN, "
            + "else it is asked for, or read from standard input when that is no terminal. It is kept in profiles.json "
            + "of the home folder, which only its owner can read.",
        examples: ["trellis login", "trellis login lima --address 127.0.0.1:7070 < key.txt"]
    ) { context in
        guard context.words.count <= 1 else { throw UsageError("one NAME at most") }
        var session = context.session
        session.token = try context.parsed["token"] ?? Terminal.environment("TRELLIS_TOKEN") ?? askForKey()
        session.tokenSource = "login"
        session.renewal = nil
        let caller: WhoAmIResponse = try await context.withConnection(session) { connection in
            try await connection.unary(Methods.whoAmI, WhoAmIRequest(), isIdempotent: true)
        }
        let name = context.words.first ?? caller.tenant?.slug ?? "platform"
        try session.home.store(
            name,
            Home.Credentials(address: session.address, token: session.token ?? "", tls: session.tls)
        )
        context.show(
            .object([("profile", .string(name)), ("address", .string(session.address))]),
            ["logged in to \(session.address) as \(caller.tenant?.displayName ?? "the platform"); profile '\(name)'"]
        )
    }

    static let logout = Command(
        name: "logout",
        usage: "NAME [FLAGS]",
        summary: "Forget a stored key. It stays valid: 'trellis tenancy revoke-api-key' or 'trellis sign-out' ends it."
    ) { context in
        guard context.words.count == 1 else { throw UsageError("the NAME of a profile is needed") }
        try context.session.home.remove(context.words[0])
        context.show(.object([("removed", .string(context.words[0]))]), ["forgot '\(context.words[0])'"])
    }

    static let use = Command(
        name: "use",
        usage: "NAME [FLAGS]",
        summary: "Use a stored key from now on."
    ) { context in
        guard context.words.count == 1 else { throw UsageError("the NAME of a profile is needed") }
        try context.session.home.use(context.words[0])
        context.show(.object([("current", .string(context.words[0]))]), ["using '\(context.words[0])'"])
    }

    static let profiles = Command(
        name: "profiles",
        usage: "[FLAGS]",
        summary: "List the stored keys, without showing them."
    ) { context in
        let (current, all) = try context.session.home.profiles()
        var table = TextTable(header: ["", "NAME", "ADDRESS"])
        for profile in all {
            table.add([
                profile.name == current ? "*" : "", profile.name,
                profile.credentials.address ?? "of this home's server",
            ])
        }
        context.show(
            .object([
                ("current", current.map { .string($0) } ?? .null),
                (
                    "profiles",
                    .array(
                        all.map {
                            .object([
                                ("name", .string($0.name)),
                                ("address", $0.credentials.address.map { .string($0) } ?? .null),
                            ])
                        }
                    )
                ),
            ]),
            all.isEmpty
                ? ["no keys are stored: 'trellis login' stores one"] : table.lines(width: Terminal.width(.output))
        )
    }

    private static func askForKey() throws -> String {
        let key = try Secret.ask("API key (not shown): ", "key").filter { !$0.isWhitespace }
        guard !key.isEmpty else { throw UsageError("no key was given") }
        return key
    }
}
