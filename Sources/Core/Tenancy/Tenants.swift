public import Domain
public import Postgres
internal import Primitives
public import TrellisAPI

/// What can be done with tenants: nearly all of it as the platform.
public enum Tenants {
    /// The name of the site that a tenant is made with.
    static let firstSite = "Main"

    /// Makes a tenant, with its first site: a tenant always has one.
    public static func create(_ request: CreateTenantRequest, _ work: Work) async throws -> Tenant {
        let id = UUID.v7()
        let plan = request.plan.isEmpty ? Plans.standard : request.plan
        try await Plans.require(plan, work)
        let taken = DomainError.alreadyExists(resource: "tenant", field: "slug", value: request.slug)
        return try await saying(["tenant_slug_pkey": taken]) {
            let tenant = try await work.transaction.run(
                TenantInsert(
                    tenantID: id,
                    slug: request.slug,
                    displayName: request.displayName,
                    industry: request.industry,
                    plan: plan
                )
            )
            _ = try await work.transaction.run(
                TenantSlugInsert(slug: request.slug, tenantID: id),
                SiteInsert(
                    tenantID: id,
                    siteID: .v7(),
                    displayName: firstSite,
                    displayNameKey: firstSite.caseFolded,
                    description: "",
                    timeZone: "".orUTC
                )
            )
            return tenant.certain
        }
    }

    /// Returns one tenant, also a deleted one.
    public static func get(_ request: GetTenantRequest, _ scope: Scope, _ database: Database) async throws -> Tenant {
        let id = try UUID(request.id, field: "id")
        return try await database.run(TenantGet(tenantID: id), scope.settings).orNotFound("tenant", id)
    }

    /// Returns the caller's own tenant.
    public static func own(_ scope: Scope, _ database: Database) async throws -> Tenant {
        try await database.run(TenantGet(tenantID: scope.tenant), scope.settings).certain
    }

    /// Returns a page of the tenants.
    public static func list(
        _ request: ListTenantsRequest,
        _ page: Page,
        _ scope: Scope,
        _ database: Database
    ) async throws -> ListTenantsResponse {
        let query = TenantList(
            after: try page.after,
            state: Int16(request.state.rawValue),
            showDeleted: request.showDeleted,
            count: Int64(page.count)
        )
        var response = ListTenantsResponse()
        let rows = try await database.run(query, scope.settings)
        (response.tenants, response.nextPageToken) = page.cut(rows, id: \.id)
        return response
    }

    /// Changes a tenant, as the platform.
    public static func update(_ request: UpdateTenantRequest, _ work: Work) async throws -> Tenant {
        try await update(try UUID(request.id, field: "id"), request, work)
    }

    /// Changes the caller's own tenant.
    public static func updateOwn(_ request: UpdateOwnTenantRequest, _ work: Work) async throws -> Tenant {
        try await update(work.scope.tenant, request, work)
    }

    /// Puts a tenant on a plan, whose rates hold for it when this is answered.
    public static func setPlan(_ request: SetTenantPlanRequest, _ work: Work) async throws -> Tenant {
        let id = try UUID(request.id, field: "id")
        try await Plans.require(request.plan, work)
        let tenant = try await lock(id, work)
        try Etag.check(request.etag, current: tenant.etag, resource: "tenant", id: request.id)
        guard tenant.plan != request.plan else { return tenant }
        let changed = try await work.transaction.run(TenantSetPlan(plan: request.plan, tenantID: id))
        return try await closing(tenant, changed, work)
    }

    // MARK: Their lives

    /// Lets nobody of a tenant in any more, until it is resumed.
    public static func suspend(_ request: SuspendTenantRequest, _ work: Work) async throws -> Tenant {
        let id = try UUID(request.id, field: "id")
        let tenant = try await fencedOff(id, work)
        guard tenant.state != .suspended else { return tenant }
        return try await closing(tenant, try await work.transaction.run(TenantSuspend(tenantID: id)), work)
    }

