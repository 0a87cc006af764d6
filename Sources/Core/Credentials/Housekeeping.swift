internal import Domain
public import Postgres

/// What of credentials becomes too old.
public enum CredentialHousekeeping {
    /// Deletes sessions and tokens that ended long ago, attempts that count no more, and people who are nobody's user any
    /// more. On the database's loop.
    public static func run(_ database: Database) async throws {
        _ = try await database.run(
            SessionPurge(),
            PasswordResetPurge(),
            SignInAttemptPurge(),
            MembershipPurge(),
            settings: Scope.platformSettings
        )
        try await database.transaction(Scope.platformSettings) { transaction in
            let alone = try await transaction.run(PersonsAlone())
            // Each is asked again, now that they are held: whoever has become a user before stays.
            _ = try await transaction.run(all: alone.map { PersonEraseAlone(personID: $0.personID) })
        }
    }
}
