public import Domain
public import Postgres
internal import Primitives
public import TrellisAPI

/// What can be done with tenants: all of it as the platform.
public enum Tenants {
    /// Makes a tenant.
    public static func create(_ request: CreateTenantRequest, _ work: Work) async throws -> Tenant {
        let id = UUID.v7()
        let taken = DomainError.alreadyExists(resource: "tenant", field: "slug", value: request.slug)
        return try await saying(["tenant_slug_pkey": taken]) {
            let tenant = try await work.transaction.run(
                TenantInsert(
                    tenantID: id,
                    slug: request.slug,
                    displayName: request.displayName,
                    industry: request.industry
                )
            )
            _ = try await work.transaction.run(TenantSlugInsert(slug: request.slug, tenantID: id))
            return tenant.certain
        }
    }

    /// Returns one tenant.
    public static func get(_ request: GetTenantRequest, _ scope: Scope, _ database: Database) async throws -> Tenant {
        let id = try UUID(request.id, field: "id")
        return try await database.run(TenantGet(tenantID: id), scope.settings).orNotFound("tenant", id)
    }

    /// Returns a page of the tenants.
    public static func list(_ page: Page, _ scope: Scope, _ database: Database) async throws -> ListTenantsResponse {
        let rows = try await database.run(TenantList(after: page.after, count: Int64(page.count)), scope.settings)
        var response = ListTenantsResponse()
        (response.tenants, response.nextPageToken) = page.cut(rows, id: \.id)
        return response
    }
}
