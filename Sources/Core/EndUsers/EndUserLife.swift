public import Domain
public import Postgres
internal import Primitives
public import TrellisAPI

/// What becomes of end users: activity, blocking, deletion.
extension EndUsers {
    /// By how much the clocks of tenants' programs may be ahead of ours, in microseconds.
    private static let clockSkew: Int64 = 60_000_000

    /// Records when end users were active.
    public static func recordActivity(
        _ request: RecordActivityRequest,
        _ work: Work
    ) async throws -> RecordActivityResponse {
        let now = Instant.now().microseconds
        var latest: [UUID: Int64] = [:]
        for (index, activity) in request.activities.enumerated() {
            let id = try UUID(activity.endUserID, field: "activities[\(index)].end_user_id")
            let time = activity.time?.instant.microseconds ?? now
            guard time <= now + clockSkew else {
                throw DomainError.invalid("activities[\(index)].time", "it lies in the future")
            }
            // A clock that is ahead of ours makes nobody active tomorrow.
            latest[id] = max(latest[id] ?? .min, min(time, now))
        }
        let tenant = work.scope.tenant
        let live = try await work.transaction.run(EndUserLive(tenantID: tenant, endUsers: Array(latest.keys)))
        var times: [UUID: Int64] = [:]
        for row in live { times[row.liveID] = max(times[row.liveID] ?? .min, latest[row.endUserID] ?? .min) }
        _ = try await work.transaction.run(
            EndUserRecordActivity(
                endUsers: Array(times.keys),
                microseconds: Array(times.values),
                tenantID: tenant
            )
        )
        let known = Set(live.map(\.endUserID))
        return RecordActivityResponse(
            recordedIDs: live.map(\.endUserID.text),
            unknownIDs: latest.keys.filter { !known.contains($0) }.map(\.text).sorted()
        )
    }

    /// Blocks an end user.
    public static func block(_ request: BlockEndUserRequest, _ work: Work, _ view: PersonalView) async throws -> EndUser
    {
        try await setState(.blocked, request.id, work, view)
    }

    /// Ends the blocking of an end user.
    public static func unblock(
        _ request: UnblockEndUserRequest,
        _ work: Work,
        _ view: PersonalView
    ) async throws -> EndUser {
        try await setState(.active, request.id, work, view)
    }

    private static func setState(
        _ state: EndUser.State,
        _ text: String,
        _ work: Work,
        _ view: PersonalView
    ) async throws -> EndUser {
        let id = try UUID(text, field: "id")
        let (endUser, key) = try await lock(id, work)
        if endUser.state != state {
            let set = EndUserSetState(state: Int16(state.rawValue), tenantID: work.scope.tenant, endUserID: id)
            _ = try await work.transaction.run(set)
        }
        return try await remember(key, from: endUser, work, view)
    }

    /// Deletes an end user, for a time.
    public static func delete(_ request: DeleteEndUserRequest, _ work: Work, _ view: PersonalView) async throws
        -> EndUser
    {
        let id = try UUID(request.id, field: "id")
        let (endUser, key) = try await lock(id, work)
        try Etag.check(request.etag, current: endUser.etag, resource: "end user", id: request.id)
        _ = try await work.transaction.run(EndUserDelete(tenantID: work.scope.tenant, endUserID: id))
        return try await remember(key, from: endUser, work, view)
    }

    /// Restores a deleted end user.
    public static func undelete(
        _ request: UndeleteEndUserRequest,
        _ work: Work,
        _ view: PersonalView
    ) async throws -> EndUser {
        let id = try UUID(request.id, field: "id")
        let row = try await work.transaction.run(EndUserLock(tenantID: work.scope.tenant, endUserID: id))
            .orNotFound("end user", id)
        guard row.deleteTime != nil else {
            throw EndUserRow.refusal("END_USER_NOT_DELETED", id, "is not deleted: there is nothing to restore")
        }
        guard let key = try work.keyring.subject(id, sealed: row.sealedKey) else { throw EndUserRow.isErased(id) }
        _ = try await work.transaction.run(EndUserUndelete(tenantID: work.scope.tenant, endUserID: id))
        return try await remember(key, from: row.endUser(.whole(work.keyring)), work, view)
    }

    // MARK: Purging

    /// How many end users one transaction purges at most.
    private static let purgeBatch: Int64 = 500

    /// Purges the deleted end users of all tenants whose time to be restored is over, but for those under a legal hold: with
    /// everything personal about them, and the keys to it. By a job of the platform.
    public static func purge(_ job: JobContext) async throws {
        try await job.writeAll("end users removed") { work in
            let endUsers = try await work.transaction.run(EndUserPurge(count: purgeBatch))
            for row in endUsers { work.audit(in: row.tenantID).target("end_user", row.endUserID.text) }
            return endUsers.count
        }
    }
}
