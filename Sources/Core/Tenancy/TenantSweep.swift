public import Domain
public import Postgres
public import Primitives
internal import TrellisAPI

/// Removes what has been deleted for good: the rows of purged tenants, and sites whose time to be restored is over.
///
/// Each step is a transaction of its own, and each can be done again: whoever is stopped in between is followed by
/// another.
public enum TenantSweep {
    /// Rows that one transaction removes, about.
    public static let rowsPerStep: Int64 = 5_000
    /// Tenants that one look finds.
    static let tenantsPerLook: Int64 = 100
    /// Sites that one transaction removes at most.
    static let sitesPerStep: Int64 = 500

    /// The deleted tenants whose time to be restored is over. On the database's loop.
    public static func expired(_ database: Database) async throws(PostgresError) -> [UUID] {
        try await database.run(TenantsToPurge(count: tenantsPerLook), Scope.platformSettings).map(\.tenantID)
    }

    /// Purges a tenant whose time to be restored is over, in the name of the platform: the zero UUID as its key is
    /// nobody's. One that was restored or purged meanwhile stays as it is. On the database's loop.
    public static func purge(_ tenant: UUID, _ database: Database, _ keyring: Keyring) async throws {
        let scope = Scope(tenant: .zero, actor: .platform(key: .zero), grants: Grants(tenant: PermissionSet(["*"])))
        let call = WriteCall(
            scope: scope,
            method: "trellis.tenancy.v1.TenancyService/PurgeTenant",
            callID: UUID.v7().text,
            isAudited: true,
            category: .administration,
            keyring: keyring
        )
        do {
            _ = try await database.write(PurgeTenantRequest(id: tenant.text), call, auditTenant: tenant) { work in
                try await Tenants.purge(PurgeTenantRequest(id: tenant.text), work)
            }
        } catch DomainError.failedPrecondition {
            return
        }
    }

    /// The purged tenants that may have rows left. On the database's loop.
    public static func unswept(_ database: Database) async throws(PostgresError) -> [UUID] {
        try await database.run(TenantsToSweep(count: tenantsPerLook), Scope.platformSettings).map(\.tenantID)
    }

    /// Removes every row of a purged tenant, but its own and its audit trail. On the database's loop.
    ///
    /// No write of the tenant comes between or after: the purge has waited for those that were under way, and those
    /// that come later are refused (`Work.requireOpenTenant`).
    ///
    /// - Parameter progress: hears after each step how many rows have been removed in all.
    /// - Returns: how many rows were removed.
    public static func sweep(
        _ tenant: UUID,
        _ database: Database,
        progress: (Int64) async throws -> Void = { _ in }
    ) async throws -> Int64 {
        var removed: Int64 = 0
        while true {
            let step = try await database.transaction(Scope.settings(tenant: tenant)) { transaction in
                // One at a time: another server may have found the tenant, too, and each must see what the other left.
                try await transaction.fenceOff(tenant)
                return try await transaction.run(TenantRowsPurge(count: rowsPerStep)).certain.removed
            }
            guard step > 0 else { break }
            removed += step
            try await progress(removed)
        }
        _ = try await database.run(TenantSwept(tenantID: tenant), Scope.platformSettings)
        return removed
    }

    /// Removes the sites whose time to be restored is over, of all tenants. By a job of the platform.
    public static func removeSites(_ job: JobContext) async throws {
        try await job.writeAll("sites removed") { work in
            let sites = try await work.transaction.run(SitesPurge(count: sitesPerStep))
            for site in sites { work.audit(in: site.tenantID).target("site", site.siteID.text) }
            return sites.count
        }
    }
}
