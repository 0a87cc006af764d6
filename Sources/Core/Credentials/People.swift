public import Domain
public import Postgres
public import Primitives
internal import Protobuf
public import TrellisAPI

/// People who sign in with an e-mail address and a password.
public enum People {
    /// As what the address of somebody who signs in is indexed.
    static let emailIndex = "sign-in"
    /// Where the personal part of a person is sealed for.
    static let place = "person"

    /// Somebody who has shown their password, or has chosen one.
    public struct Known: Sendable {
        /// Who they are.
        public let person: UUID
        /// The tenants that let them in.
        public let memberships: [Membership]
        let verified: String
        let rehashed: String?
    }

    /// What has come of somebody's address and password.
    public enum Outcome: Sendable {
        /// They are right.
        case known(Known)
        /// They are not. Of an address that is known, the tenants that let the person in: those may be told of it.
        case refused([Membership])
    }

    /// Compares a password with that of an address. It takes as long when there is no such address. On the database's
    /// loop.
    ///
    /// Throws ``DomainError/resourceExhausted(_:)`` when the client must wait.
    public static func identify(
        email: String,
        password: String,
        _ client: Client,
        _ passwords: Passwords,
        _ keyring: Keyring,
        _ database: Database
    ) async throws -> Outcome {
        let index = keyring.index(email, kind: emailIndex)
        let attempt = try await Attempt.begin(index, from: client, keyring, database)
        let (person, rows) = try await database.run(
            PersonByEmail(emailIndex: index),
            MembershipsByEmail(emailIndex: index),
            settings: Scope.platformSettings
        )
        let memberships = rows.map(\.membership)
        let verdict = try await passwords.verify(password, person?.passwordHash)
        guard let person, let hash = person.passwordHash, case .right(let rehashed) = verdict else {
            return .refused(memberships)
        }
        try await attempt.succeed(database)
        return .known(
            Known(
                person: person.personID,
                memberships: memberships,
                verified: hash,
                rehashed: rehashed
            )
        )
    }

    /// The membership that somebody means by a tenant's short name or id, or the only one; nil when they have to say.
    ///
    /// Throws ``DomainError/failedPrecondition(_:)`` when there is none.
    public static func choose(_ tenant: String, _ memberships: [Membership]) throws(DomainError) -> Membership? {
        if tenant.isEmpty, memberships.count > 1 { return nil }
        let meant = memberships.first { tenant.isEmpty || $0.slug == tenant || $0.tenantID == tenant.caseFolded }
        guard let meant else {
            throw .failedPrecondition(
                .init(
                    reason: "NO_MEMBERSHIP",
                    subject: tenant.isEmpty ? "tenants" : "tenants/\(tenant)",
                    description: "the password is right, but "
                        + (tenant.isEmpty ? "no tenant lets you in" : "the tenant \"\(tenant)\" does not let you in")
                        + ": ask an administrator of the tenant for an invitation"
                )
            )
        }
        return meant
    }

    /// Signs somebody in to the work's tenant.
    public static func signIn(
        _ known: Known,
        user: UUID,
        _ client: Client,
        _ work: Work,
        _ settings: CredentialSettings
    ) async throws -> SessionTokens {
        try await confirm(known, work)
        return try await Sessions.begin(person: known.person, user: user, client, work, settings)
    }

    /// Holds a password that was right as it is until the work is done, and keeps its new hash if there is one.
    private static func confirm(_ known: Known, _ work: Work) async throws {
        try await work.asPlatform { work in
            let hold = PersonHold(personID: known.person, verified: known.verified)
            let held = try await work.transaction.run(hold)
            // It was changed after it was compared.
            guard held != nil else { throw DomainError.contention }
            guard let rehashed = known.rehashed else { return }
            let keep = PersonRehash(passwordHash: rehashed, personID: known.person, verified: known.verified)
            _ = try await work.transaction.run(keep)
        }
    }

    // MARK: Accepting invitations

    /// Whoever accepts an invitation: somebody known, who has shown their password, or somebody new, who has chosen
    /// one.
    public enum Newcomer: Sendable {
        /// They are a person already.
        case known(Known)
        /// They are not.
        case new(person: UUID, email: String, displayName: String, hash: String)

        /// Who they are, or will be.
        public var person: UUID {
            switch self {
            case .known(let known): known.person
            case .new(let person, _, _, _): person
            }
        }
    }

    /// Finds out who accepts an invitation that was sent to an address. Nil when the address is a person's whose
    /// password is another. On the database's loop.
    public static func welcome(
        email: String,
        displayName: String,
        password: String,
        _ client: Client,
        _ passwords: Passwords,
        _ keyring: Keyring,
        _ database: Database
    ) async throws -> Newcomer? {
        let index = keyring.index(email, kind: emailIndex)
        guard try await database.run(PersonByEmail(emailIndex: index), Scope.platformSettings) == nil else {
            let outcome = try await identify(email: email, password: password, client, passwords, keyring, database)
            guard case .known(let known) = outcome else { return nil }
            return .known(known)
        }
        try PasswordPolicy.check(password, field: "password", email: email, name: displayName)
        let hash = try await passwords.hash(password)
        return .new(person: .v7(), email: email, displayName: displayName, hash: hash)
    }

