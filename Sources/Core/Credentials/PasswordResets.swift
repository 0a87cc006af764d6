public import Domain
public import Postgres
public import Primitives
internal import Protobuf
public import TrellisAPI

/// New passwords for people who have lost theirs.
public enum PasswordResets {
    /// Makes a token for a user of the caller's tenant, who hands it over.
    public static func issue(
        _ request: IssuePasswordResetRequest,
        _ work: Work,
        _ catalogue: PermissionCatalogue
    ) async throws -> PasswordReset {
        let (tenant, user) = (work.scope.tenant, try UUID(request.userID, field: "user_id"))
        guard user != work.scope.actor.user else {
            throw DomainError.invalid("user_id", "this is yourself: use ChangePassword")
        }
        let (found, roles) = try await work.transaction.run(
            UserPerson(tenantID: tenant, userID: user),
            UserGrants(tenantID: tenant, userID: user)
        )
        guard let person = try found.orNotFound("user", user).personID else {
            throw refusal(
                "USER_NOT_SIGNING_IN",
                "users/\(user)",
                "user \(user) has no password: they have not accepted an invitation yet"
            )
        }
        // Whoever can choose somebody's password can be them.
        for role in roles {
            let site = role.siteID == .zero ? nil : role.siteID
            try work.scope.requireCovering(patterns(role, catalogue), site: site)
        }
        let elsewhere = try await work.asPlatform {
            try await $0.transaction.run(MembershipsElsewhere(personID: person, memberOf: tenant)).certain.count
        }
        guard elsewhere == 0 else {
            throw refusal(
                "PERSON_OF_SEVERAL_TENANTS",
                "users/\(user)",
                "user \(user) signs in to other tenants too: only they themselves can ask for a new password"
            )
        }
        return try await make(person: person, user: user, work)
    }

    /// Whom a token is sent to who has asked for it: the person behind an address; nil when nobody is.
    public struct Recipient: Sendable {
        /// Who they are.
        public let person: UUID
        /// In whose audit trail it is told.
        public let membership: Membership
        let own: User
    }

    /// The person behind an address whom some tenant lets in. On the database's loop.
    public static func recipient(
        _ email: String,
        _ keyring: Keyring,
        _ database: Database
    ) async throws -> Recipient? {
        let index = keyring.index(email, kind: People.emailIndex)
        let (person, rows) = try await database.run(
            PersonByEmail(emailIndex: index),
            MembershipsByEmail(emailIndex: index),
            settings: Scope.platformSettings
        )
        guard let person, let row = rows.first else { return nil }
        return Recipient(
            person: person.personID,
            membership: Membership(
                tenantID: row.memberOf.text,
                slug: row.slug,
                displayName: row.displayName,
                userID: row.userID.text
            ),
            own: try People.own(person, keyring)
        )
    }

    /// Makes a token for somebody who has asked for it, unless they have one of the last minute; the message's token is
    /// the answer's.
    public static func request(_ recipient: Recipient, _ work: Work) async throws -> PasswordReset {
        let recent = try await work.asPlatform {
            try await $0.transaction.run(PasswordResetsRecent(personID: recipient.person)).certain.count
        }
        guard recent == 0 else { return PasswordReset() }
        return try await make(
            person: recipient.person,
            user: try UUID(recipient.membership.userID, field: "user_id"),
            work
        )
    }

    /// What somebody who has asked is sent.
    public static func message(_ reset: PasswordReset, to recipient: Recipient) -> PasswordResetMessage {
        PasswordResetMessage(
            email: recipient.own.email,
            displayName: recipient.own.displayName,
            token: reset.token,
            expireTime: reset.expireTime?.instant ?? .now()
        )
    }

    private static func make(person: UUID, user: UUID, _ work: Work) async throws -> PasswordReset {
        work.audit.target("user", user.text)
        let token = ResetToken(person: person)
        let expires = Instant.now().advanced(byMicroseconds: CredentialSettings.resetMicroseconds)
        try await work.asPlatform { work in
            _ = try await work.transaction.run(
                PasswordResetInsert(
                    personID: person,
                    tokenHash: token.hash,
                    memberOf: work.scope.tenant,
                    userID: user,
                    expireTime: expires
                )
            )
        }
        return PasswordReset(token: token.text, expireTime: Timestamp(expires))
    }

    // MARK: Using one

    /// A token that was found, and a password that was hashed, to be written.
    public struct Prepared: Sendable {
        /// Whose password it is.
        public let person: UUID
        /// In whose audit trail it is told.
        public let tenant: UUID
        /// As which user there.
        public let user: UUID
        let token: ResetToken
        let hash: String
    }

    /// Finds a token, used or not, and hashes the new password. On the database's loop.
    public static func prepare(
        _ request: ResetPasswordRequest,
        _ passwords: Passwords,
        _ keyring: Keyring,
        _ database: Database
    ) async throws -> Prepared {
        guard let token = ResetToken(request.token) else { throw invalid }
        let (found, person) = try await database.run(
            PasswordResetGet(personID: token.person, tokenHash: token.hash),
            PersonGet(personID: token.person),
            settings: Scope.platformSettings
        )
        guard let found, let person else { throw invalid }
        let own = try People.own(person, keyring)
        try PasswordPolicy.check(request.newPassword, field: "new_password", email: own.email, name: own.displayName)
        return Prepared(
            person: token.person,
            tenant: found.memberOf,
            user: found.userID,
            token: token,
            hash: try await passwords.hash(request.newPassword)
        )
    }

    /// Sets the new password, and ends all sessions of the person.
    public static func use(_ prepared: Prepared, _ work: Work) async throws -> ResetPasswordResponse {
        try await work.asPlatform { work in
            let use = PasswordResetUse(personID: prepared.person, tokenHash: prepared.token.hash)
            guard try await work.transaction.run(use) == 1 else { throw invalid }
            _ = try await work.transaction.run(
                PersonSetPassword(passwordHash: prepared.hash, personID: prepared.person),
                PasswordResetsVoid(personID: prepared.person)
            )
        }
        return ResetPasswordResponse(revokedSessions: try await Sessions.endAll(of: prepared.person, but: .zero, work))
    }

    private static let invalid = refusal(
        "PASSWORD_RESET_INVALID",
        "token",
        "the token is unknown, was used, or has run out: ask for another"
    )

    private static func refusal(_ reason: String, _ subject: String, _ description: String) -> DomainError {
        .failedPrecondition(.init(reason: reason, subject: subject, description: description))
    }

    /// What a role holds, as patterns.
    private static func patterns(_ role: UserGrant, _ catalogue: PermissionCatalogue) -> [String] {
        guard let system = SystemRole(slug: role.role) else { return role.permissions ?? [] }
        return system == .owner ? ["*"] : catalogue.expand(catalogue.permissions(of: system), platform: false)
    }
}
