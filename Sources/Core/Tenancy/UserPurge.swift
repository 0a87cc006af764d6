public import Domain
internal import Postgres
internal import Primitives
public import TrellisAPI

/// What becomes of deleted users when their time to be restored is over.
public enum UserPurge {
    /// Deletes them, and with them the keys of what is personal about them, so that no copy of it can be read again.
    public static let kind = JobKind<NoPayload>("tenancy.purge_users")

    /// How many are deleted in one transaction.
    static let batch: Int64 = 500

    /// Says how it is run, and when: every night at two.
    public static func register(in registry: inout JobRegistry) {
        registry.handle(kind) { _, context in
            try await context.writeAll("users deleted for good") { work in
                let users = try await work.transaction.run(UserPurgeBatch(count: batch))
                for user in users { work.audit(in: user.tenantID).target("user", user.userID.text) }
                return users.count
            }
        }
        registry.schedule("purge-users", .cron(CronExpression(literal: "0 2 * * *")), kind, NoPayload())
    }
}
