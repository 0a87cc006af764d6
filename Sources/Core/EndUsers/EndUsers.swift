public import Domain
internal import Postgres
internal import Primitives
public import TrellisAPI

/// What can be done with the end users of a tenant's products.
public enum EndUsers {
    /// How long a deleted end user can be restored, in days; EndUserDelete in end_user.sql says the same.
    public static let undeleteDays = 30

    /// Makes an end user with identities that nobody has.
    public static func create(
        _ request: CreateEndUserRequest,
        _ work: Work,
        _ view: PersonalView
    ) async throws -> EndUser {
        let id = UUID.v7()
        for (index, identity) in request.identities.enumerated() {
            guard !request.identities[..<index].contains(identity) else {
                throw DomainError.invalid("identities[\(index)]", "the same identity is given twice")
            }
        }
        // In an order that all keep, so that two who want each other's do not wait for each other.
        let claims = request.identities.enumerated().sorted { $0.element.order < $1.element.order }
        for (index, identity) in claims {
            guard try await claim(identity, id, work) else {
                throw taken(identity, field: "identities[\(index)].external_id")
            }
        }
        let made = EndUser(
            displayName: request.displayName,
            profileJSON: request.profileJSON,
            preferencesJSON: request.preferencesJSON,
            timeZone: request.timeZone,
            language: request.language,
            identities: request.identities
        )
        return try await insert(id, made, work, view)
    }

    /// The end user who has an identity; makes one when there is none.
    ///
    /// The identity is taken first, before there is an end user to it: whoever comes second waits for the first to commit,
    /// and then finds who was made.
    public static func upsert(
        _ request: UpsertEndUserRequest,
        _ work: Work,
        _ view: PersonalView
    ) async throws -> EndUser {
        let identity = EndUserIdentity(channel: request.channel, externalID: request.externalID)
        if let known = try await holder(of: identity, work) { return try current(known, work, view) }
        let id = UUID.v7()
        guard try await claim(identity, id, work) else {
            // Taken while this call waited; or taken and given up again, which is for the caller to try anew.
            guard let known = try await holder(of: identity, work) else { throw DomainError.contention }
            return try current(known, work, view)
        }
        let made = EndUser(
            displayName: request.displayName,
            profileJSON: request.profileJSON,
            preferencesJSON: request.preferencesJSON,
            timeZone: request.timeZone,
            language: request.language,
            identities: [identity]
        )
        return try await insert(id, made, work, view)
    }

    /// Returns one end user, also a deleted one or an alias.
    public static func get(
        _ request: GetEndUserRequest,
        _ reading: Reading,
        _ view: PersonalView
    ) async throws -> EndUser {
        let id = try UUID(request.id, field: "id")
        let row = try await reading.transaction.run(EndUserGet(tenantID: reading.scope.tenant, endUserID: id))
        return try row.orNotFound("end user", id).endUser(view)
    }

    /// Returns the end user who has an identity.
    public static func find(
        _ request: FindEndUserRequest,
        _ reading: Reading,
        _ view: PersonalView
    ) async throws -> EndUser {
        let identity = EndUserIdentity(channel: request.channel, externalID: request.externalID)
        let query = EndUserByIdentity(
            tenantID: reading.scope.tenant,
            channel: identity.channel,
            externalIDIndex: identity.index(view.keyring)
        )
        let row = try await reading.transaction.run(query)
            .orNotFound("end user", "\(identity.channel):\(identity.externalID)")
        if let key = try view.keyring.subject(row.endUserID, sealed: row.sealedKey) { reading.audit.isAbout(key) }
        return try row.endUser(view)
    }

    /// Returns a page of the end users.
    public static func list(
        _ request: ListEndUsersRequest,
        _ page: Page,
        _ reading: Reading,
        _ view: PersonalView
    ) async throws -> ListEndUsersResponse {
        let (tenant, count, showDeleted) = (reading.scope.tenant, Int64(page.count), request.showDeleted)
        var response = ListEndUsersResponse()
        switch request.order {
        case .lastActivity:
            let last = try LastActivity(page)
            let query = EndUserListByActivity(
                tenantID: tenant,
                time: last.time,
                before: last.id,
                showDeleted: showDeleted,
                count: count
            )
            let (rows, next) = page.cut(try await reading.transaction.run(query)) { LastActivity($0).position }
            response.endUsers = try rows.map { try $0.endUser(view) }
            response.nextPageToken = next
        case .unspecified, .unrecognized:
            let query = EndUserList(tenantID: tenant, after: try page.after, showDeleted: showDeleted, count: count)
            let (rows, next) = page.cut(try await reading.transaction.run(query), id: \.endUserID.text)
            response.endUsers = try rows.map { try $0.endUser(view) }
            response.nextPageToken = next
        }
        return response
    }

