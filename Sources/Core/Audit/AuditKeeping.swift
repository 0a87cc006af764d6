public import Domain
public import Postgres
internal import Primitives
internal import Protobuf
internal import TrellisAPI

/// What keeps the audit trail going: partitions for the months to come, the end of what is kept long enough, and the events of
/// the schema. All of it on the database's loop.
public enum AuditKeeping {
    /// Makes the partitions of this month and the next three. Returns how many partitions there are.
    @discardableResult
    public static func prepare(_ database: Database) async throws(PostgresError) -> Int64 {
        try await database.run(AuditPrepare(), Scope.platformSettings)?.partitions ?? 0
    }

    /// Forgets events whose time is over, of all tenants. Returns how many.
    @discardableResult
    public static func forget(_ database: Database) async throws(PostgresError) -> Int64 {
        try await database.run(AuditForget(), Scope.platformSettings)?.forgotten ?? 0
    }

    /// Archives the oldest month that ended more than a year ago, of all tenants: its events are kept compressed from then on.
    /// Returns how many events there were; nil when there is no such month.
    @discardableResult
    public static func archiveMonth(_ database: Database) async throws(PostgresError) -> Int64? {
        try await database.run(AuditArchiveMonth(), Scope.platformSettings)?.archived
    }

    /// Writes an event of category SCHEMA to the platform's trail for each migration that has none yet.
    ///
    /// Migrations do not write them by themselves, because only a server has the key that events are proven with. The id of such
    /// an event is made of the migration, so servers that start at the same time write the same one.
    public static func recordMigrations(_ database: Database, _ keys: AuditKeys) async throws(PostgresError) {
        let settings = Scope.settings(tenant: .zero)
        let migrations = try await database.run(AuditMigrations(), settings)
        let kept = migrations.filter { !AuditRetention.isOver(.schema, since: $0.appliedAt) }
        _ = try await database.run(all: kept.map { $0.record.insert(keys, found: [$0.target]) }, settings: settings)
    }
}

extension AuditMigrationsRow {
    /// What it is found by.
    fileprivate var target: AuditTarget { AuditTarget("migration", "\(number)") }

    /// The migration's event.
    fileprivate var record: AuditRecord {
        var record = AuditRecord(
            tenant: .zero,
            id: id,
            createTime: appliedAt,
            category: .schema,
            actorKind: "migration",
            principal: .zero,
            user: nil,
            method: "migrate",
            callID: "",
            address: ""
        )
        record.targets = JSONValue.array([
            .object([("type", .string(target.type)), ("id", .string(target.id))])
        ]).written()
        record.request = JSONValue.object([
            ("name", .string(name)), ("sha256", .string(Hex.encode(sha256))),
            ("schema_version", .string(schemaVersion)), ("applied_by", .string(appliedBy)),
        ]).written()
        return record
    }

    /// A UUIDv7 of when it was applied, the rest of it made of what was applied.
    private var id: UUID {
        var bytes = ProvenBytes("trellis migration event 1")
        bytes.add(Int64(number))
        bytes.add(sha256)
        let random = SHA256.hash(bytes.bytes).withUnsafeBytes { buffer in
            (buffer.loadUnaligned(as: UInt64.self), buffer.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        }
        return UUID(
            high: UInt64(clamping: appliedAt.microseconds / 1000) << 16 | 0x7000 | random.0 & 0x0FFF,
            low: 0x8000_0000_0000_0000 | random.1 & 0x3FFF_FFFF_FFFF_FFFF
        )
    }
}
