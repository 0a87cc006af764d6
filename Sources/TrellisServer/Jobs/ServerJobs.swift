import Audit
import Credentials
import Domain
import Operations
import Tenancy
import TrellisAPI

/// Everything that the server does in the background: each area says what of it is its own.
enum ServerJobs {
    /// Deletes sessions and tokens that ended long ago, and attempts to sign in that count no more, of all tenants.
    static let purgeCredentials = JobKind<NoPayload>("credentials.purge")

    /// Makes the audit trail's next partitions, and forgets what it has kept long enough, of all tenants.
    static let keepAuditTrail = JobKind<NoPayload>("audit.keep")

    /// All kinds of jobs and all schedules.
    static func registry() -> JobRegistry {
        var registry = JobRegistry()
        OutcomePurge.register(in: &registry)
        HouseJobs.register(in: &registry)
        UserPurge.register(in: &registry)
        registry.handle(purgeCredentials) { _, context in try await CredentialHousekeeping.run(context.database) }
        let twenty = ScheduleTiming.cron(CronExpression(literal: "20 * * * *"))
        registry.schedule("purge-credentials", twenty, purgeCredentials, NoPayload())
        registry.handle(keepAuditTrail) { _, context in
            try await AuditKeeping.prepare(context.database)
            try await AuditKeeping.forget(context.database)
        }
        let forty = ScheduleTiming.cron(CronExpression(literal: "40 * * * *"))
        registry.schedule("keep-audit-trail", forty, keepAuditTrail, NoPayload())
        return registry
    }
}
