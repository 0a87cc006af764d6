import SecurityFlags
import TLS
import Terminal

/// What every command needs to know: where the server is, which key to use, and how to print.
struct Session {
    var home: Home
    var address: String
    /// How the connection is secured; `nil` without TLS.
    var tls: ClientTLSConfiguration?
    /// The key, `nil` when there is none: some methods need none.
    var token: String?
    /// Where the key came from, for messages.
    var tokenSource: String
    /// How the next token is got when this one runs out; `nil` for a key.
    var renewal: Renewal?
    var json: Bool
    var timeout: Duration

    /// Where a server listens unless it is told otherwise.
    static let standardAddress = "127.0.0.1:7070"

    /// The flags that every command takes.
    static let flags =
        [
            Flag(
                "home",
                placeholder: "DIR",
                help: "Folder with the server's credentials and the stored keys. [TRELLIS_HOME]"
            ),
            Flag("address", placeholder: "HOST:PORT", help: "Where the server is. [TRELLIS_ADDRESS]"),
            Flag("token", placeholder: "KEY", help: "The key to use. [TRELLIS_TOKEN]"),
            Flag(
                "profile",
                placeholder: "NAME",
                help: "Use the key that 'trellis login' stored under this name. [TRELLIS_PROFILE]"
            ),
            Flag("platform", .toggle, help: "Use the platform's key out of the home folder."),
            Flag("json", .toggle, help: "Print JSON, for programs."),
            Flag("timeout", placeholder: "SECONDS", help: "How long a call may take. Default: 30."),
        ] + SecurityFlags.flags

    /// Puts it together: flag before variable; then the profile that is named or in use; then what the server left.
    init(_ parsed: ParsedFlags, environment: (String) -> String?, userHome: String?, isRoot: Bool) throws {
        home = Home(
            path: parsed["home"] ?? environment("TRELLIS_HOME") ?? Home.standard(userHome: userHome, isRoot: isRoot)
        )
        json = parsed.isOn("json")
        timeout = .seconds(30)
        if let text = parsed["timeout"] {
            guard let seconds = Double(text), seconds > 0, seconds <= 86_400 else {
                throw UsageError("--timeout: '\(text)' is not a number of seconds from 0 to 86400")
            }
            timeout = .milliseconds(Int64(seconds * 1000))
        }
        let given =
            parsed["token"].map { ($0, "--token") } ?? environment("TRELLIS_TOKEN").map { ($0, "TRELLIS_TOKEN") }
        let stored = try Self.stored(parsed, environment, home)
        if let given, !parsed.isOn("platform") {
            (token, tokenSource) = given
        } else if let stored {
            (token, tokenSource) = (stored.credentials.token, stored.source)
            if let profile = stored.profile, let refresh = stored.credentials.refresh {
                renewal = Renewal(profile: profile, credentials: stored.credentials, refresh: refresh)
            }
        } else {
            (token, tokenSource) = (nil, "nowhere")
        }
        let own = try home.server()
        address =
            parsed["address"] ?? environment("TRELLIS_ADDRESS") ?? stored?.credentials.address ?? own?.address
            ?? Self.standardAddress
        // What is known of a server's TLS holds for its own address only.
        let known =
            if address == stored?.credentials.address { stored?.credentials.tls } else if address == own?.address {
                own?.tls
            } else { ClientTLSConfiguration?.none }
        tls = try SecurityFlags.configuration(parsed, environment, known: known)
    }

    private static func stored(
        _ parsed: ParsedFlags,
        _ environment: (String) -> String?,
        _ home: Home
    ) throws -> (credentials: Home.Credentials, source: String, profile: String?)? {
        let (current, all) = try home.profiles()
        if parsed.isOn("platform") {
            guard let server = try home.server() else {
                throw UsageError("--platform: no credentials.json in '\(home.path)': has a server run there?")
            }
            guard server.token != nil else {
                throw UsageError(
                    "--platform: credentials.json in '\(home.path)' has no platform key: the home folder of the first "
                        + "server on its database has it"
                )
            }
            return (server, "credentials.json", nil)
        }
        if let name = parsed["profile"] ?? environment("TRELLIS_PROFILE") {
            guard let found = all.first(where: { $0.name == name }) else { throw home.unknown(name, all.map(\.name)) }
            return (found.credentials, "profile '\(name)'", name)
        }
        if let current, let found = all.first(where: { $0.name == current }) {
            return (found.credentials, "profile '\(current)'", current)
        }
        return try home.server().map { ($0, "credentials.json", nil) }
    }
}
