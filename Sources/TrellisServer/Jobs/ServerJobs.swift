import Audit
import Credentials
import Domain
import EndUsers
import Operations
import Privacy
import Tenancy
import TrellisAPI

/// Everything that the server does in the background: each area says what of it is its own.
enum ServerJobs {
    /// Deletes sessions and tokens that ended long ago, and attempts to sign in that count no more, of all tenants.
    static let purgeCredentials = JobKind<NoPayload>("credentials.purge")

    /// Makes the audit trail's next partitions, forgets what it has kept long enough, and archives what is a year old, of all
    /// tenants.
    static let keepAuditTrail = JobKind<NoPayload>("audit.keep")

    /// Removes for good what was deleted and cannot be restored any more: tenants, sites, end users, and exports of subjects
    /// that nobody has fetched.
    static let removeExpired = JobKind<NoPayload>("tenancy.remove_expired")

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
            while try await AuditKeeping.archiveMonth(context.database) != nil { try context.checkCancellation() }
        }
        let forty = ScheduleTiming.cron(CronExpression(literal: "40 * * * *"))
        registry.schedule("keep-audit-trail", forty, keepAuditTrail, NoPayload())
        registry.handle(removeExpired) { _, context in
            let database = context.database
            for tenant in try await TenantSweep.expired(database) {
                try await TenantSweep.purge(tenant, database, context.keyring)
            }
            for tenant in try await TenantSweep.unswept(database) {
                try context.checkCancellation()
                _ = try await TenantSweep.sweep(tenant, database)
            }
            try await TenantSweep.removeSites(context)
            try await EndUsers.purge(context)
            _ = try await Exports.purge(database)
        }
        let fifty = ScheduleTiming.cron(CronExpression(literal: "50 * * * *"))
        registry.schedule("remove-expired", fifty, removeExpired, NoPayload())
        PrivacyOperations.register(in: &registry, .everywhere)
        return registry
    }
}
