import Domain
import Primitives
import Protobuf
import RPCServer
import Tenancy
import TrellisAPI

/// The lives of tenants and sites: changed, suspended, archived, deleted, restored, purged.
extension TenancyHandlers {
    func updateTenant(_ request: UpdateTenantRequest, _ context: ServerContext) async throws -> Tenant {
        try await context.write(request, about: request.id) { work in try await Tenants.update(request, work) }
    }

    func setTenantPlan(_ request: SetTenantPlanRequest, _ context: ServerContext) async throws -> Tenant {
        try await context.write(request, about: request.id) { work in try await Tenants.setPlan(request, work) }
    }

    func suspendTenant(_ request: SuspendTenantRequest, _ context: ServerContext) async throws -> Tenant {
        try await context.write(request, about: request.id) { work in try await Tenants.suspend(request, work) }
    }

    func resumeTenant(_ request: ResumeTenantRequest, _ context: ServerContext) async throws -> Tenant {
        try await context.write(request, about: request.id) { work in try await Tenants.resume(request, work) }
    }

    func archiveTenant(_ request: ArchiveTenantRequest, _ context: ServerContext) async throws -> Tenant {
        try await context.write(request, about: request.id) { work in try await Tenants.archive(request, work) }
    }

    func unarchiveTenant(_ request: UnarchiveTenantRequest, _ context: ServerContext) async throws -> Tenant {
        try await context.write(request, about: request.id) { work in try await Tenants.unarchive(request, work) }
    }

    func deleteTenant(_ request: DeleteTenantRequest, _ context: ServerContext) async throws -> Tenant {
        try await context.write(request, about: request.id) { work in try await Tenants.delete(request, work) }
    }

    func undeleteTenant(_ request: UndeleteTenantRequest, _ context: ServerContext) async throws -> Tenant {
        try await context.write(request, about: request.id) { work in try await Tenants.undelete(request, work) }
    }

    func purgeTenant(_ request: PurgeTenantRequest, _ context: ServerContext) async throws -> Tenant {
        try await context.write(request, about: request.id) { work in
            let tenant = try await Tenants.purge(request, work)
            // Its rows are removed by a job, for which nobody waits.
            _ = try await work.enqueue(ServerJobs.removeExpired, NoPayload())
            return tenant
        }
    }

    func getOwnTenant(_ request: GetOwnTenantRequest, _ context: ServerContext) async throws -> Tenant {
        try await Tenants.own(context.call.scope, context.call.database)
    }

    func updateOwnTenant(_ request: UpdateOwnTenantRequest, _ context: ServerContext) async throws -> Tenant {
        try await context.write(request) { work in try await Tenants.updateOwn(request, work) }
    }

    func archiveSite(_ request: ArchiveSiteRequest, _ context: ServerContext) async throws -> Site {
        try await context.write(request) { work in try await Sites.archive(request, work) }
    }

    func unarchiveSite(_ request: UnarchiveSiteRequest, _ context: ServerContext) async throws -> Site {
        try await context.write(request) { work in try await Sites.unarchive(request, work) }
    }

    func deleteSite(_ request: DeleteSiteRequest, _ context: ServerContext) async throws -> Site {
        try await context.write(request) { work in try await Sites.delete(request, work) }
    }

    func undeleteSite(_ request: UndeleteSiteRequest, _ context: ServerContext) async throws -> Site {
        try await context.write(request) { work in try await Sites.undelete(request, work) }
    }
}

extension ServerContext {
    /// Runs a write of the platform that is about one tenant, whose audit trail tells of it.
    fileprivate func write<Request: WriteRequest, Response: Message>(
        _ request: Request,
        about tenant: String,
        _ body: (Work) async throws -> Response
    ) async throws -> Response {
        try await write(request, auditTenant: try UUID(tenant, field: "id"), body)
    }
}
