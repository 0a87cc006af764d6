import Domain
import RPCServer
import Tenancy
import TrellisAPI

/// AccessService: each method as its use case.
struct AccessHandlers: AccessService {
    func listPermissions(
        _ request: ListPermissionsRequest,
        _ context: ServerContext
    ) async throws -> ListPermissionsResponse {
        AccessQuestions.permissions(context.call.services.catalogue)
    }

    func createRole(_ request: CreateRoleRequest, _ context: ServerContext) async throws -> Role {
        let catalogue = context.call.services.catalogue
        return try await context.write(request) { work in try await Roles.create(request, work, catalogue) }
    }

    func getRole(_ request: GetRoleRequest, _ context: ServerContext) async throws -> Role {
        let call = context.call
        return try await Roles.get(request, call.scope, call.database, call.services.catalogue)
    }

    func listRoles(_ request: ListRolesRequest, _ context: ServerContext) async throws -> ListRolesResponse {
        let call = context.call
        return try await Roles.list(context.page(request), call.scope, call.database, call.services.catalogue)
    }

    func updateRole(_ request: UpdateRoleRequest, _ context: ServerContext) async throws -> Role {
        let catalogue = context.call.services.catalogue
        return try await context.write(request) { work in try await Roles.update(request, work, catalogue) }
    }

    func deleteRole(_ request: DeleteRoleRequest, _ context: ServerContext) async throws -> Role {
        try await context.write(request) { work in try await Roles.delete(request, work) }
    }

    func assignRole(_ request: AssignRoleRequest, _ context: ServerContext) async throws -> RoleAssignment {
        let catalogue = context.call.services.catalogue
        return try await context.write(request) { work in try await Roles.assign(request, work, catalogue) }
    }

    func unassignRole(_ request: UnassignRoleRequest, _ context: ServerContext) async throws -> RoleAssignment {
        let catalogue = context.call.services.catalogue
        return try await context.write(request) { work in try await Roles.unassign(request, work, catalogue) }
    }

    func listRoleAssignments(
        _ request: ListRoleAssignmentsRequest,
        _ context: ServerContext
    ) async throws -> ListRoleAssignmentsResponse {
        try await Roles.assignments(request, context.page(request), context.call.scope, context.call.database)
    }

    func check(_ request: CheckRequest, _ context: ServerContext) async throws -> CheckResponse {
        let call = context.call
        let (scope, catalogue) = (call.scope, call.services.catalogue)
        return try await AccessQuestions.check([request], path: { _ in "" }, scope, call.database, catalogue)[0]
    }

    func checkBulk(_ request: CheckBulkRequest, _ context: ServerContext) async throws -> CheckBulkResponse {
        let call = context.call
        return CheckBulkResponse(
            results: try await AccessQuestions.check(
                request.checks,
                path: { "checks[\($0)]." },
                call.scope,
                call.database,
                call.services.catalogue
            )
        )
    }

    func listEffectivePermissions(
        _ request: ListEffectivePermissionsRequest,
        _ context: ServerContext
    ) async throws -> ListEffectivePermissionsResponse {
        let call = context.call
        return try await AccessQuestions.effective(request, call.scope, call.database, call.services.catalogue)
    }
}
