package import Postgres
public import Primitives
internal import TrellisAPI

/// Why nobody of a tenant is let in.
public enum TenantClosure: Int16, Equatable, Sendable {
    /// The platform has suspended it.
    case suspended = 2
    /// It is deleted, and may be restored for a time.
    case deleted = 3
    /// Its data is gone.
    case purged = 4
}

extension Work {
    /// Refuses to change anything of a tenant that nobody is let into any more. The tenant stays open until the
    /// transaction ends: whoever suspends, archives, deletes or purges it waits.
    ///
    /// - Parameter category: of an archived tenant, nothing is changed but who can sign in and what keys there are: it is
    ///   still read.
    func requireOpenTenant(for category: AuditCategory) async throws {
        guard scope.tenant != .zero else { return }
        // A credential is of a tenant, whose row is never deleted.
        let row = try await tenantRow(scope.tenant).certain
        if let closure = TenantClosure(rawValue: row.state) { throw DomainError.tenantClosed(closure) }
        guard row.archiveTime == nil || category == .authentication else {
            throw DomainError.failedPrecondition(
                .init(
                    reason: "TENANT_ARCHIVED",
                    subject: "tenants/\(scope.tenant)",
                    description: "the tenant is archived, and nothing of it can be changed: the platform can use "
                        + "UnarchiveTenant"
                )
            )
        }
    }

    /// The state of a tenant, which stays so until the transaction ends; nil when there is none.
    package func tenantState(_ tenant: UUID) async throws -> Int16? { try await tenantRow(tenant)?.state }

    private func tenantRow(_ tenant: UUID) async throws -> TenantStateRow? {
        try await transaction.run(FenceShare(key: tenant.fence), TenantState(tenantID: tenant)).1
    }

    /// Refuses to change what belongs to a site that is archived, deleted or not there. The site stays as it is until
    /// the transaction ends: to be called by every use case that changes what belongs to a site, before it does.
    public func requireWritable(site: UUID) async throws {
        let (_, row) = try await transaction.run(
            FenceShare(key: site.fence),
            SiteState(tenantID: scope.tenant, siteID: site)
        )
        let state = try row.orNotFound("site", site)
        if state.deleteTime != nil { throw DomainError.siteDeleted(site) }
        if state.archiveTime != nil {
            throw DomainError.failedPrecondition(
                .init(
                    reason: "SITE_ARCHIVED",
                    subject: "sites/\(site)",
                    description: "site \(site) is archived, and nothing of it can be changed: use UnarchiveSite first"
                )
            )
        }
    }

    /// Waits for the writes that work for a tenant or a site, and keeps those that come later waiting until the
    /// transaction ends: to be called before its state is read and changed.
    public func fenceOff(_ id: UUID) async throws { try await transaction.fenceOff(id) }
}

extension Transaction {
    /// Takes the fence of a tenant or a site alone, until the transaction ends.
    package func fenceOff(_ id: UUID) async throws(PostgresError) {
        _ = try await run(FenceAlone(key: id.fence))
    }
}

extension DomainError {
    /// What a change of a deleted site is answered with.
    public static func siteDeleted(_ site: UUID) -> DomainError {
        .failedPrecondition(
            .init(
                reason: "SITE_DELETED",
                subject: "sites/\(site)",
                description: "site \(site) is deleted: restore it first, with UndeleteSite"
            )
        )
    }
}

extension UUID {
    /// The advisory lock that stands for it: its random part. Two ids with one lock would only wait for each other.
    fileprivate var fence: Int64 {
        withUnsafeBytes { Int64(bigEndian: $0.loadUnaligned(fromByteOffset: 8, as: Int64.self)) }
    }
}
