public import Domain
public import Postgres
internal import Primitives
internal import Protobuf
public import TrellisAPI

/// What operators can do with the jobs of all tenants.
public enum Jobs {
    /// Returns one job.
    public static func get(_ request: GetJobRequest, _ scope: Scope, _ database: Database) async throws -> Job {
        let id = try UUID(request.id, field: "id")
        let tenant = try UUID.optional(request.tenantID, field: "tenant_id") ?? .zero
        return try await database.run(JobGet(tenantID: tenant, jobID: id), scope.settings).orNotFound("job", id)
    }

    /// Returns a page of the jobs, by tenant, a tenant's newest first.
    public static func list(
        _ request: ListJobsRequest,
        _ page: Page,
        _ scope: Scope,
        _ database: Database
    ) async throws -> ListJobsResponse {
        var before = (tenant: UUID.last, job: UUID.last)
        if let position = page.position {
            var reader = PositionReader(position)
            before = (try reader.id(), try reader.id())
        }
        let query = JobList(
            beforeTenant: before.tenant,
            beforeJob: before.job,
            tenantFilter: try UUID.optional(request.tenantID, field: "tenant_id"),
            kindFilter: request.kind,
            stateFilter: Int16(request.state.rawValue),
            count: Int64(page.count)
        )
        let rows = try await database.run(query, scope.settings)
        var response = ListJobsResponse()
        (response.jobs, response.nextPageToken) = try page.cut(rows) { job in
            var writer = PositionWriter()
            writer.write(try UUID.optional(job.tenantID, field: "tenant_id") ?? .zero)
            writer.write(try UUID(job.id, field: "id"))
            return writer.bytes
        }
        return response
    }

    /// Asks for a job to be given up. `cancelled` is the error that one ends with which no server has begun.
    public static func cancel(_ request: CancelJobRequest, _ work: Work, cancelled: RPCStatus) async throws -> Job {
        let id = try UUID(request.id, field: "id")
        let cancel = JobCancel(error: cancelled.serialized(), tenantID: work.auditTenant, jobID: id)
        let get = JobGet(tenantID: work.auditTenant, jobID: id)
        let (_, job) = try await work.transaction.run(cancel, get)
        return try job.orNotFound("job", id)
    }

    /// Runs a job that is not running now, with all its retries before it again.
    public static func retry(_ request: RetryJobRequest, _ work: Work) async throws -> Job {
        let id = try UUID(request.id, field: "id")
        let superseded = DomainError.failedPrecondition(
            .init(
                reason: "JOB_SUPERSEDED",
                subject: "jobs/\(id)",
                description: "another job of this kind has taken the unique key of job \(id): retry that one"
            )
        )
        return try await saying(["job_unique": superseded]) {
            let retry = JobRetryNow(tenantID: work.auditTenant, jobID: id)
            let (count, found) = try await work.transaction.run(
                retry,
                JobGet(tenantID: work.auditTenant, jobID: id)
            )
            let job = try found.orNotFound("job", id)
            guard count == 1 else {
                throw DomainError.failedPrecondition(
                    .init(
                        reason: "JOB_NOT_RETRYABLE",
                        subject: "jobs/\(id)",
                        description: "job \(id) \(job.state == .running ? "runs now" : "has succeeded"): "
                            + "there is nothing to retry"
                    )
                )
            }
            return job
        }
    }

    /// Returns all schedules, by name.
    public static func schedules(_ scope: Scope, _ database: Database) async throws -> ListSchedulesResponse {
        ListSchedulesResponse(schedules: try await database.run(ScheduleList(), scope.settings))
    }
}