    /// Lets the people and programs of a suspended tenant in again.
    public static func resume(_ request: ResumeTenantRequest, _ work: Work) async throws -> Tenant {
        let id = try UUID(request.id, field: "id")
        let tenant = try await fencedOff(id, work)
        guard tenant.state != .active else { return tenant }
        return try await closing(tenant, try await work.transaction.run(TenantResume(tenantID: id)), work)
    }

    /// Lets a tenant be read, but nothing of it be changed, until it is taken out of the archive.
    public static func archive(_ request: ArchiveTenantRequest, _ work: Work) async throws -> Tenant {
        let id = try UUID(request.id, field: "id")
        let tenant = try await fencedOff(id, work)
        guard tenant.archiveTime == nil else { return tenant }
        return try await closing(tenant, try await work.transaction.run(TenantArchive(tenantID: id)), work)
    }

    /// Takes a tenant out of the archive.
    public static func unarchive(_ request: UnarchiveTenantRequest, _ work: Work) async throws -> Tenant {
        let id = try UUID(request.id, field: "id")
        let tenant = try await fencedOff(id, work)
        guard tenant.archiveTime != nil else { return tenant }
        return try await closing(tenant, try await work.transaction.run(TenantUnarchive(tenantID: id)), work)
    }

    /// Deletes a tenant, for a time.
    public static func delete(_ request: DeleteTenantRequest, _ work: Work) async throws -> Tenant {
        let id = try UUID(request.id, field: "id")
        let tenant = try await fencedOff(id, work)
        try Etag.check(request.etag, current: tenant.etag, resource: "tenant", id: request.id)
        return try await closing(tenant, try await work.transaction.run(TenantDelete(tenantID: id)), work)
    }

    /// Restores a deleted tenant.
    public static func undelete(_ request: UndeleteTenantRequest, _ work: Work) async throws -> Tenant {
        let id = try UUID(request.id, field: "id")
        let tenant = try await deleted(id, work)
        return try await closing(tenant, try await work.transaction.run(TenantUndelete(tenantID: id)), work)
    }

    /// Ends a deleted tenant for good: nothing of it can be restored any more, and its rows are there to be swept
    /// (``TenantSweep``).
    public static func purge(_ request: PurgeTenantRequest, _ work: Work) async throws -> Tenant {
        let id = try UUID(request.id, field: "id")
        let tenant = try await deleted(id, work)
        try Etag.check(request.etag, current: tenant.etag, resource: "tenant", id: request.id)
        guard request.force || tenant.purgeTime.map({ $0.instant <= Instant.now() }) == true else {
            throw DomainError.failedPrecondition(
                .init(
                    reason: "UNDELETE_WINDOW_OPEN",
                    subject: "tenants/\(id)",
                    description:
                        "tenant \(id) can still be restored, until \(tenant.purgeTime?.instant.rfc3339 ?? ""): "
                        + "wait for that, or set force"
                )
            )
        }
        let holds = try await work.transaction.run(TenantHoldsCount(tenantID: id)).certain.count
        guard holds == 0 else {
            throw DomainError.failedPrecondition(
                .init(
                    reason: "LEGAL_HOLD",
                    subject: "tenants/\(id)",
                    description: "\(holds) legal holds forbid to remove data of tenant \(id): restore it with "
                        + "UndeleteTenant, have them released, and delete it again"
                )
            )
        }
        _ = try await work.transaction.run(TenantReferencesPurge(tenantID: id))
        return try await closing(tenant, try await work.transaction.run(TenantPurge(tenantID: id)), work)
    }

    // MARK: Parts

    /// A tenant that is neither deleted nor purged, fenced off and held until the transaction ends.
    private static func fencedOff(_ id: UUID, _ work: Work) async throws -> Tenant {
        try await work.fenceOff(id)
        return try await lock(id, work)
    }

