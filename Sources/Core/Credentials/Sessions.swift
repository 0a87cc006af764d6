public import Domain
public import Postgres
public import Primitives
internal import Protobuf
public import TrellisAPI

/// Sessions: they begin when somebody signs in, go on as their tokens are exchanged, and end.
public enum Sessions {
    /// Where the personal part of a session is sealed for.
    static let place = "session"
    /// The permissions to see and to end sessions of others.
    static let (readOthers, endOthers) = ("tenancy.users.read", "tenancy.users.write")

    /// Begins a session of a user of the work's tenant.
    static func begin(
        person: UUID,
        user: UUID,
        _ client: Client,
        _ work: Work,
        _ settings: CredentialSettings
    ) async throws -> SessionTokens {
        guard let key = try await work.subject(user) else { throw DomainError.unauthenticated(.signIn) }
        let (id, tenant) = (UUID.v7(), work.scope.tenant)
        let personal = Session(address: client.address, userAgent: client.userAgent)
        // The request's address is theirs.
        work.audit.isAbout(key)
        let token = RefreshToken(tenant: tenant, session: id)
        _ = try await work.transaction.run(
            SessionInsert(
                tenantID: tenant,
                sessionID: id,
                userID: user,
                personID: person,
                personal: key.seal(personal.serialized(), place: place),
                expireTime: Instant.now().advanced(byMicroseconds: CredentialSettings.sessionMicroseconds)
            ),
            RefreshTokenInsert(tenantID: tenant, sessionID: id, tokenHash: token.hash)
        )
        let tokens = try await tokens(of: id, token, work, settings)
        work.audit.changed("session", id.text, from: nil, to: tokens.session, of: key)
        return tokens
    }

    /// Whose session a refresh token is of; nil when there is no such session. On the database's loop.
    public static func user(of token: RefreshToken, _ database: Database) async throws(PostgresError) -> UUID? {
        try await database.run(
            SessionGet(tenantID: token.tenant, sessionID: token.session),
            Scope.settings(tenant: token.tenant)
        )?.userID
    }

    /// Exchanges a refresh token for the next pair of tokens; nil when it was used before, and the session is to be
    /// ended with ``end(_:_:)`` therefore.
    public static func refresh(
        _ token: RefreshToken,
        _ work: Work,
        _ settings: CredentialSettings
    ) async throws -> SessionTokens? {
        let (tenant, session) = (token.tenant, token.session)
        let (locked, found) = try await work.transaction.run(
            SessionLock(tenantID: tenant, sessionID: session),
            RefreshTokenGet(tenantID: tenant, sessionID: session, tokenHash: token.hash)
        )
        guard let locked, let found, locked.revokeTime == nil else { throw DomainError.unauthenticated(.refresh) }
        guard found.useTime == nil else { return nil }
        let credential = SessionCredential(tenantID: tenant, sessionID: session, userID: locked.userID)
        guard try await work.transaction.run(credential) != nil else { throw DomainError.unauthenticated(.refresh) }
        let next = RefreshToken(tenant: tenant, session: session)
        _ = try await work.transaction.run(
            RefreshTokenUse(tenantID: tenant, sessionID: session, tokenHash: token.hash),
            RefreshTokenInsert(tenantID: tenant, sessionID: session, tokenHash: next.hash),
            SessionTouch(
                expireTime: Instant.now().advanced(byMicroseconds: CredentialSettings.sessionMicroseconds),
                tenantID: tenant,
                sessionID: session
            )
        )
        work.audit.target("session", session.text)
        return try await tokens(of: session, next, work, settings)
    }

    /// Ends a session of the work's tenant, whosever it is.
    public static func end(_ id: UUID, _ work: Work) async throws -> Session {
        let (tenant, view) = (work.scope.tenant, PersonalView.whole(work.keyring))
        let before = try await work.transaction.run(SessionLock(tenantID: tenant, sessionID: id))
            .orNotFound("session", id)
        _ = try await work.transaction.run(SessionRevoke(tenantID: tenant, sessionID: id))
        // Also when it had ended before: whoever repeats the call waits for all servers, too.
        try await work.changesAccess()
        let session = try await work.transaction.run(SessionGet(tenantID: tenant, sessionID: id)).certain
            .session(view, current: work.scope.actor.id)
        let was = try before.session(view, current: work.scope.actor.id)
        work.audit.changed("session", id.text, from: was, to: session)
        return session
    }

    /// Ends the session that makes the call.
    public static func signOut(_ work: Work) async throws -> Session {
        _ = try await own(work)
        return try await end(work.scope.actor.id, work)
    }

    /// Ends all sessions of the person whose session makes the call, in all tenants.
    public static func signOutEverywhere(_ work: Work) async throws -> SignOutEverywhereResponse {
        let person = try await own(work).personID
        return SignOutEverywhereResponse(revokedSessions: try await endAll(of: person, but: .zero, work))
    }

