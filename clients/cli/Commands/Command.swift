import Protobuf
import TLS
import Terminal
import TrellisClient

/// A command of the CLI that is more than one RPC: what it is called, how it is used and what it does.
struct Command: Sendable {
    /// The words that name it, such as `import sdg`.
    let name: String
    /// What comes after the name, such as `PATH... [FLAGS]`.
    let usage: String
    /// One sentence.
    let summary: String
    /// More, for its own help page; empty when the summary says it all.
    var details = ""
    /// Its own flags; those of every command come on top.
    var flags: [Flag] = []
    /// Lines that can be pasted.
    var examples: [String] = []
    let run: @Sendable (Context) async throws -> Void

    /// Its help page.
    var help: HelpPage {
        var page = HelpPage(usage: "trellis \(name) \(usage)", summary: summary)
        if !details.isEmpty { page.add(text: details) }
        page.add("Flags", flags: flags)
        page.add("Flags of every command", flags: Session.flags)
        if !examples.isEmpty { page.add("Examples", verbatim: examples) }
        return page
    }
}

/// What a command works with.
struct Context: Sendable {
    let parsed: ParsedFlags
    let session: Session
    let catalog: Catalog

    /// Words that are no flags.
    var words: [String] { parsed.positional }

    /// Does something over a connection to the server, and closes it.
    func withConnection<Result>(
        _ session: Session? = nil,
        _ body: (TrellisConnection) async throws -> Result
    ) async throws -> Result {
        let session = try await renewed(session ?? self.session)
        return try await connected(session, body)
    }

    /// The session with a token that lasts: of one that runs out, with the next, which is kept.
    private func renewed(_ session: Session) async throws -> Session {
        guard let renewal = session.renewal, renewal.isDue else { return session }
        var next = session
        (next.token, next.renewal) = (nil, nil)
        let tokens = try await connected(next) { connection in
            try await CredentialClient(connection).refreshSession(renewal.request)
        }
        try session.home.replace(renewal.profile, renewal.renewed(tokens))
        next.token = tokens.accessToken
        return next
    }

    private func connected<Result>(
        _ session: Session,
        _ body: (TrellisConnection) async throws -> Result
    ) async throws -> Result {
        var options = TrellisConnection.Options()
        options.timeout = session.timeout
        let connection: TrellisConnection
        do {
            connection = try TrellisConnection(
                address: session.address,
                token: session.token,
                tls: session.tls,
                options: options
            )
        } catch let error as TLSConfigurationError {
            throw UsageError("\(error)")
        } catch {
            throw UsageError("--address: \(error)")
        }
        do {
            let result = try await body(connection)
            await connection.close()
            return result
        } catch {
            await connection.close()
            throw error
        }
    }

    /// Prints a result: the JSON for programs, else the lines for people.
    func show(_ json: JSONValue, _ lines: @autoclosure () -> [String]) {
        if session.json {
            Terminal.print(json.written(.indented))
        } else {
            for line in lines() { Terminal.print(line) }
        }
    }

    /// Says something about how it goes, to people only.
    func note(_ text: String) {
        if !session.json { Terminal.print(text, to: .error) }
    }
}