    /// A tenant that is neither deleted nor purged, held until the transaction ends.
    private static func lock(_ id: UUID, _ work: Work) async throws -> Tenant {
        let tenant = try await work.transaction.run(TenantLock(tenantID: id)).orNotFound("tenant", id)
        try requireOpen(id, tenant.state)
        return tenant
    }

    /// Refuses what cannot be done for a tenant that is deleted. It stays open until the transaction ends.
    static func requireOpen(_ id: UUID, _ work: Work) async throws {
        let state = try await work.tenantState(id).orNotFound("tenant", id)
        try requireOpen(id, Tenant.State(rawValue: Int32(state)))
    }

    private static func requireOpen(_ id: UUID, _ state: Tenant.State) throws(DomainError) {
        switch state {
        case .deleted:
            throw .failedPrecondition(
                .init(
                    reason: "TENANT_DELETED",
                    subject: "tenants/\(id)",
                    description: "tenant \(id) is deleted: restore it first, with UndeleteTenant"
                )
            )
        case .purged: throw purged(id)
        case .active, .suspended, .unspecified, .unrecognized: return
        }
    }

    /// A deleted tenant that can be restored, fenced off and held until the transaction ends.
    private static func deleted(_ id: UUID, _ work: Work) async throws -> Tenant {
        try await work.fenceOff(id)
        let tenant = try await work.transaction.run(TenantLock(tenantID: id)).orNotFound("tenant", id)
        switch tenant.state {
        case .deleted: return tenant
        case .purged: throw purged(id)
        case .active, .suspended, .unspecified, .unrecognized:
            throw DomainError.failedPrecondition(
                .init(
                    reason: "TENANT_NOT_DELETED",
                    subject: "tenants/\(id)",
                    description: "tenant \(id) is not deleted: there is nothing to restore or to purge"
                )
            )
        }
    }

    private static func purged(_ id: UUID) -> DomainError {
        .failedPrecondition(
            .init(
                reason: "TENANT_PURGED",
                subject: "tenants/\(id)",
                description: "tenant \(id) was purged: its data is gone"
            )
        )
    }

    /// A tenant of which others are let in now than before, or more or less often.
    private static func closing(_ before: Tenant, _ changed: Tenant?, _ work: Work) async throws -> Tenant {
        let after = changed.certain
        work.audit.changed("tenant", after.id, from: before, to: after)
        try await work.changesAccess(of: try UUID(after.id, field: "id"))
        return after
    }

    private static func update(_ id: UUID, _ request: some TenantChange, _ work: Work) async throws -> Tenant {
        let mask = try UpdateMask(
            request.updateMask?.paths,
            fields: [
                "display_name": !request.displayName.isEmpty, "industry": !request.industry.isEmpty,
                "settings_json": !request.settingsJSON.isEmpty,
            ]
        )
        let before = try await lock(id, work)
        var tenant = before
        try Etag.check(request.etag, current: tenant.etag, resource: "tenant", id: id.text)
        if mask.contains("display_name") {
            guard !request.displayName.isEmpty else {
                throw DomainError.invalid("display_name", "it is empty, but a tenant must have a name")
            }
            tenant.displayName = request.displayName
        }
        if mask.contains("industry") { tenant.industry = request.industry }
        if mask.contains("settings_json") {
            tenant.settingsJSON = request.settingsJSON.isEmpty ? "{}" : request.settingsJSON
        }
        let after = try await work.transaction.run(
            TenantUpdate(
                displayName: tenant.displayName,
                industry: tenant.industry,
                settingsJSON: tenant.settingsJSON,
                tenantID: id
            )
        )
        .certain
        work.audit.changed("tenant", after.id, from: before, to: after)
        return after
    }
}

/// What both Updates of a tenant set.
private protocol TenantChange {
    var displayName: String { get }
    var industry: String { get }
    var settingsJSON: String { get }
    var updateMask: FieldMask? { get }
    var etag: String { get }
}

extension UpdateTenantRequest: TenantChange {}
extension UpdateOwnTenantRequest: TenantChange {}
