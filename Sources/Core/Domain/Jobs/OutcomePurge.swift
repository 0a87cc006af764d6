internal import Postgres
public import TrellisAPI

/// What keeps the outcomes of writes from piling up.
public enum OutcomePurge {
    /// Deletes the outcomes of writes that are a day old, of all tenants.
    public static let kind = JobKind<NoPayload>("domain.purge_outcomes")

    /// Says how it is run, and when: every hour.
    public static func register(in registry: inout JobRegistry) {
        registry.handle(kind) { _, context in
            try await context.finish { work in _ = try await work.transaction.run(IdempotencyPurge()) }
        }
        registry.schedule("purge-outcomes", .cron(CronExpression(literal: "0 * * * *")), kind, NoPayload())
    }
}
