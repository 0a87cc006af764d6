public import Domain
internal import Postgres
internal import Primitives
public import TrellisAPI

/// The jobs that keep house in what all areas share.
public enum HouseJobs {
    /// Deletes jobs that ended 30 days ago.
    public static let purgeJobs = JobKind<NoPayload>("operations.purge_jobs")

    /// Says how they are run, and when.
    public static func register(in registry: inout JobRegistry) {
        registry.handle(purgeJobs) { _, context in
            try await context.finish { work in _ = try await work.transaction.run(JobPurge()) }
        }
        registry.schedule("purge-jobs", .cron(CronExpression(literal: "10 2 * * *")), purgeJobs, NoPayload())
    }
}
