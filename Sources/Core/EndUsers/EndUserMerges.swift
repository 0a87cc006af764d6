public import Domain
internal import Postgres
internal import Primitives
internal import Protobuf
public import TrellisAPI

/// What can be done when two end users turn out to be one person.
extension EndUsers {
    /// Where the identities that a merge moved are sealed for.
    static let mergePlace = "end user merge"

    /// Merges the source into the target.
    ///
    /// An alias always leads to an end user who is none, because the aliases of the source become the target's, and
    /// because an alias cannot be the target: so there are neither chains nor circles.
    public static func merge(
        _ request: MergeEndUsersRequest,
        _ work: Work,
        _ view: PersonalView
    ) async throws -> EndUser {
        let sourceID = try UUID(request.sourceID, field: "source_id")
        let targetID = try UUID(request.targetID, field: "target_id")
        guard sourceID != targetID else {
            throw DomainError.invalid("target_id", "it is the same as source_id: nobody is merged into themselves")
        }
        let tenant = work.scope.tenant
        let rows = try await work.transaction.run(EndUserLockAll(tenantID: tenant, endUsers: [sourceID, targetID]))
        let source = try rows.first { $0.endUserID == sourceID }.orNotFound("end user", sourceID)
        let target = try rows.first { $0.endUserID == targetID }.orNotFound("end user", targetID)
        guard source.mergedInto != targetID else {
            work.concerns(targetID)
            return try target.endUser(view)
        }
        let (sourceBefore, sourceKey) = try source.live(work.keyring)
        let (targetBefore, targetKey) = try target.live(work.keyring)
        var (own, merged) = (sourceBefore, targetBefore)
        let moved = own.identities
        merged.identities += moved
        try checkCount(merged.identities, of: targetID)
        if merged.displayName.isEmpty { merged.displayName = own.displayName }
        if merged.profileJSON.orEmptyObject == "{}" { merged.profileJSON = own.profileJSON }
        if merged.preferencesJSON.orEmptyObject == "{}" { merged.preferencesJSON = own.preferencesJSON }
        own.identities = []
        let history = EndUserMerge(identities: moved)
        _ = try await work.transaction.run(
            EndUserIdentityMove(targetID: targetID, tenantID: tenant, sourceID: sourceID),
            EndUserBecomeAlias(
                targetID: targetID,
                sourceID: sourceID,
                personal: own.sealedPersonal(sourceKey),
                tenantID: tenant
            ),
            EndUserRecordActivity(
                endUsers: [targetID],
                microseconds: [source.lastActiveTime.microseconds],
                tenantID: tenant
            ),
            EndUserMergeInsert(
                tenantID: tenant,
                mergeID: .v7(),
                sourceID: sourceID,
                targetID: targetID,
                personal: sourceKey.seal(history.serialized(), place: mergePlace)
            )
        )
        try await store(merged, targetKey, work)
        _ = try await remember(sourceKey, from: sourceBefore, work, view)
        return try await remember(targetKey, from: targetBefore, work, view)
    }

    /// Returns a page of the merges.
    public static func merges(
        _ request: ListMergesRequest,
        _ page: Page,
        _ reading: Reading,
        _ view: PersonalView
    ) async throws -> ListMergesResponse {
        let (tenant, after, count) = (reading.scope.tenant, try page.after, Int64(page.count))
        let rows: [EndUserMergeRow]
        if let endUser = try UUID.optional(request.endUserID, field: "end_user_id") {
            let query = EndUserMergeListOf(tenantID: tenant, endUserID: endUser, after: after, count: count)
            rows = try await reading.transaction.run(query)
        } else {
            rows = try await reading.transaction.run(
                EndUserMergeList(tenantID: tenant, after: after, count: count)
            )
        }
        let (shown, next) = page.cut(rows, id: \.mergeID.text)
        return ListMergesResponse(merges: try shown.map { try $0.merge(view) }, nextPageToken: next)
    }
}

extension EndUserMergeRow {
    /// The merge, as far as the viewer may see it; without its identities once the source was erased.
    func merge(_ view: PersonalView) throws -> EndUserMerge {
        var merge = EndUserMerge()
        if let key = try view.keyring.subject(sourceID, sealed: sealedKey) {
            let own = try EndUserMerge(serialized: key.open(personal, place: EndUsers.mergePlace))
            merge.identities = view.isWhole ? own.identities : own.identities.map(\.masked)
        }
        merge.id = mergeID.text
        merge.sourceID = sourceID.text
        merge.targetID = targetID.text
        merge.createTime = Timestamp(createTime)
        return merge
    }
}
