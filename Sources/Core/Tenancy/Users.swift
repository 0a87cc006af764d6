public import Domain
internal import Postgres
internal import Primitives
internal import Protobuf
public import TrellisAPI

/// What can be done with the users of a tenant.
public enum Users {
    /// What an e-mail address is indexed as, of users and invitations alike.
    static let emailIndex = "email"
    /// Where the personal part of a user is sealed for.
    static let place = "user"

    /// Makes a user.
    public static func create(_ request: CreateUserRequest, _ work: Work) async throws -> User {
        let id = UUID.v7()
        let key = try await work.makeSubject(id)
        work.audit.isAbout(key)
        return try await saying(["tenant_user_email": taken(request.email)]) {
            _ = try await work.transaction.run(
                UserInsert(
                    tenantID: work.scope.tenant,
                    userID: id,
                    emailIndex: work.keyring.index(request.email, kind: emailIndex),
                    personal: seal(email: request.email, displayName: request.displayName, key),
                    language: request.language.orEnglish,
                    timeZone: request.timeZone.orUTC
                )
            )
            return try await remember(id, from: nil, key, work)
        }
    }

    /// Returns one user, also a deleted one.
    public static func get(
        _ request: GetUserRequest,
        _ reading: Reading,
        _ view: PersonalView
    ) async throws -> User {
        let id = try UUID(request.id, field: "id")
        let row = try await reading.transaction.run(UserGet(tenantID: reading.scope.tenant, userID: id))
        return try row.orNotFound("user", id).user(view)
    }

    /// Returns a page of the users.
    public static func list(
        _ request: ListUsersRequest,
        _ page: Page,
        _ reading: Reading,
        _ view: PersonalView
    ) async throws -> ListUsersResponse {
        let (tenant, after, count) = (reading.scope.tenant, try page.after, Int64(page.count))
        let rows: [UserRow]
        if request.email.isEmpty {
            rows = try await reading.transaction.run(
                UserList(tenantID: tenant, after: after, showDeleted: request.showDeleted, count: count)
            )
        } else {
            // Who may not see addresses must not find out by asking for them either.
            guard view.isWhole else {
                throw DomainError.permissionDenied(permission: view.permission)
            }
            let query = UserListByEmail(
                tenantID: tenant,
                emailIndex: view.keyring.index(request.email, kind: emailIndex),
                after: after,
                showDeleted: request.showDeleted,
                count: count
            )
            rows = try await reading.transaction.run(query)
        }
        var response = ListUsersResponse()
        (response.users, response.nextPageToken) = page.cut(try rows.map { try $0.user(view) }, id: \.id)
        return response
    }

    /// Changes a user: locks them, checks the etag, sets what the mask names.
    public static func update(_ request: UpdateUserRequest, _ work: Work) async throws -> User {
        let mask = try UpdateMask(
            request.updateMask?.paths,
            fields: [
                "email": !request.email.isEmpty, "display_name": !request.displayName.isEmpty,
                "language": !request.language.isEmpty, "time_zone": !request.timeZone.isEmpty,
            ]
        )
        let id = try UUID(request.id, field: "id")
        let row = try await lock(id, work)
        var user = try row.user(.whole(work.keyring))
        try Etag.check(request.etag, current: user.etag, resource: "user", id: request.id)
        let before = user
        try apply(request, mask, to: &user)
        guard let key = try work.keyring.subject(id, sealed: row.sealedKey) else { throw erased(id) }
        work.audit.isAbout(key)
        let changed = user
        return try await saying(["tenant_user_email": taken(changed.email)]) {
            _ = try await work.transaction.run(
                UserUpdate(
                    emailIndex: work.keyring.index(changed.email, kind: emailIndex),
                    personal: seal(email: changed.email, displayName: changed.displayName, key),
                    language: changed.language,
                    timeZone: changed.timeZone,
                    tenantID: work.scope.tenant,
                    userID: id
                )
            )
            return try await remember(id, from: before, key, work)
        }
    }

    /// Suspends a user.
    public static func suspend(_ request: SuspendUserRequest, _ work: Work) async throws -> User {
        try await setState(.suspended, request.id, work)
    }

    /// Lets a user in again.
    public static func resume(_ request: ResumeUserRequest, _ work: Work) async throws -> User {
        try await setState(.active, request.id, work)
    }

    /// Deletes a user, for a time.
    public static func delete(_ request: DeleteUserRequest, _ work: Work) async throws -> User {
        let id = try UUID(request.id, field: "id")
        try await keepAnOwner(beside: id, work)
        let row = try await lock(id, work)
        try Etag.check(request.etag, current: "\(row.version)", resource: "user", id: request.id)
        _ = try await work.transaction.run(UserDelete(tenantID: work.scope.tenant, userID: id))
        try await work.changesAccess()
        return try await remember(id, from: row, work)
    }

    /// Restores a deleted user.
    public static func undelete(_ request: UndeleteUserRequest, _ work: Work) async throws -> User {
        let id = try UUID(request.id, field: "id")
        let row = try await work.transaction.run(UserLock(tenantID: work.scope.tenant, userID: id))
            .orNotFound("user", id)
        guard row.deleteTime != nil else {
            throw DomainError.failedPrecondition(
                .init(
                    reason: "USER_NOT_DELETED",
                    subject: "users/\(id)",
                    description: "user \(id) is not deleted: there is nothing to restore"
                )
            )
        }
        guard row.sealedKey != nil else { throw erased(id) }
        _ = try await work.transaction.run(UserUndelete(tenantID: work.scope.tenant, userID: id))
        try await work.changesAccess()
        return try await remember(id, from: row, work)
    }

