import Primitives
import Protobuf
import Terminal
import TrellisAPI
import TrellisClient

/// `trellis sign-in`, `accept-invitation` and `sign-out`: sessions of people, which are kept like keys and renew themselves.
enum SignInCommands {
    static let signIn = Command(
        name: "sign-in",
        usage: "EMAIL [FLAGS]",
        summary: "Sign in with a password, and use the session from now on.",
        details:
            "The password is asked for, or read from standard input when that is no terminal. The session is kept in "
            + "profiles.json of the home folder, which only its owner can read, under the tenant's short name, and the "
            + "user's where a key has that; its tokens are exchanged as they run out.",
        flags: [
            Flag("tenant", placeholder: "NAME", help: "The tenant's short name; needed by who is a user of several.")
        ],
        examples: ["trellis sign-in ana@example.com", "trellis sign-in ana@example.com --tenant lima < password.txt"]
    ) { context in
        guard let email = context.words.first, context.words.count == 1 else { throw UsageError("an EMAIL is needed") }
        let request = SignInRequest(
            email: email,
            password: try Secret.ask("Password (not shown): ", "password"),
            tenant: context.parsed["tenant"] ?? "",
            requestID: UUID.v4().text
        )
        let answer = try await withoutToken(context) { connection in
            try await CredentialClient(connection).signIn(request)
        }
        guard let tokens = answer.tokens else {
            let names = answer.memberships.map(\.slug).joined(separator: ", ")
            throw UsageError("you are a user of several tenants: say which with --tenant, one of \(names)")
        }
        try await keep(tokens, context)
    }

    static let acceptInvitation = Command(
        name: "accept-invitation",
        usage: "TOKEN [FLAGS]",
        summary: "Accept an invitation, and use the session that it begins.",
        details:
            "Somebody new chooses a password; somebody who signs in with their address already gives the one that they "
            + "have. It is asked for, or read from standard input when that is no terminal.",
        examples: ["trellis accept-invitation tri_..."]
    ) { context in
        guard let token = context.words.first, context.words.count == 1 else {
            throw UsageError("the TOKEN of the invitation is needed")
        }
        let request = AcceptInvitationRequest(
            token: token,
            password: try Secret.ask("Password (not shown): ", "password"),
            requestID: UUID.v4().text
        )
        let tokens = try await withoutToken(context) { connection in
            try await CredentialClient(connection).acceptInvitation(request)
        }
        try await keep(tokens, context)
    }

    static let signOut = Command(
        name: "sign-out",
        usage: "[FLAGS]",
        summary: "End the session in use, and forget it."
    ) { context in
        guard context.words.isEmpty else { throw UsageError("no words: --profile NAME says which session") }
        guard let renewal = context.session.renewal else {
            throw UsageError("no session is in use: 'trellis profiles' lists what is, 'trellis logout' forgets a key")
        }
        _ = try await context.withConnection { connection in
            try await CredentialClient(connection).signOut(SignOutRequest(requestID: UUID.v4().text))
        }
        try context.session.home.remove(renewal.profile)
        context.show(.object([("removed", .string(renewal.profile))]), ["signed out of '\(renewal.profile)'"])
    }

    /// What is in use must neither be sent along nor be renewed.
    private static func withoutToken<Result>(
        _ context: Context,
        _ body: (TrellisConnection) async throws -> Result
    ) async throws -> Result {
        var session = context.session
        (session.token, session.renewal) = (nil, nil)
        return try await context.withConnection(session, body)
    }

    /// The tenant's short name, or, where a key is stored under that, with the user's beside it: a key that is overwritten
    /// is lost.
    private static func name(for caller: WhoAmIResponse, in home: Home) throws(UsageError) -> String {
        let name = caller.tenant?.slug ?? "session"
        let isKey = try home.profiles().all.contains { $0.name == name && $0.credentials.refresh == nil }
        return isKey ? "\(name)-\(caller.user?.email.prefix { $0 != "@" } ?? "user")" : name
    }

    /// Stores a session as a profile.
    private static func keep(_ tokens: SessionTokens, _ context: Context) async throws {
        var session = context.session
        (session.token, session.renewal) = (tokens.accessToken, nil)
        let caller: WhoAmIResponse = try await context.withConnection(session) { connection in
            try await connection.unary(Methods.whoAmI, WhoAmIRequest(), isIdempotent: true)
        }
        let name = try name(for: caller, in: session.home)
        try session.home.store(
            name,
            Home.Credentials(
                address: session.address,
                token: tokens.accessToken,
                refresh: Home.Refresh(tokens),
                tls: session.tls
            )
        )
        context.show(
            .object([("profile", .string(name)), ("address", .string(session.address))]),
            [
                "signed in to \(caller.tenant?.displayName ?? session.address) as "
                    + "\(caller.user?.displayName ?? "a user"); profile '\(name)'"
            ]
        )
    }
}
