internal import Domain
public import Postgres

/// What of credentials becomes too old.
public enum CredentialHousekeeping {
    /// Deletes sessions and tokens that ended long ago, and attempts that count no more. On the database's loop.
    public static func run(_ database: Database) async throws(PostgresError) {
        _ = try await database.run(
            SessionPurge(),
            PasswordResetPurge(),
            SignInAttemptPurge(),
            settings: Scope.platformSettings
        )
    }
}
