import Credentials
import Domain
import EventLoop
import Primitives
import RPCServer
import Tenancy
import TrellisAPI

/// TenancyService: each method as its use case.
struct TenancyHandlers: TenancyService {
    func createTenant(_ request: CreateTenantRequest, _ context: ServerContext) async throws -> Tenant {
        try await context.write(request) { work in try await Tenants.create(request, work) }
    }

    func getTenant(_ request: GetTenantRequest, _ context: ServerContext) async throws -> Tenant {
        try await Tenants.get(request, context.call.scope, context.call.database)
    }

    func listTenants(_ request: ListTenantsRequest, _ context: ServerContext) async throws -> ListTenantsResponse {
        try await Tenants.list(request, context.page(request), context.call.scope, context.call.database)
    }

    func issueTenantKey(_ request: IssueTenantKeyRequest, _ context: ServerContext) async throws -> ApiKey {
        let tenant = try UUID(request.tenantID, field: "tenant_id")
        return try await context.write(request, auditTenant: tenant) { work in
            try await ApiKeys.issue(request, work)
        }
    }

    func createSite(_ request: CreateSiteRequest, _ context: ServerContext) async throws -> Site {
        try await context.write(request) { work in try await Sites.create(request, work) }
    }

    func getSite(_ request: GetSiteRequest, _ context: ServerContext) async throws -> Site {
        let call = context.call
        return try await Sites.get(request, call.scope, call.database)
    }

    func listSites(_ request: ListSitesRequest, _ context: ServerContext) async throws -> ListSitesResponse {
        let (call, permission) = (context.call, context.call.policy.permission)
        return try await Sites.list(
            request,
            context.page(request),
            of: call.scope.sites(holding: permission),
            call.scope,
            call.database
        )
    }

    func updateSite(_ request: UpdateSiteRequest, _ context: ServerContext) async throws -> Site {
        try await context.write(request) { work in try await Sites.update(request, work) }
    }

    func createUser(_ request: CreateUserRequest, _ context: ServerContext) async throws -> User {
        try await context.write(request) { work in try await Users.create(request, work) }
    }

    func getUser(_ request: GetUserRequest, _ context: ServerContext) async throws -> User {
        let call = context.call
        return try await context.read(request) { try await Users.get(request, $0, call.personalView) }
    }

    func listUsers(_ request: ListUsersRequest, _ context: ServerContext) async throws -> ListUsersResponse {
        let call = context.call
        let page = try context.page(request)
        return try await context.read(request) { try await Users.list(request, page, $0, call.personalView) }
    }

    func updateUser(_ request: UpdateUserRequest, _ context: ServerContext) async throws -> User {
        try await context.write(request) { work in try await Users.update(request, work) }
    }

    func suspendUser(_ request: SuspendUserRequest, _ context: ServerContext) async throws -> User {
        try await context.write(request) { work in try await Users.suspend(request, work) }
    }

    func resumeUser(_ request: ResumeUserRequest, _ context: ServerContext) async throws -> User {
        try await context.write(request) { work in try await Users.resume(request, work) }
    }

    func deleteUser(_ request: DeleteUserRequest, _ context: ServerContext) async throws -> User {
        try await context.write(request) { work in try await Users.delete(request, work) }
    }

    func undeleteUser(_ request: UndeleteUserRequest, _ context: ServerContext) async throws -> User {
        try await context.write(request) { work in try await Users.undelete(request, work) }
    }

    func inviteUser(_ request: InviteUserRequest, _ context: ServerContext) async throws -> Invitation {
        let catalogue = context.call.services.catalogue
        return try await context.write(request) { work in try await Invitations.create(request, work, catalogue) }
    }

    func listInvitations(
        _ request: ListInvitationsRequest,
        _ context: ServerContext
    ) async throws -> ListInvitationsResponse {
        let call = context.call
        let page = try context.page(request)
        return try await context.read(request) { try await Invitations.list(page, $0, call.personalView) }
    }

    func revokeInvitation(_ request: RevokeInvitationRequest, _ context: ServerContext) async throws -> Invitation {
        try await context.write(request) { work in try await Invitations.revoke(request, work) }
    }

    func createApiKey(_ request: CreateApiKeyRequest, _ context: ServerContext) async throws -> ApiKey {
        let catalogue = context.call.services.catalogue
        return try await context.write(request) { work in try await ApiKeys.create(request, work, catalogue) }
    }

    func listApiKeys(_ request: ListApiKeysRequest, _ context: ServerContext) async throws -> ListApiKeysResponse {
        try await ApiKeys.list(request, context.page(request), context.call.scope, context.call.database)
    }

    func rotateApiKey(_ request: RotateApiKeyRequest, _ context: ServerContext) async throws -> ApiKey {
        try await context.write(request) { work in try await ApiKeys.rotate(request, work) }
    }

    func updateApiKey(_ request: UpdateApiKeyRequest, _ context: ServerContext) async throws -> ApiKey {
        let catalogue = context.call.services.catalogue
        return try await context.write(request) { work in try await ApiKeys.update(request, work, catalogue) }
    }

    func revokeApiKey(_ request: RevokeApiKeyRequest, _ context: ServerContext) async throws -> ApiKey {
        try await context.write(request) { work in try await ApiKeys.revoke(request, work) }
    }

    func whoAmI(_ request: WhoAmIRequest, _ context: ServerContext) async throws -> WhoAmIResponse {
        let call = context.call
        let (database, keyring) = (call.database, call.services.keyring)
        var response = try await Identity.whoAmI(call.scope, database, call.services.catalogue, keyring)
        if response.apiKey == nil { response.session = try await Sessions.current(call.scope, database, keyring) }
        return response
    }
}
