public import Domain
public import Postgres
internal import Primitives
public import TrellisAPI

/// Tells callers who they are.
public enum Identity {
    /// Who is calling: the credential's kind, its tenant and what it may do.
    public static func whoAmI(
        _ scope: Scope,
        _ database: Database,
        _ catalogue: PermissionCatalogue,
        _ keyring: Keyring
    ) async throws -> WhoAmIResponse {
        var response = WhoAmIResponse()
        response.permissions = catalogue.expand(scope.grants.tenant, platform: scope.isPlatform)
        let user = scope.actor.user
        switch scope.actor {
        case .platform:
            response.kind = .platform
            return response
        case .service, .job:
            // A job makes no calls, so only a program asks.
            response.kind = .service
        case .user:
            response.kind = .user
        }
        let row: UserRow?
        (response.tenant, response.apiKey, response.servicePrincipal, row) = try await database.run(
            TenantGet(tenantID: scope.tenant),
            ApiKeyGet(tenantID: scope.tenant, apiKeyID: scope.actor.id),
            ServicePrincipalGet(tenantID: scope.tenant, servicePrincipalID: scope.actor.id),
            // No user has the zero UUID.
            UserGet(tenantID: scope.tenant, userID: user ?? .zero),
            settings: scope.settings
        )
        // Everybody sees themselves.
        response.user = try row?.user(.whole(keyring))
        return response
    }
}
