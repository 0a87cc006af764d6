import Domain
import Primitives
import RPCServer
import Tenancy
import TrellisAPI

/// AdmissionService: each method as its use case.
struct AdmissionHandlers: AdmissionService {
    func getAllowList(_ request: GetAllowListRequest, _ context: ServerContext) async throws -> AllowList {
        try await AllowLists.get(context.call.scope, context.call.database)
    }

    func setAllowList(_ request: SetAllowListRequest, _ context: ServerContext) async throws -> AllowList {
        let caller = IPAddress(peer: context.peer)
        return try await context.write(request) { work in try await AllowLists.set(request, from: caller, work) }
    }

    func createServicePrincipal(
        _ request: CreateServicePrincipalRequest,
        _ context: ServerContext
    ) async throws -> ServicePrincipal {
        let tenant = try UUID(request.tenantID, field: "tenant_id")
        let catalogue = context.call.services.catalogue
        return try await context.write(request, auditTenant: tenant) { work in
            try await ServicePrincipals.create(request, work, catalogue)
        }
    }

    func listServicePrincipals(
        _ request: ListServicePrincipalsRequest,
        _ context: ServerContext
    ) async throws -> ListServicePrincipalsResponse {
        let call = context.call
        return try await ServicePrincipals.list(request, context.page(request), call.scope, call.database)
    }

    func revokeServicePrincipal(
        _ request: RevokeServicePrincipalRequest,
        _ context: ServerContext
    ) async throws -> ServicePrincipal {
        try await context.write(request) { work in try await ServicePrincipals.revoke(request, work) }
    }
}
