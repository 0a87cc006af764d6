import Credentials
import Domain
import EventLoop
import Logging
import Postgres
import Primitives
import Protobuf
import RPC
import RPCServer
import Tenancy
import TrellisAPI

/// CredentialService: each method as its use cases. The public ones find out themselves who is calling, and go on as if
/// authentication had let them in.
struct CredentialHandlers: CredentialService {
    let table: LoopTable

    func acceptInvitation(
        _ request: AcceptInvitationRequest,
        _ context: ServerContext
    ) async throws -> SessionTokens {
        let services = table[context.loop]
        let (keyring, database, credentials) = (services.keyring, services.database, services.credentials)
        let offer = try await Acceptance.open(request.token, keyring, database)
        let newcomer = try await People.welcome(
            email: offer.email,
            displayName: request.displayName.isEmpty ? offer.displayName : request.displayName,
            password: request.password,
            context.client,
            credentials.passwords,
            keyring,
            database
        )
        guard let newcomer else {
            // Who invites is told that whoever has the token does not know the password of the address.
            let scope = Scope(tenant: offer.tenant, actor: .user(offer.user, key: offer.invitation), grants: Grants())
            throw try await refuse(AcceptInvitationRequest(), context, scope, .signIn, SessionTokens())
        }
        context.admit(
            Scope(tenant: offer.tenant, actor: .user(offer.user, key: newcomer.person), grants: Grants()),
            services
        )
        let client = context.client
        return try await context.write(request) { work in
            try await Acceptance.accept(offer, person: newcomer.person, displayName: request.displayName, work)
            return try await People.join(newcomer, user: offer.user, client, work, credentials.settings)
        }
    }

    func signIn(_ request: SignInRequest, _ context: ServerContext) async throws -> SignInResponse {
        let services = table[context.loop]
        let (client, credentials) = (context.client, services.credentials)
        let outcome = try await People.identify(
            email: request.email,
            password: request.password,
            client,
            credentials.passwords,
            services.keyring,
            services.database
        )
        guard case .known(let known) = outcome else {
            guard case .refused(let memberships) = outcome else { throw DomainError.unauthenticated(.signIn) }
            let scope = Self.scope(of: memberships, request.tenant)
            throw try await refuse(SignInRequest(), context, scope, .signIn, SignInResponse())
        }
        guard let membership = try People.choose(request.tenant, known.memberships) else {
            return SignInResponse(memberships: known.memberships)
        }
        let tenant = try UUID(membership.tenantID, field: "tenant")
        let user = try UUID(membership.userID, field: "tenant")
        context.admit(Scope(tenant: tenant, actor: .user(user, key: known.person), grants: Grants()), services)
        return try await context.write(request) { work in
            SignInResponse(
                tokens: try await People.signIn(known, user: user, client, work, credentials.settings)
            )
        }
    }

    /// Under what a refused sign-in is told of: as the user, in the tenant that was meant or the first that they are a
    /// user of; of an address that nobody has, on the platform, so that it takes as long.
    private static func scope(of memberships: [Membership], _ tenant: String) -> Scope {
        let meant = memberships.first { $0.slug == tenant || $0.tenantID == tenant } ?? memberships.first
        guard let meant, let id = UUID(meant.tenantID), let user = UUID(meant.userID) else {
            return Scope(tenant: .zero, actor: .platform(key: .zero), grants: Grants())
        }
        return Scope(tenant: id, actor: .user(user, key: user), grants: Grants())
    }

    func refreshSession(_ request: RefreshSessionRequest, _ context: ServerContext) async throws -> SessionTokens {
        let services = table[context.loop]
        let settings = services.credentials.settings
        guard let token = RefreshToken(request.refreshToken),
            let user = try await Sessions.user(of: token, services.database)
        else { throw DomainError.unauthenticated(.refresh) }
        let scope = Scope(tenant: token.tenant, actor: .user(user, key: token.session), grants: Grants())
        context.admit(scope, services)
        do {
            return try await context.write(request) { work in
                guard let tokens = try await Sessions.refresh(token, work, settings) else { throw UsedTwice() }
                return tokens
            }
        } catch is UsedTwice {
            let end = RevokeSessionRequest(id: token.session.text)
            throw try await refuse(end, context, scope, .refresh) { work in
                try await Sessions.end(token.session, work)
            }
        }
    }

    /// A refresh token came a second time: somebody else has it.
    private struct UsedTwice: Error {}

    func signOut(_ request: SignOutRequest, _ context: ServerContext) async throws -> Session {
        try await context.write(request) { work in try await Sessions.signOut(work) }
    }

    func signOutEverywhere(
        _ request: SignOutEverywhereRequest,
        _ context: ServerContext
    ) async throws -> SignOutEverywhereResponse {
        try await context.write(request) { work in try await Sessions.signOutEverywhere(work) }
    }

    func listSessions(_ request: ListSessionsRequest, _ context: ServerContext) async throws -> ListSessionsResponse {
        let call = context.call
        let page = try context.page(request)
        return try await context.read(request) { try await Sessions.list(request, page, $0, call.personalView) }
    }

    func revokeSession(_ request: RevokeSessionRequest, _ context: ServerContext) async throws -> Session {
        let view = context.call.personalView
        return try await context.write(request) { work in try await Sessions.revoke(request, work, view) }
    }

