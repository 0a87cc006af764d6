public import Domain
public import Postgres
public import Primitives
public import TrellisAPI

/// What can be done with releases once they have been imported.
public enum Releases {
    /// Returns one release.
    public static func get(_ request: GetReleaseRequest, _ scope: Scope, _ database: Database) async throws
        -> TrellisAPI.Release
    {
        let id = try UUID(request.id, field: "id")
        return try await database.run(ReleaseGet(tenantID: scope.tenant, releaseID: id), scope.settings)
            .orNotFound("release", id).message
    }

    /// Returns a page of the releases.
    public static func list(
        _ request: ListReleasesRequest,
        _ page: Page,
        _ scope: Scope,
        _ database: Database
    ) async throws -> ListReleasesResponse {
        let rows = try await database.run(
            ReleaseList(
                tenantID: scope.tenant,
                after: page.after,
                framework: request.framework,
                state: request.state.rawValue,
                count: Int32(page.count)
            ),
            scope.settings
        )
        let (releases, next) = page.cut(rows.map(\.message), id: \.id)
        return ListReleasesResponse(releases: releases, nextPageToken: next)
    }

    /// Makes a complete release the active one: one pointer changes.
    public static func activate(_ request: ActivateReleaseRequest, _ work: Work) async throws -> TrellisAPI.Release {
        let id = try UUID(request.id, field: "id")
        let (transaction, tenant) = (work.transaction, work.scope.tenant)
        let stage = try await transaction.run(ReleaseLock(tenantID: tenant, releaseID: id)).orNotFound("release", id)
        guard stage.stage == ReleaseStage.complete else { throw notComplete(id) }
        let pointer = try await transaction.run(FrameworkLock(tenantID: tenant, framework: stage.framework)).certain
        let before = try await get(id, work)
        if pointer.activeReleaseID != id {
            _ = try await transaction.run(
                ReleaseTouch(tenantID: tenant, releaseID: id),
                FrameworkActivate(releaseID: id, tenantID: tenant, framework: stage.framework)
            )
        }
        let after = try await get(id, work)
        work.audit.changed("release", after.id, from: before, to: after)
        return after
    }

    /// A release of the caller's, read in the transaction that changed it.
    static func get(_ id: UUID, _ work: Work) async throws -> TrellisAPI.Release {
        try await work.transaction.run(ReleaseGet(tenantID: work.scope.tenant, releaseID: id)).certain.message
    }

    /// The active releases that the caller reads, for the areas that search or measure against them: framework,
    /// publisher (the zero UUID for the platform) and release. No frameworks named is all of them; one that has no
    /// active release is left out.
    public static func visible(
        _ frameworks: [String],
        _ scope: Scope,
        _ database: Database
    ) async throws -> [(framework: String, tenant: UUID, release: UUID)] {
        try await view(frameworks, scope, database).entries.map { ($0.framework, $0.tenant, $0.release) }
    }

    // MARK: Inside

    /// The active releases that the caller reads.
    static func view(_ frameworks: [String], _ scope: Scope, _ database: Database) async throws -> ReleaseView {
        ReleaseView(
            try await database.run(VisibleReleaseList(tenantID: scope.tenant, frameworks: frameworks), scope.settings)
        )
    }

    /// The release that a request reads: the one that it names, which must be complete, or a framework's active one.
    static func readable(
        framework: String,
        release: String,
        _ scope: Scope,
        _ database: Database
    ) async throws -> ReleaseView.Entry {
        guard !release.isEmpty else {
            guard !framework.isEmpty else {
                throw DomainError.invalid("framework", "it is empty, and so is release_id: give one of the two")
            }
            guard let entry = try await view([framework], scope, database)[framework] else {
                throw noRelease(framework)
            }
            return entry
        }
        let id = try UUID(release, field: "release_id")
        let row = try await database.run(ReleaseGet(tenantID: scope.tenant, releaseID: id), scope.settings)
            .orNotFound("release", id)
        guard framework.isEmpty || framework == row.framework else {
            throw DomainError.invalid(
                "release_id",
                "release \(id) is of the framework \"\(row.framework)\", not \"\(framework)\""
            )
        }
        guard row.completeTime != nil else { throw notComplete(id) }
        return ReleaseView.Entry(framework: row.framework, tenant: row.tenantID, release: id)
    }

    static func noRelease(_ framework: String) -> DomainError {
        .failedPrecondition(
            .init(
                reason: "NO_RELEASE",
                subject: "frameworks/\(framework)",
                description: "the framework \"\(framework)\" has no active release: import one, or activate one"
            )
        )
    }

    private static func notComplete(_ id: UUID) -> DomainError {
        .failedPrecondition(
            .init(
                reason: "RELEASE_NOT_COMPLETE",
                subject: "releases/\(id)",
                description: "release \(id) is not complete: complete its import, or choose another release"
            )
        )
    }
}
