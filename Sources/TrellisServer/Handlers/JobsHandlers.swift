import Domain
import Operations
import Primitives
import RPCServer
import TrellisAPI

/// JobsService: each method as its use case.
struct JobsHandlers: JobsService {
    func getJob(_ request: GetJobRequest, _ context: ServerContext) async throws -> Job {
        try await Jobs.get(request, context.call.scope, context.call.database)
    }

    func listJobs(_ request: ListJobsRequest, _ context: ServerContext) async throws -> ListJobsResponse {
        try await Jobs.list(request, context.page(request), context.call.scope, context.call.database)
    }

    func cancelJob(_ request: CancelJobRequest, _ context: ServerContext) async throws -> Job {
        let cancelled = JobVerdict.cancelledStatus(try UUID(request.id, field: "id"))
        let tenant = try UUID.optional(request.tenantID, field: "tenant_id") ?? .zero
        return try await context.write(request, auditTenant: tenant) { work in
            try await Jobs.cancel(request, work, cancelled: cancelled)
        }
    }

    func retryJob(_ request: RetryJobRequest, _ context: ServerContext) async throws -> Job {
        let tenant = try UUID.optional(request.tenantID, field: "tenant_id") ?? .zero
        return try await context.write(request, auditTenant: tenant) { work in try await Jobs.retry(request, work) }
    }

    func listSchedules(
        _ request: ListSchedulesRequest,
        _ context: ServerContext
    ) async throws -> ListSchedulesResponse {
        try await Jobs.schedules(context.call.scope, context.call.database)
    }
}
