public import Domain
internal import Postgres
public import Primitives
internal import Protobuf
public import TrellisAPI

/// What can be done with invitations to become a user, but accepting them.
public enum Invitations {
    /// How long an invitation lasts at most, in days.
    public static let maximumDays: Int64 = 30
    /// How long one lasts when its maker does not say, in days.
    static let defaultDays: Int64 = 7
    /// Where the personal part of an invitation is sealed for.
    static let place = "invitation"

    /// Invites somebody. What was sent to their address before is of no use any more.
    public static func create(
        _ request: InviteUserRequest,
        _ work: Work,
        _ catalogue: PermissionCatalogue
    ) async throws -> Invitation {
        let expires = try expiry(request.expireTime)
        for (index, grant) in request.roles.enumerated() {
            try await Roles.check(grant, "roles[\(index)].", work, catalogue)
        }
        let tenant = work.scope.tenant
        let index = work.keyring.index(request.email, kind: Users.emailIndex)
        _ = try await work.transaction.run(InvitationRevokeByEmail(tenantID: tenant, emailIndex: index))
        let (user, key) = try await subject(index, work)
        let id = UUID.v7()
        let token = InvitationToken(tenant: tenant, invitation: id)
        let personal = Invitation(email: request.email, displayName: request.displayName)
        _ = try await work.transaction.run(
            InvitationInsert(
                tenantID: tenant,
                invitationID: id,
                userID: user,
                personal: key.seal(personal.serialized(), place: place),
                emailIndex: index,
                roles: request.roles.map(\.role),
                sites: try request.roles.map { try UUID.optional($0.siteID, field: "roles.site_id") ?? .zero },
                tokenHash: token.hash,
                inviterID: work.scope.actor.user ?? work.scope.actor.id,
                expireTime: expires
            )
        )
        var invitation = try await current(id, work)
        work.audit.isAbout(key)
        work.audit.changed("invitation", invitation.id, from: nil, to: invitation, of: key)
        invitation.token = token.text
        return invitation
    }

    /// Returns a page of the invitations that can still be accepted or have run out.
    public static func list(
        _ page: Page,
        _ reading: Reading,
        _ view: PersonalView
    ) async throws -> ListInvitationsResponse {
        let query = InvitationList(tenantID: reading.scope.tenant, after: try page.after, count: Int64(page.count))
        let rows = try await reading.transaction.run(query)
        var response = ListInvitationsResponse()
        (response.invitations, response.nextPageToken) = page.cut(try rows.map { try $0.invitation(view) }, id: \.id)
        return response
    }

    /// Revokes an invitation.
    public static func revoke(_ request: RevokeInvitationRequest, _ work: Work) async throws -> Invitation {
        let id = try UUID(request.id, field: "id")
        let row = try await work.transaction.run(InvitationGet(tenantID: work.scope.tenant, invitationID: id))
            .orNotFound("invitation", id)
        guard row.acceptTime == nil else {
            throw DomainError.failedPrecondition(
                .init(
                    reason: "INVITATION_ACCEPTED",
                    subject: "invitations/\(id)",
                    description: "invitation \(id) has been accepted: delete user \(row.userID) instead"
                )
            )
        }
        _ = try await work.transaction.run(InvitationRevoke(tenantID: work.scope.tenant, invitationID: id))
        let revoked = try await current(id, work)
        work.audit.changed(
            "invitation",
            revoked.id,
            from: try row.invitation(.whole(work.keyring)),
            to: revoked,
            of: try work.keyring.subject(row.userID, sealed: row.sealedKey)
        )
        return revoked
    }

    /// The user-to-be: who has the address already, or somebody new.
    private static func subject(_ emailIndex: [UInt8], _ work: Work) async throws -> (UUID, SubjectKey) {
        let known = try await work.transaction.run(
            UserIDByEmail(tenantID: work.scope.tenant, emailIndex: emailIndex)
        )
        guard let known else {
            let id = UUID.v7()
            return (id, try await work.makeSubject(id))
        }
        guard known.personID == nil, let key = try await work.subject(known.userID) else {
            throw DomainError.failedPrecondition(
                .init(
                    reason: "USER_SIGNS_IN",
                    subject: "users/\(known.userID)",
                    description:
                        "user \(known.userID) has this address and signs in already: assign roles to them instead"
                )
            )
        }
        return (known.userID, key)
    }

    private static func current(_ id: UUID, _ work: Work) async throws -> Invitation {
        let row = try await work.transaction.run(InvitationGet(tenantID: work.scope.tenant, invitationID: id)).certain
        work.concerns(row.userID)
        return try row.invitation(.whole(work.keyring))
    }

    private static func expiry(_ time: Timestamp?) throws(DomainError) -> Instant {
        let (now, day) = (Instant.now(), Int64(86_400_000_000))
        guard let instant = time?.instant else { return now.advanced(byMicroseconds: defaultDays * day) }
        let last = now.advanced(byMicroseconds: maximumDays * day)
        guard instant > now, instant <= last else {
            throw .invalid("expire_time", "it must lie after now (\(now)) and not after \(last)")
        }
        return instant
    }
}

/// What an invitation is accepted with: `tri_<base 32 of the ids of tenant and invitation and of 256 random bits>`. It
/// names its row, so that it is found under its tenant's own isolation, as an API key is.
public struct InvitationToken: Sendable {
    /// The tenant that invites.
    public let tenant: UUID
    /// The invitation.
    public let invitation: UUID
    /// The whole text, which is a secret.
    public let text: String

    private static let randomBytes = 32

    /// A new token for an invitation.
    public init(tenant: UUID, invitation: UUID) {
        self.tenant = tenant
        self.invitation = invitation
        text = "tri_" + Base32.encode(tenant.bytes + invitation.bytes + SecureRandom.bytes(Self.randomBytes))
    }

    /// Reads a token; nil when it is not of this form. Says nothing about whether it is valid.
    public init?(_ text: String) {
        guard text.utf8.count <= 160, text.hasPrefix("tri_"), let body = Base32.decode(text.dropFirst(4)),
            body.count == 32 + Self.randomBytes
        else { return nil }
        tenant = body[..<16].withUnsafeBytes { UUID(bytes: $0) }
        invitation = body[16..<32].withUnsafeBytes { UUID(bytes: $0) }
        self.text = text
    }

    /// What is stored in its place.
    public var hash: [UInt8] { SHA256.hash(text.utf8) }
}

extension InvitationRow {
    /// The invitation, as far as the viewer may see it.
    func invitation(_ view: PersonalView) throws -> Invitation {
        var invitation = Invitation()
        if let key = try view.keyring.subject(userID, sealed: sealedKey) {
            let own = try Invitation(serialized: key.open(personal, place: Invitations.place))
            invitation.email = view.isWhole ? own.email : own.email.maskedEmail
            invitation.displayName = view.isWhole ? own.displayName : own.displayName.masked
        }
        invitation.id = invitationID.text
        invitation.userID = userID.text
        invitation.roles = zip(roles, sites).map { RoleGrant(role: $0, siteID: $1 == .zero ? "" : $1.text) }
        invitation.createTime = Timestamp(createTime)
        invitation.expireTime = Timestamp(expireTime)
        invitation.acceptTime = acceptTime.map { Timestamp($0) }
        invitation.revokeTime = revokeTime.map { Timestamp($0) }
        return invitation
    }
}