    // MARK: Parts

    private static func setState(_ state: User.State, _ text: String, _ work: Work) async throws -> User {
        let id = try UUID(text, field: "id")
        if state == .suspended { try await keepAnOwner(beside: id, work) }
        let row = try await lock(id, work)
        if row.state != state.rawValue {
            let set = UserSetState(state: Int16(state.rawValue), tenantID: work.scope.tenant, userID: id)
            _ = try await work.transaction.run(set)
        }
        // Also when they were before: whoever repeats the call waits for all servers, too.
        try await work.changesAccess()
        return try await remember(id, from: row, work)
    }

    /// A user as they are now, and in the audit event what they were before.
    private static func remember(_ id: UUID, from row: UserRow, _ work: Work) async throws -> User {
        let key = try work.keyring.subject(id, sealed: row.sealedKey)
        return try await remember(id, from: row.user(.whole(work.keyring)), key, work)
    }

    private static func remember(_ id: UUID, from before: User?, _ key: SubjectKey?, _ work: Work) async throws -> User
    {
        let user = try await current(id, work)
        work.audit.changed("user", user.id, from: before, to: user, of: key)
        return user
    }

    /// A user who is not deleted, held until the transaction ends.
    static func lock(_ id: UUID, _ work: Work) async throws -> UserRow {
        let row = try await work.transaction.run(UserLock(tenantID: work.scope.tenant, userID: id))
            .orNotFound("user", id)
        guard row.deleteTime == nil else {
            throw DomainError.failedPrecondition(
                .init(
                    reason: "USER_DELETED",
                    subject: "users/\(id)",
                    description: "user \(id) is deleted: restore them first, with UndeleteUser"
                )
            )
        }
        guard row.sealedKey != nil else { throw erased(id) }
        return row
    }

    /// Refuses to take the last owner who is let in away from a tenant.
    static func keepAnOwner(beside user: UUID, _ work: Work) async throws {
        let tenant = work.scope.tenant
        _ = try await work.transaction.run(TenantOwnersLock(tenantID: tenant))
        let (owns, others) = try await work.transaction.run(
            UserIsOwner(tenantID: tenant, userID: user),
            OtherOwnersCount(tenantID: tenant, userID: user)
        )
        guard owns.certain.count > 0, others.certain.count == 0 else { return }
        throw DomainError.failedPrecondition(
            .init(
                reason: "LAST_OWNER",
                subject: "users/\(user)",
                description: "user \(user) is the last owner of the tenant: make somebody else an owner first"
            )
        )
    }

    /// A user as they are now, for the answer of a write, whose caller has just said what is in it.
    static func current(_ id: UUID, _ work: Work) async throws -> User {
        work.concerns(id)
        return try await work.transaction.run(UserGet(tenantID: work.scope.tenant, userID: id)).certain
            .user(.whole(work.keyring))
    }

    static func seal(email: String, displayName: String, _ key: SubjectKey) -> [UInt8] {
        key.seal(User(email: email, displayName: displayName).serialized(), place: place)
    }

    /// Sets the fields of a user that the mask names.
    static func apply(_ request: UpdateUserRequest, _ mask: UpdateMask, to user: inout User) throws(DomainError) {
        if mask.contains("email") {
            guard !request.email.isEmpty else {
                throw .invalid("email", "it is empty, but a user must have an e-mail address")
            }
            user.email = request.email
        }
        if mask.contains("display_name") {
            guard !request.displayName.isEmpty else {
                throw .invalid("display_name", "it is empty, but a user must have a name")
            }
            user.displayName = request.displayName
        }
        if mask.contains("language") { user.language = request.language.orEnglish }
        if mask.contains("time_zone") { user.timeZone = request.timeZone.orUTC }
    }

    private static func taken(_ email: String) -> DomainError {
        .alreadyExists(resource: "user", field: "email", value: email)
    }

    private static func erased(_ id: UUID) -> DomainError {
        .failedPrecondition(
            .init(
                reason: "SUBJECT_ERASED",
                subject: "users/\(id)",
                description: "the personal data of user \(id) was erased: they cannot be changed or restored"
            )
        )
    }
}

extension UserRow {
    /// The user, as far as the viewer may see them; without a name once they were erased.
    func user(_ view: PersonalView) throws -> User {
        var user = User()
        let key = try view.keyring.subject(userID, sealed: sealedKey)
        if let key {
            let own = try User(serialized: key.open(personal, place: Users.place))
            user.email = view.isWhole ? own.email : own.email.maskedEmail
            user.displayName = view.isWhole ? own.displayName : own.displayName.masked
        }
        user.id = userID.text
        user.language = language
        user.timeZone = timeZone
        user.createTime = Timestamp(createTime)
        user.state = User.State(rawValue: Int32(state))
        user.updateTime = Timestamp(updateTime)
        user.deleteTime = deleteTime.map { Timestamp($0) }
        user.purgeTime = purgeTime.map { Timestamp($0) }
        user.etag = "\(version)"
        user.signsIn = personID != nil
        return user
    }
}

extension String {
    /// The language that an empty field stands for.
    var orEnglish: String { isEmpty ? "en" : self }
}