    /// Ends a session: the caller's own, or somebody else's for who may.
    public static func revoke(_ request: RevokeSessionRequest, _ work: Work, _ view: PersonalView) async throws
        -> Session
    {
        try requireTenant(work.scope)
        let id = try UUID(request.id, field: "id")
        let row = try await work.transaction.run(SessionLock(tenantID: work.scope.tenant, sessionID: id))
        guard let row, row.userID == work.scope.actor.user || work.scope.grants.holds(endOthers, site: nil) else {
            // Who may not end others' is not told whether there are any.
            throw DomainError.notFound(resource: "session", id: id.text)
        }
        var session = try await end(id, work)
        if row.userID != work.scope.actor.user, !view.isWhole { (session.address, session.userAgent) = ("", "") }
        return session
    }

    /// Returns a page of a user's sessions.
    public static func list(
        _ request: ListSessionsRequest,
        _ page: Page,
        _ reading: Reading,
        _ view: PersonalView
    ) async throws -> ListSessionsResponse {
        let scope = reading.scope
        try requireTenant(scope)
        let asked = try UUID.optional(request.userID, field: "user_id")
        guard let user = asked ?? scope.actor.user else {
            throw DomainError.invalid("user_id", "it is empty, and the caller acts for no user: say whose sessions")
        }
        let isOwn = user == scope.actor.user
        if !isOwn { try scope.require(readOthers) }
        let rows = try await reading.transaction.run(
            SessionList(
                tenantID: scope.tenant,
                userID: user,
                after: try page.after,
                showEnded: request.showEnded,
                count: Int64(page.count)
            )
        )
        let view = isOwn ? PersonalView.whole(view.keyring) : view
        var response = ListSessionsResponse()
        (response.sessions, response.nextPageToken) = page.cut(
            try rows.map { try $0.session(view, current: scope.actor.id) },
            id: \.id
        )
        return response
    }

    /// The session that makes a call; nil when it is none. On the database's loop.
    public static func current(_ scope: Scope, _ database: Database, _ keyring: Keyring) async throws -> Session? {
        guard scope.actor.user != nil else { return nil }
        let query = SessionGet(tenantID: scope.tenant, sessionID: scope.actor.id)
        return try await database.run(query, scope.settings)?.session(.whole(keyring), current: scope.actor.id)
    }

    /// Ends all sessions of a person, in all tenants, but one. Returns how many.
    static func endAll(of person: UUID, but kept: UUID, _ work: Work) async throws -> Int32 {
        if let user = work.scope.actor.user { work.audit.target("user", user.text) }
        return try await work.asPlatform { work in
            let (ended, tenants) = try await work.transaction.run(
                SessionsRevokeOfPerson(personID: person, kept: kept),
                PersonTenants(personID: person)
            )
            for session in ended {
                let notes = work.audit(in: session.tenantID, user: session.userID)
                notes.target("session", session.sessionID.text)
            }
            // Also where none was left: whoever repeats the call waits for all servers, too.
            try await work.changesAccess(of: tenants.map(\.tenantID))
            return Int32(clamping: ended.count)
        }
    }

    /// The row of the session that makes the call.
    static func own(_ work: Work) async throws -> SessionRow {
        let actor = work.scope.actor
        guard actor.user != nil else { throw noSession }
        let get = SessionGet(tenantID: work.scope.tenant, sessionID: actor.id)
        guard let row = try await work.transaction.run(get) else { throw noSession }
        return row
    }

    static let noSession = DomainError.failedPrecondition(
        .init(
            reason: "NO_SESSION",
            subject: "session",
            description: "the caller's credential is a key: this needs a session in a tenant, which begins with SignIn"
        )
    )

    private static func requireTenant(_ scope: Scope) throws(DomainError) {
        guard !scope.isPlatform else { throw noSession }
    }

    private static func tokens(
        of session: UUID,
        _ refresh: RefreshToken,
        _ work: Work,
        _ settings: CredentialSettings
    ) async throws -> SessionTokens {
        let row = try await work.transaction.run(SessionGet(tenantID: work.scope.tenant, sessionID: session)).certain
        let current = try await work.asPlatform { try await $0.transaction.run(SigningKeyCurrent()) }
        guard let current else {
            throw PostgresError(.protocol, "trellis.signing_key has no current key: start a server, which makes one")
        }
        let now = Instant.now().secondsFloor
        let claims = AccessToken.Claims(
            issuer: settings.issuer,
            audience: settings.audience,
            user: row.userID,
            tenant: work.scope.tenant,
            session: session,
            issued: now,
            expires: now + CredentialSettings.accessSeconds
        )
        let key = try SigningKeys.open(current, work.keyring)
        return SessionTokens(
            session: try row.session(.whole(work.keyring), current: session),
            accessToken: AccessToken.make(claims, key: current.signingKeyID, key),
            accessExpireTime: Timestamp(Instant(microseconds: claims.expires * 1_000_000)),
            refreshToken: refresh.text
        )
    }
}

extension SessionRow {
    /// The session, as far as the viewer may see it; without from where once its user was erased.
    func session(_ view: PersonalView, current: UUID) throws -> Session {
        var session = Session()
        if view.isWhole, let key = try view.keyring.subject(userID, sealed: sealedKey) {
            session = try Session(serialized: key.open(personal, place: Sessions.place))
        }
        session.id = sessionID.text
        session.userID = userID.text
        session.createTime = Timestamp(createTime)
        session.useTime = Timestamp(useTime)
        session.expireTime = Timestamp(expireTime)
        session.revokeTime = revokeTime.map { Timestamp($0) }
        session.current = sessionID == current
        return session
    }
}
