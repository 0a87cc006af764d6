public import Domain
internal import Postgres
public import Primitives
internal import Protobuf
public import TrellisAPI

/// What is kept of users: who they are to the tenant, their invitations, their roles and keys. Who signs in as a user is
/// nobody's data but their own, and stays with their other tenants.
public struct UserData: PersonalDataSource {
    /// The part.
    public init() {}

    /// What the part is called.
    public var name: String { "users" }

    /// Who has an id, held until the transaction ends.
    public func find(_ kind: SubjectKind, _ id: UUID, _ work: Work) async throws -> DataSubject? {
        guard kind == .user else { return nil }
        let row = try await work.transaction.run(UserLock(tenantID: work.scope.tenant, userID: id))
        return row.map { _ in DataSubject(kind: kind, id: id) }
    }

    /// Everything that is kept of a subject.
    public func collect(_ subject: DataSubject, _ work: Work) async throws -> PersonalRecords {
        var found = PersonalRecords()
        guard subject.kind == .user else { return found }
        let tenant = work.scope.tenant
        let view = PersonalView.whole(work.keyring)
        let (user, invitations, roles) = try await work.transaction.run(
            UserGet(tenantID: tenant, userID: subject.id),
            InvitationListOfUser(tenantID: tenant, userID: subject.id),
            RoleBindingListOfUser(tenantID: tenant, userID: subject.id)
        )
        if let user = try user?.user(view) {
            try found.add("user", user)
            found.identifiers += [user.email, user.displayName]
            if !user.email.isEmpty { found.indexes.append(work.keyring.index(user.email, kind: Users.emailIndex)) }
        }
        for row in invitations {
            let invitation = try row.invitation(view)
            try found.add("invitation", invitation)
            found.identifiers += [invitation.email, invitation.displayName]
        }
        for row in roles {
            let site = row.siteID == .zero ? "" : row.siteID.text
            try found.add("role", RoleAssignment(userID: row.userID.text, role: row.role, siteID: site))
        }
        var after = UUID.zero
        while true {
            let query = ApiKeyListByUser(
                tenantID: tenant,
                userID: subject.id,
                after: after,
                showRevoked: true,
                count: 1000
            )
            let keys = try await work.transaction.run(query)
            for key in keys { try found.add("api_key", key) }
            guard keys.count == 1000, let last = keys.last.flatMap({ UUID($0.id) }) else { return found }
            after = last
        }
    }

    /// Erases everything personal about a subject.
    public func erase(_ subject: DataSubject, _ work: Work) async throws -> Int64 {
        guard subject.kind == .user else { return 0 }
        let (tenant, id) = (work.scope.tenant, subject.id)
        try await Users.keepAnOwner(beside: id, work)
        let (users, invitations, roles, keys) = try await work.transaction.run(
            UserErase(tenantID: tenant, userID: id),
            InvitationErase(tenantID: tenant, userID: id),
            RoleBindingErase(tenantID: tenant, userID: id),
            ApiKeyRevokeOfUser(tenantID: tenant, userID: id)
        )
        try await work.changesAccess()
        return Int64(users + invitations + roles + keys)
    }
}
