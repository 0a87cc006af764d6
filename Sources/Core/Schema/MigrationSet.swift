internal import Primitives

/// The migrations that this program carries, in order.
public struct MigrationSet: Sendable {
    /// The migrations by number, lowest first.
    public let migrations: [Migration]
    /// SHA-256 over the names and hashes of all of them: two sets with the same hash make the same schema.
    public let sha256: [UInt8]

    /// The migrations compiled into this program.
    ///
    /// - Throws: ``SchemaError/invalidMigration(file:reason:)`` when a file of the source tree is not well formed, which
    ///   a test finds before a user does.
    public static func embedded() throws(SchemaError) -> MigrationSet {
        try MigrationSet(files: EmbeddedSQL.migrations)
    }

    /// Makes a set of files and checks that their numbers differ and their versions rise.
    public init(files: [(file: String, sql: String)]) throws(SchemaError) {
        var migrations: [Migration] = []
        for (file, sql) in files { migrations.append(try Migration(file: file, sql: sql)) }
        migrations.sort { $0.number < $1.number }
        for (first, second) in zip(migrations, migrations.dropFirst()) {
            guard first.number < second.number else {
                throw .invalidMigration(file: "\(second).sql", reason: "\(first).sql has the same number")
            }
            guard first.schemaVersion < second.schemaVersion else {
                throw .invalidMigration(
                    file: "\(second).sql",
                    reason: "its schema \(second.schemaVersion) is not above \(first.schemaVersion) of \(first).sql"
                )
            }
        }
        self.migrations = migrations
        sha256 = SHA256.hash(migrations.flatMap { Array("\($0)\n".utf8) + $0.sha256 })
    }

    /// The schema's version after the last migration; nil for an empty set.
    public var schemaVersion: SchemaVersion? { migrations.last?.schemaVersion }

    /// The SHA-256 in hexadecimal.
    public var fingerprint: String { Hex.encode(sha256) }
}
