import Credentials
import Postgres
import Primitives
import Protobuf
import RPC
import RPCClient
import Synchronization
import TestSupport
import Testing
import TrellisAPI

@testable import TrellisServer

/// What tests of signing in do with a server.
extension TestServer {
    static let password = "four unusual words here"

    /// Calls a method of CredentialService.
    func sign<Answer: Message>(
        _ method: String,
        _ request: some Message,
        _ token: String? = nil,
        as: Answer.Type = Answer.self
    ) async throws -> Answer {
        var options = CallOptions(timeout: .seconds(20))
        if let token { options.metadata.append("authorization", "Bearer \(token)") }
        return try await channel.unary("/trellis.tenancy.v1.CredentialService/\(method)", request, options)
    }

    /// How a call of CredentialService is refused; nil when it is not.
    func refusal(_ method: String, _ request: some Message, _ token: String? = nil) async -> RPCError? {
        do {
            // Whatever is answered: the message of no fields takes it.
            _ = try await sign(method, request, token, as: RequestPasswordResetResponse.self)
            return nil
        } catch {
            return error as? RPCError
        }
    }

    /// Invites somebody to a tenant and accepts for them.
    func join(
        _ email: String,
        role: String = "owner",
        _ admin: String,
        password: String = TestServer.password
    ) async throws -> SessionTokens {
        let invitation: Invitation = try await call(
            "InviteUser",
            InviteUserRequest(email: email, displayName: "Ana", roles: [RoleGrant(role: role)]),
            admin
        )
        return try await sign(
            "AcceptInvitation",
            AcceptInvitationRequest(token: invitation.token, password: password)
        )
    }

    func whoAmI(_ token: String) async throws -> WhoAmIResponse {
        try await call("WhoAmI", WhoAmIRequest(), token)
    }

    /// The reason why a token is not let in; nil when it is.
    func reason(_ token: String) async -> String? {
        do {
            _ = try await whoAmI(token)
            return nil
        } catch {
            return (error as? RPCError)?.reason ?? "\(error)"
        }
    }

    /// Whether a token that was let in is not let in any more: at once, without waiting for anything.
    func isRefused(_ token: String) async -> Bool { await reason(token) == "CREDENTIAL_REFUSED" }

    /// The rows of a query, as one text each.
    func rows(_ sql: String) async throws -> [String] {
        try await database.withAdministrator { administrator in
            try await administrator.run(
                script: """
                    CREATE OR REPLACE FUNCTION public.rows_of(query text) RETURNS SETOF text LANGUAGE plpgsql AS
                    $$ BEGIN RETURN QUERY EXECUTE format('SELECT value::text FROM (%s) AS found (value)', query); END $$
                    """
            )
            return try await administrator.run(TextRows(sql), .none)
        }
    }

    /// The methods of a tenant's audit events, but those of category ACCESS, oldest first.
    func audited(_ tenant: String) async throws -> [String] {
        try await rows(
            "SELECT regexp_replace(method, '^.*/', '') || CASE outcome WHEN 'OK' THEN '' ELSE ' refused' END "
                + "FROM trellis.audit_event WHERE tenant_id = '\(tenant)' AND category <> 2 ORDER BY audit_event_id"
        )
    }
}

/// A query of a test, which changes nothing.
struct TextRows: Statement {
    static let name = "TextRows"
    static let sql = "SELECT found FROM public.rows_of($1) AS found"
    let query: String

    init(_ query: String) { self.query = query }

    func bind(_ parameters: inout Parameters) { parameters.add(query) }

    static func decode(_ result: borrowing QueryResult) throws(PostgresError) -> [String] {
        try result.rows { row throws(PostgresError) in try row.text(0) }
    }
}

/// Keeps what would be sent.
final class Outbox: PasswordResetDelivery {
    private let state = Mutex<[PasswordResetMessage]>([])

    var messages: [PasswordResetMessage] { state.withLock { $0 } }

    func deliver(_ message: PasswordResetMessage) async throws { state.withLock { $0.append(message) } }

    /// Waits for a number of messages.
    func wait(for count: Int) async throws -> [PasswordResetMessage] {
        for _ in 0..<500 where messages.count < count { try await Task.sleep(for: .milliseconds(10)) }
        return messages
    }
}