    func changePassword(
        _ request: ChangePasswordRequest,
        _ context: ServerContext
    ) async throws -> ChangePasswordResponse {
        let call = context.call
        let change = try await People.prepareChange(
            request,
            call.scope,
            context.client,
            call.services.credentials.passwords,
            call.services.keyring,
            call.database
        )
        return try await context.write(request) { work in try await People.change(change, work) }
    }

    func requestPasswordReset(
        _ request: RequestPasswordResetRequest,
        _ context: ServerContext
    ) async throws -> RequestPasswordResetResponse {
        let services = table[context.loop]
        guard let delivery = services.credentials.settings.resetDelivery,
            let policy = services.policies[context.route.index]
        else {
            throw DomainError.failedPrecondition(
                .init(
                    reason: "NO_DELIVERY",
                    subject: "server",
                    description: "this server cannot send anything to people: ask an administrator of your tenant, "
                        + "who makes a token with IssuePasswordReset"
                )
            )
        }
        let (callID, address) = (context.requestID, context.address)
        // In its own time, so that the answer does not tell whether the address is known.
        context.loop.startTask {
            do {
                try await Self.sendReset(to: request.email, delivery, policy, (callID, address), services)
            } catch {
                services.log.error(
                    "a password reset was not sent",
                    metadata: ["request_id": "\(callID)", "error": "\(error)"]
                )
            }
        }
        return RequestPasswordResetResponse()
    }

    private static func sendReset(
        to email: String,
        _ delivery: any PasswordResetDelivery,
        _ policy: RoutePolicy,
        _ call: (id: String, address: String),
        _ services: LoopServices
    ) async throws {
        guard let recipient = try await PasswordResets.recipient(email, services.keyring, services.database) else {
            return
        }
        let tenant = try UUID(recipient.membership.tenantID, field: "tenant_id")
        let user = try UUID(recipient.membership.userID, field: "user_id")
        let write = WriteCall(
            scope: Scope(tenant: tenant, actor: .user(user, key: recipient.person), grants: Grants()),
            method: policy.method,
            callID: call.id,
            isAudited: policy.isAudited,
            category: policy.category,
            address: call.address,
            keyring: services.keyring
        )
        let reset = try await services.database.write(RequestPasswordResetRequest(), write) { work in
            try await PasswordResets.request(recipient, work)
        }
        guard !reset.response.token.isEmpty else { return }
        try await delivery.deliver(PasswordResets.message(reset.response, to: recipient))
    }

    func resetPassword(_ request: ResetPasswordRequest, _ context: ServerContext) async throws -> ResetPasswordResponse
    {
        let services = table[context.loop]
        let prepared = try await PasswordResets.prepare(
            request,
            services.credentials.passwords,
            services.keyring,
            services.database
        )
        let actor = Actor.user(prepared.user, key: prepared.person)
        context.admit(Scope(tenant: prepared.tenant, actor: actor, grants: Grants()), services)
        return try await context.write(request) { work in try await PasswordResets.use(prepared, work) }
    }

    func issuePasswordReset(
        _ request: IssuePasswordResetRequest,
        _ context: ServerContext
    ) async throws -> PasswordReset {
        let catalogue = context.call.services.catalogue
        return try await context.write(request) { work in try await PasswordResets.issue(request, work, catalogue) }
    }

    func getJwks(_ request: GetJwksRequest, _ context: ServerContext) async throws -> JwkSet {
        try await SigningKeys.published(table[context.loop].database)
    }

    func listSigningKeys(
        _ request: ListSigningKeysRequest,
        _ context: ServerContext
    ) async throws -> ListSigningKeysResponse {
        try await SigningKeys.list(context.page(request), context.call.scope, context.call.database)
    }

    func rotateSigningKey(_ request: RotateSigningKeyRequest, _ context: ServerContext) async throws -> SigningKey {
        try await context.write(request) { work in try await SigningKeys.rotate(work) }
    }

    // MARK: What is refused

    /// Leaves the audit event of a call that is refused, beside what has to be done all the same. Returns the error.
    private func refuse<Request: WriteRequest, Response: Message>(
        _ request: Request,
        _ context: ServerContext,
        _ scope: Scope,
        _ problem: DomainError.CredentialProblem,
        _ body: (Work) async throws -> Response
    ) async throws -> DomainError {
        let error = DomainError.unauthenticated(problem)
        context.admit(scope, table[context.loop], refusedFor: error)
        _ = try await context.write(request, body)
        return error
    }

    private func refuse<Request: WriteRequest>(
        _ request: Request,
        _ context: ServerContext,
        _ scope: Scope,
        _ problem: DomainError.CredentialProblem,
        _ answer: some Message
    ) async throws -> DomainError {
        try await refuse(request, context, scope, problem) { _ in answer }
    }
}

extension ServerContext {
    /// From where the call comes.
    fileprivate var client: Client { Client(peer: peer, userAgent: metadata["user-agent"] ?? "") }

    /// Goes on with a public call as somebody whom its request has identified: what it writes is theirs, and its line
    /// in the log names them.
    ///
    /// The consistency token of such a call promises nothing but what it has changed itself: epoch 0.
    ///
    /// - Parameter error: why the call is refused, when all that it writes is that.
    fileprivate func admit(_ scope: Scope, _ services: LoopServices, refusedFor error: DomainError? = nil) {
        guard let policy = services.policies[route.index] else { preconditionFailure("\(route.path) has no policy") }
        let reply = error.map { ErrorReply($0) }
        let refusal = reply.map { (outcome: $0.code.name, reason: $0.reason) }
        admittedCall = Call(scope: scope, policy: policy, services: services, epoch: 0, refusal: refusal)
    }
}
