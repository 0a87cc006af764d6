public import Domain
public import Postgres
public import Primitives
public import TrellisAPI

/// What can be done with the sites of a tenant.
public enum Sites {
    /// Makes a site.
    public static func create(_ request: CreateSiteRequest, _ work: Work) async throws -> Site {
        try await saying(["site_display_name": taken(request.displayName)]) {
            try await work.transaction.run(
                SiteInsert(
                    tenantID: work.scope.tenant,
                    siteID: .v7(),
                    displayName: request.displayName,
                    displayNameKey: request.displayName.caseFolded,
                    description: request.description,
                    timeZone: request.timeZone.orUTC
                )
            )
            .certain
        }
    }

    /// Returns one site.
    public static func get(_ request: GetSiteRequest, _ scope: Scope, _ database: Database) async throws -> Site {
        let id = try UUID(request.id, field: "id")
        return try await database.run(SiteGet(tenantID: scope.tenant, siteID: id), scope.settings)
            .orNotFound("site", id)
    }

    /// Returns a page of the sites: of those among `sites`, or, with nil, of all.
    public static func list(
        _ request: ListSitesRequest,
        _ page: Page,
        of sites: [UUID]?,
        _ scope: Scope,
        _ database: Database
    ) async throws -> ListSitesResponse {
        let (tenant, after, count) = (scope.tenant, try page.after, Int64(page.count))
        let rows: [Site]
        if let sites {
            let query = SiteListAmong(
                tenantID: tenant,
                sites: sites,
                after: after,
                showDeleted: request.showDeleted,
                showArchived: request.showArchived,
                count: count
            )
            rows = try await database.run(query, scope.settings)
        } else {
            let query = SiteList(
                tenantID: tenant,
                after: after,
                showDeleted: request.showDeleted,
                showArchived: request.showArchived,
                count: count
            )
            rows = try await database.run(query, scope.settings)
        }
        var response = ListSitesResponse()
        (response.sites, response.nextPageToken) = page.cut(rows, id: \.id)
        return response
    }

    /// Changes a site: locks it, checks the etag, sets what the mask names.
    public static func update(_ request: UpdateSiteRequest, _ work: Work) async throws -> Site {
        let id = try UUID(request.id, field: "id")
        let mask = try UpdateMask(
            request.updateMask?.paths,
            fields: [
                "display_name": !request.displayName.isEmpty, "description": !request.description.isEmpty,
                "time_zone": !request.timeZone.isEmpty,
            ]
        )
        try await work.requireWritable(site: id)
        let current = try await work.transaction.run(SiteLock(tenantID: work.scope.tenant, siteID: id))
        let before = try current.orNotFound("site", id)
        var site = before
        try Etag.check(request.etag, current: site.etag, resource: "site", id: request.id)
        try apply(request, mask, to: &site)
        let (changed, name) = (site, site.displayName)
        let after = try await saying(["site_display_name": taken(name)]) {
            try await work.transaction.run(
                SiteUpdate(
                    displayName: changed.displayName,
                    displayNameKey: changed.displayName.caseFolded,
                    description: changed.description,
                    timeZone: changed.timeZone,
                    tenantID: work.scope.tenant,
                    siteID: id
                )
            )
            .certain
        }
        work.audit.changed("site", after.id, from: before, to: after)
        return after
    }

    // MARK: Their lives

    /// Lets a site be read and no longer changed.
    public static func archive(_ request: ArchiveSiteRequest, _ work: Work) async throws -> Site {
        let site = try await lock(request.id, work)
        guard site.archiveTime == nil else { return site }
        let id = try UUID(request.id, field: "id")
        let archived = try await work.transaction.run(SiteArchive(tenantID: work.scope.tenant, siteID: id)).certain
        work.audit.changed("site", site.id, from: site, to: archived)
        return archived
    }

    /// Lets an archived site be changed again.
    public static func unarchive(_ request: UnarchiveSiteRequest, _ work: Work) async throws -> Site {
        let site = try await lock(request.id, work)
        guard site.archiveTime != nil else { return site }
        let id = try UUID(request.id, field: "id")
        let back = try await work.transaction.run(SiteUnarchive(tenantID: work.scope.tenant, siteID: id)).certain
        work.audit.changed("site", site.id, from: site, to: back)
        return back
    }

    /// Deletes a site, for a time; not the last one.
    public static func delete(_ request: DeleteSiteRequest, _ work: Work) async throws -> Site {
        let (id, tenant) = (try UUID(request.id, field: "id"), work.scope.tenant)
        // One at a time in a tenant, so that two of them do not each leave the other's as the last.
        _ = try await work.transaction.run(TenantLock(tenantID: tenant))
        let site = try await lock(request.id, work)
        try Etag.check(request.etag, current: site.etag, resource: "site", id: request.id)
        let others = try await work.transaction.run(OtherSitesCount(tenantID: tenant, siteID: id)).certain.count
        guard others > 0 else {
            throw DomainError.failedPrecondition(
                .init(
                    reason: "LAST_SITE",
                    subject: "sites/\(id)",
                    description: "site \(id) is the last of the tenant, which always has one: make another first"
                )
            )
        }
        let deleted = try await work.transaction.run(SiteDelete(tenantID: tenant, siteID: id)).certain
        work.audit.changed("site", site.id, from: site, to: deleted)
        try await work.changesAccess()
        return deleted
    }

    /// Restores a deleted site, and what was held on it.
    public static func undelete(_ request: UndeleteSiteRequest, _ work: Work) async throws -> Site {
        let (id, tenant) = (try UUID(request.id, field: "id"), work.scope.tenant)
        try await work.fenceOff(id)
        let site = try await work.transaction.run(SiteLockAlone(tenantID: tenant, siteID: id)).orNotFound("site", id)
        guard site.deleteTime != nil else {
            throw DomainError.failedPrecondition(
                .init(
                    reason: "SITE_NOT_DELETED",
                    subject: "sites/\(id)",
                    description: "site \(id) is not deleted: there is nothing to restore"
                )
            )
        }
        let restored = try await work.transaction.run(SiteUndelete(tenantID: tenant, siteID: id)).certain
        work.audit.changed("site", site.id, from: site, to: restored)
        try await work.changesAccess()
        return restored
    }

    /// A site that is not deleted, fenced off and held until the transaction ends.
    private static func lock(_ text: String, _ work: Work) async throws -> Site {
        let id = try UUID(text, field: "id")
        try await work.fenceOff(id)
        let site = try await work.transaction.run(SiteLockAlone(tenantID: work.scope.tenant, siteID: id))
            .orNotFound("site", id)
        guard site.deleteTime == nil else { throw DomainError.siteDeleted(id) }
        return site
    }

    // MARK: Parts

    /// Sets the fields of a site that the mask names.
    static func apply(_ request: UpdateSiteRequest, _ mask: UpdateMask, to site: inout Site) throws(DomainError) {
        if mask.contains("display_name") {
            guard !request.displayName.isEmpty else {
                throw .invalid("display_name", "it is empty, but a site must have a name")
            }
            site.displayName = request.displayName
        }
        if mask.contains("description") { site.description = request.description }
        if mask.contains("time_zone") { site.timeZone = request.timeZone.orUTC }
    }

    private static func taken(_ name: String) -> DomainError {
        .alreadyExists(resource: "site", field: "display_name", value: name)
    }
}

extension String {
    /// The time zone that an empty field stands for.
    var orUTC: String { isEmpty ? "UTC" : self }
}
