public import Postgres

/// Applies migrations to a database and checks that a server may run on it.
public enum Schema {
    /// What a database's schema is.
    public struct Status: Sendable, Equatable {
        /// The version after the last migration that was applied; nil without a schema.
        public var version: SchemaVersion?
        /// The migrations that this program carries and the database lacks.
        public var missing: [String]
    }

    private static let owner: SessionSettings = SessionSettings([
        SessionSettings.Setting(name: "role", value: "trellis_owner"),
        SessionSettings.Setting(name: "search_path", value: "trellis, public"),
    ])

    /// Makes the roles and applies every migration that the database lacks, each in a transaction of its own. Programs that
    /// do so at the same time wait for each other.
    ///
    /// - Parameter database: connections of a superuser, or of a role with CREATEROLE that owns the database.
    /// - Returns: the migrations that were applied now.
    /// - Throws: ``SchemaError``.
    @discardableResult
    public static func migrate(_ database: Database, _ set: MigrationSet) async throws(SchemaError) -> [Migration] {
        let facts = try await facts(database)
        try check(facts)
        do {
            try await database.transaction { transaction in
                try await transaction.run(MigrationLock())
                try await transaction.run(script: EmbeddedSQL.roles)
            }
        } catch {
            throw .migrationFailed(migration: "of the roles", asPostgresError(error))
        }
        var applied: [Migration] = []
        for migration in set.migrations where try await apply(migration, of: set, database) {
            applied.append(migration)
        }
        return applied
    }

    /// Applies one migration unless it was applied before.
    private static func apply(_ migration: Migration, of set: MigrationSet, _ database: Database)
        async throws(SchemaError) -> Bool
    {
        do {
            return try await database.transaction(owner) { transaction in
                try await transaction.run(MigrationLock())
                let facts = try await transaction.run(DatabaseFactsGet())
                let applied = facts.hasSchema ? try await transaction.run(AppliedMigrationList()) : []
                try compare(applied, set)
                if applied.contains(where: { $0.number == migration.number }) { return false }
                try await transaction.run(script: migration.sql)
                _ = try await transaction.run(AppliedMigrationInsert(migration: migration))
                let faults = try await transaction.run(IsolationFaultList())
                if !faults.isEmpty { throw SchemaError.isolationFaults(faults) }
                return true
            }
        } catch let error as SchemaError {
            throw error
        } catch {
            throw .migrationFailed(migration: migration.description, asPostgresError(error))
        }
    }

    /// Checks that a server that carries `set` may run on the database, as the role that its connections have.
    ///
    /// - Parameter database: connections as the server makes them.
    /// - Throws: ``SchemaError`` with what to do.
    public static func verify(_ database: Database, _ set: MigrationSet) async throws(SchemaError) {
        let facts = try await facts(database)
        try check(facts)
        for role in facts.roles {
            if role.isSuperuser { throw .unsafeRole(role: role.name, reason: "is a superuser") }
            if role.bypassesRLS { throw .unsafeRole(role: role.name, reason: "has BYPASSRLS") }
            if role.owns {
                throw .unsafeRole(role: role.name, reason: "owns tables of the schema, or may become their owner")
            }
        }
        guard facts.hasSchema else { throw .schemaMissing(database: facts.database) }
        let status = try await status(database, set)
        guard status.missing.isEmpty else { throw .behind(missing: status.missing) }
    }

    /// What the database's schema is, compared with `set`.
    ///
    /// - Throws: ``SchemaError/newer(database:program:unknown:)`` and ``SchemaError/edited(migration:)``, too.
    public static func status(_ database: Database, _ set: MigrationSet) async throws(SchemaError) -> Status {
        guard try await facts(database).hasSchema else {
            return Status(version: nil, missing: set.migrations.map(\.description))
        }
        let applied: [AppliedMigrationList.Applied]
        do throws(PostgresError) {
            applied = try await database.run(AppliedMigrationList())
        } catch {
            throw .database(error)
        }
        try compare(applied, set)
        let numbers = Set(applied.map(\.number))
        return Status(
            version: applied.last.flatMap { SchemaVersion($0.schemaVersion) },
            missing: set.migrations.filter { !numbers.contains($0.number) }.map(\.description)
        )
    }

    // MARK: Inside

    /// Refuses migrations that `set` does not have, or has in another form.
    private static func compare(_ applied: [AppliedMigrationList.Applied], _ set: MigrationSet) throws(SchemaError) {
        var unknown: [AppliedMigrationList.Applied] = []
        for entry in applied {
            guard let ours = set.migrations.first(where: { $0.number == entry.number }) else {
                unknown.append(entry)
                continue
            }
            guard ours.sha256 == entry.sha256 else { throw .edited(migration: entry.description) }
        }
        guard let last = unknown.last else { return }
        throw .newer(
            database: last.schemaVersion,
            program: set.schemaVersion?.description ?? "none",
            unknown: unknown.map(\.description)
        )
    }

    private static func facts(_ database: Database) async throws(SchemaError) -> DatabaseFactsGet.Facts {
        do throws(PostgresError) {
            return try await database.run(DatabaseFactsGet())
        } catch {
            throw .database(error)
        }
    }

    private static func check(_ facts: DatabaseFactsGet.Facts) throws(SchemaError) {
        guard facts.serverVersionNumber >= Requirements.serverMajorMin * 10_000 else {
            throw .serverTooOld(version: facts.serverVersion)
        }
        if let vector = facts.vectorVersion, !Requirements.version(vector, isAtLeast: Requirements.vectorMin) {
            throw .vectorTooOld(version: vector)
        }
    }

    private static func asPostgresError(_ error: any Error) -> PostgresError {
        error as? PostgresError ?? PostgresError(.cancelled, "\(error)")
    }
}