    /// Makes the person if they are new, and signs them in as the user of the work's tenant that they have become.
    public static func join(
        _ newcomer: Newcomer,
        user: UUID,
        _ client: Client,
        _ work: Work,
        _ settings: CredentialSettings
    ) async throws -> SessionTokens {
        switch newcomer {
        case .known(let known): try await confirm(known, work)
        case .new(let person, let email, let displayName, let hash):
            let made = work.keyring.makeSubject(person)
            let personal = User(email: email, displayName: displayName)
            // Somebody with this address accepted another invitation meanwhile: then the password decides.
            try await saying(["person_email_index_key": DomainError.contention]) {
                try await work.asPlatform { work in
                    _ = try await work.transaction.run(
                        SubjectKeyInsert(tenantID: .zero, subjectID: person, sealedKey: made.sealed),
                        PersonInsert(
                            personID: person,
                            emailIndex: work.keyring.index(email, kind: emailIndex),
                            personal: made.key.seal(personal.serialized(), place: place),
                            passwordHash: hash
                        )
                    )
                }
            }
        }
        try await work.asPlatform { work in
            let insert = MembershipInsert(personID: newcomer.person, memberOf: work.scope.tenant, userID: user)
            _ = try await work.transaction.run(insert)
        }
        return try await Sessions.begin(person: newcomer.person, user: user, client, work, settings)
    }

    // MARK: Passwords

    /// A change of password that was compared and hashed, and waits to be written.
    public struct Change: Sendable {
        let person: UUID
        let verified: String
        let hash: String
        let isConfirmed: Bool
    }

    /// Compares the old password of the person whose session makes the call, and hashes the new one. On the database's
    /// loop.
    public static func prepareChange(
        _ request: ChangePasswordRequest,
        _ scope: Scope,
        _ client: Client,
        _ passwords: Passwords,
        _ keyring: Keyring,
        _ database: Database
    ) async throws -> Change {
        guard !scope.isPlatform, scope.actor.user != nil,
            let session = try await database.run(
                SessionGet(tenantID: scope.tenant, sessionID: scope.actor.id),
                scope.settings
            )
        else { throw Sessions.noSession }
        let found = try await database.run(PersonGet(personID: session.personID), Scope.platformSettings)
        guard let person = found, let hash = person.passwordHash, let account = person.emailIndex else {
            throw DomainError.unauthenticated(.refused)
        }
        let own = try own(person, keyring)
        try PasswordPolicy.check(
            request.newPassword,
            field: "new_password",
            email: own.email,
            name: own.displayName
        )
        let attempt = try await Attempt.begin(account, from: client, keyring, database)
        let isConfirmed = try await passwords.verify(request.oldPassword, hash) != .wrong
        if !isConfirmed {
            // It may be the retry of a call that has taken effect, whose answer is found by its request id.
            guard !request.requestID.isEmpty, try await passwords.verify(request.newPassword, hash) != .wrong
            else { throw wrongOldPassword }
        }
        try await attempt.succeed(database)
        return Change(
            person: person.personID,
            verified: hash,
            hash: try await passwords.hash(request.newPassword),
            isConfirmed: isConfirmed
        )
    }

    /// Changes the password, and ends all other sessions of the person.
    public static func change(_ change: Change, _ work: Work) async throws -> ChangePasswordResponse {
        guard change.isConfirmed else { throw wrongOldPassword }
        try await work.asPlatform { work in
            let set = PersonChangePassword(
                passwordHash: change.hash,
                personID: change.person,
                verified: change.verified
            )
            guard try await work.transaction.run(set) == 1 else { throw DomainError.contention }
            _ = try await work.transaction.run(PasswordResetsVoid(personID: change.person))
        }
        let ended = try await Sessions.endAll(of: change.person, but: work.scope.actor.id, work)
        return ChangePasswordResponse(revokedSessions: ended)
    }

    static let wrongOldPassword = DomainError.invalid("old_password", "it is not the password that you have")

    /// What is personal about a person; empty once they were erased.
    static func own(_ person: PersonRow, _ keyring: Keyring) throws -> User {
        guard let key = try keyring.subject(person.personID, sealed: person.sealedKey) else { return User() }
        return try User(serialized: key.open(person.personal, place: place))
    }
}

extension MembershipRow {
    fileprivate var membership: Membership {
        Membership(tenantID: memberOf.text, slug: slug, displayName: displayName, userID: userID.text)
    }
}
