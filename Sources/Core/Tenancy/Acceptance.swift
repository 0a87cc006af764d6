public import Domain
public import Postgres
public import Primitives
internal import Protobuf
internal import TrellisAPI

/// Accepting invitations.
public enum Acceptance {
    /// An invitation as whoever has its token sees it.
    public struct Offer: Sendable {
        /// The tenant that invites.
        public let tenant: UUID
        /// The invitation.
        public let invitation: UUID
        /// The user that its receiver will be.
        public let user: UUID
        /// The address that it was sent to.
        public let email: String
        /// The name that its maker has written.
        public let displayName: String
    }

    /// Finds the invitation of a token, in whatever state it is. On the database's loop.
    ///
    /// Throws ``DomainError/failedPrecondition(_:)`` when there is none.
    public static func open(_ token: String, _ keyring: Keyring, _ database: Database) async throws -> Offer {
        guard let token = InvitationToken(token), token.tenant != .zero else { throw invalid }
        let found = try await database.run(
            InvitationByToken(tenantID: token.tenant, invitationID: token.invitation),
            Scope.settings(tenant: token.tenant)
        )
        guard let found, constantTimeEqual(found.tokenHash, token.hash),
            let key = try keyring.subject(found.userID, sealed: found.sealedKey)
        else { throw invalid }
        let own = try Invitation(serialized: key.open(found.personal, place: Invitations.place))
        return Offer(
            tenant: token.tenant,
            invitation: token.invitation,
            user: found.userID,
            email: own.email,
            displayName: own.displayName
        )
    }

    /// Makes the user whom an invitation promises, or completes the one who was there before, gives them their roles,
    /// and links them to the person who signs in as them.
    public static func accept(_ offer: Offer, person: UUID, displayName: String, _ work: Work) async throws {
        let (tenant, user) = (work.scope.tenant, offer.user)
        let held = try await work.transaction.run(
            InvitationHold(tenantID: tenant, invitationID: offer.invitation)
        )
        guard let held, let key = try await work.subject(user) else { throw invalid }
        let name = displayName.isEmpty ? offer.displayName : displayName
        let errors: KeyValuePairs = [
            "tenant_user_person": refusal(
                "ALREADY_A_USER",
                "invitations/\(offer.invitation)",
                "whoever signs in with this address is a user of this tenant already, with another address"
            ),
            "tenant_user_email": DomainError.alreadyExists(resource: "user", field: "email", value: offer.email),
        ]
        let known = try await work.transaction.run(UserLock(tenantID: tenant, userID: user))
        let before = try known?.user(.whole(work.keyring))
        try await saying(errors) {
            if before == nil {
                _ = try await work.transaction.run(
                    UserInsert(
                        tenantID: tenant,
                        userID: user,
                        emailIndex: held.emailIndex,
                        personal: Users.seal(email: offer.email, displayName: name, key),
                        language: "".orEnglish,
                        timeZone: "".orUTC
                    )
                )
            }
            let row = try await Users.lock(user, work)
            guard row.state == User.State.active.rawValue else {
                throw refusal(
                    "USER_SUSPENDED",
                    "users/\(user)",
                    "user \(user) is suspended: an administrator resumes them"
                )
            }
            _ = try await work.transaction.run(
                UserSetPerson(personID: person, tenantID: tenant, userID: user),
                InvitationAccept(tenantID: tenant, invitationID: offer.invitation)
            )
        }
        for (role, site) in zip(held.roles, held.sites) where try await isThere(role, site, work) {
            _ = try await work.transaction.run(
                RoleBindingInsert(tenantID: tenant, userID: user, role: role, siteID: site)
            )
        }
        try await work.changesAccess()
        work.audit.isAbout(key)
        work.audit.changed("user", user.text, from: before, to: try await Users.current(user, work), of: key)
        work.audit.target("invitation", offer.invitation.text)
    }

    /// Whether a role and a site are still there, that were when somebody was invited.
    private static func isThere(_ role: String, _ site: UUID, _ work: Work) async throws -> Bool {
        let tenant = work.scope.tenant
        if site != .zero, try await work.transaction.run(SiteShare(tenantID: tenant, siteID: site)) == nil {
            return false
        }
        if SystemRole(slug: role) != nil { return true }
        return try await work.transaction.run(RoleShare(tenantID: tenant, role: role)) != nil
    }

    private static let invalid = refusal(
        "INVITATION_INVALID",
        "token",
        "the invitation is unknown, was accepted or revoked, or has run out: ask for another"
    )

    private static func refusal(_ reason: String, _ subject: String, _ description: String) -> DomainError {
        .failedPrecondition(.init(reason: reason, subject: subject, description: description))
    }
}