    /// Changes an end user: locks them, checks the etag, sets what the mask names.
    public static func update(
        _ request: UpdateEndUserRequest,
        _ work: Work,
        _ view: PersonalView
    ) async throws -> EndUser {
        let mask = try UpdateMask(
            request.updateMask?.paths,
            fields: [
                "display_name": !request.displayName.isEmpty, "profile_json": !request.profileJSON.isEmpty,
                "preferences_json": !request.preferencesJSON.isEmpty, "time_zone": !request.timeZone.isEmpty,
                "language": !request.language.isEmpty,
            ]
        )
        let (before, key) = try await lock(try UUID(request.id, field: "id"), work)
        var endUser = before
        try Etag.check(request.etag, current: endUser.etag, resource: "end user", id: request.id)
        if mask.contains("display_name") { endUser.displayName = request.displayName }
        if mask.contains("profile_json") { endUser.profileJSON = request.profileJSON }
        if mask.contains("preferences_json") { endUser.preferencesJSON = request.preferencesJSON }
        if mask.contains("time_zone") { endUser.timeZone = request.timeZone }
        if mask.contains("language") { endUser.language = request.language }
        try await store(endUser, key, work)
        return try await remember(key, from: before, work, view)
    }

    // MARK: Parts

    /// Stores an end user whose identities have been taken.
    private static func insert(
        _ id: UUID,
        _ made: EndUser,
        _ work: Work,
        _ view: PersonalView
    ) async throws -> EndUser {
        let key = try await work.makeSubject(id)
        _ = try await work.transaction.run(
            EndUserInsert(
                tenantID: work.scope.tenant,
                endUserID: id,
                personal: made.sealedPersonal(key),
                timeZone: made.timeZone.orUTC,
                language: made.language.orEnglish
            )
        )
        return try await remember(key, from: nil, work, view)
    }

    /// Stores what has changed of an end user who is locked.
    static func store(_ changed: EndUser, _ key: SubjectKey, _ work: Work) async throws {
        _ = try await work.transaction.run(
            EndUserUpdate(
                personal: changed.sealedPersonal(key),
                timeZone: changed.timeZone.orUTC,
                language: changed.language.orEnglish,
                tenantID: work.scope.tenant,
                endUserID: key.subject
            )
        )
    }

    /// An end user who can be changed, held until the transaction ends, and the key to what is personal about them.
    static func lock(_ id: UUID, _ work: Work) async throws -> (EndUser, SubjectKey) {
        try await work.transaction.run(EndUserLock(tenantID: work.scope.tenant, endUserID: id))
            .orNotFound("end user", id)
            .live(work.keyring)
    }

    /// An end user as they are now, for the answer of a write, and in the audit event what they were before.
    static func remember(
        _ key: SubjectKey,
        from before: EndUser?,
        _ work: Work,
        _ view: PersonalView
    ) async throws -> EndUser {
        let get = EndUserGet(tenantID: work.scope.tenant, endUserID: key.subject)
        let row = try await work.transaction.run(get).certain
        let after = try row.endUser(.whole(work.keyring))
        work.concerns(key.subject)
        work.audit.isAbout(key)
        work.audit.changed("end_user", after.id, from: before, to: after, of: key)
        return try row.endUser(view)
    }

    /// An end user who was there already, unless they were deleted.
    private static func current(_ known: EndUserRow, _ work: Work, _ view: PersonalView) throws -> EndUser {
        guard known.deleteTime == nil else { throw EndUserRow.isDeleted(known.endUserID) }
        work.concerns(known.endUserID)
        if let key = try work.keyring.subject(known.endUserID, sealed: known.sealedKey) { work.audit.isAbout(key) }
        work.audit.target("end_user", known.endUserID.text)
        return try known.endUser(view)
    }
}

/// The position of a list that is ordered by activity.
private struct LastActivity {
    let time: Instant
    let id: UUID

    /// After everybody, and so before the first.
    private static let end = Instant(microseconds: 253_402_300_799_000_000)

    init(_ page: Page) throws(DomainError) {
        guard let position = page.position else {
            (time, id) = (Self.end, UUID("ffffffff-ffff-ffff-ffff-ffffffffffff") ?? .zero)
            return
        }
        var reader = PositionReader(position)
        time = Instant(microseconds: try reader.number())
        id = try reader.id()
    }

    init(_ row: EndUserRow) { (time, id) = (row.lastActiveTime, row.endUserID) }

    var position: [UInt8] {
        var writer = PositionWriter()
        writer.write(time.microseconds)
        writer.write(id)
        return writer.bytes
    }
}

extension String {
    /// The language that an empty field stands for.
    var orEnglish: String { isEmpty ? "en" : self }
    /// The time zone that an empty field stands for.
    var orUTC: String { isEmpty ? "UTC" : self }
    /// The JSON object that an empty field stands for.
    var orEmptyObject: String { isEmpty ? "{}" : self }
}
