internal import EventLoop
internal import Glibc
internal import Logging
internal import Postgres
public import PrivateCluster
internal import Schema

/// The PostgreSQL of this machine's tests: one cluster for each version, shared by all test processes and kept between
/// runs; started by the first of them and stopped by the last.
public final class TestCluster: Sendable {
    /// How many databases of failed tests, and how many templates, are kept.
    private static let keptMax = 12

    /// The major version that this run tests on: `TRELLIS_TEST_POSTGRES`, or 18.
    public static let major: Int = getenv("TRELLIS_TEST_POSTGRES").flatMap { Int(String(cString: $0)) } ?? 18

    private static let outcome = Result<TestCluster, any Error> { try TestCluster() }

    /// The cluster, started by whoever asks first. Blocks meanwhile.
    public static func shared() throws -> TestCluster { try outcome.get() }

    /// The cluster itself.
    public let cluster: DetachedCluster
    /// Held by every process that uses the cluster.
    private let use: FileLock
    private let home: String

    private init() throws {
        let major = Self.major
        home = "/tmp/trellis-test-pg-\(major)-\(geteuid())"
        guard mkdir(home, 0o755) == 0 || errno == EEXIST, chmod(home, 0o755) == 0 else {
            throw PrivateClusterError.system(operation: "make \(home)", errno: errno)
        }
        guard let use = try FileLock.take("\(home)/users.lock", shared: true, waits: true) else {
            throw PrivateClusterError.homeInUse(home: home)
        }
        self.use = use
        let starting = try FileLock.take("\(home)/start.lock", waits: true)
        defer { withExtendedLifetime(starting) {} }
        var options = PrivateCluster.Options(home: "\(home)/cluster", connections: 300, major: major)
        options.forTests = true
        cluster = try DetachedCluster.attach(options)
        atexit {
            guard let shared = try? TestCluster.outcome.get(), shared.use.becomeExclusive() else { return }
            shared.cluster.stop()
        }
    }

    /// A lock that keeps other test processes from making the same template.
    func templateLock() throws -> FileLock? { try FileLock.take("\(home)/template.lock", waits: true) }

    /// The address of a database, as the superuser sees it.
    func administrator(_ database: String) -> DatabaseAddress {
        cluster.address(database: database, user: PrivateCluster.administrator)
    }

    /// The name of a database with the schema of this build; made when no test has needed it yet.
    func template(_ loop: EventLoop) async throws -> String {
        let set = try MigrationSet.embedded()
        let name = "template_\(set.fingerprint.prefix(16))"
        let lock = try await Offload.run { try self.templateLock() }
        defer { withExtendedLifetime(lock) {} }
        return try await withPool(administrator("postgres"), loop) { pool in
            let names = try await pool.run(DatabaseNames(), .none)
            if names.contains(name) { return name }
            for old in names.filter({ $0.hasPrefix("template_") }).dropLast(Self.keptMax) {
                try await pool.run(script: "DROP DATABASE IF EXISTS \(old) WITH (FORCE)")
            }
            for old in names.filter({ $0.hasPrefix("test_") }).dropLast(Self.keptMax * 4) {
                try await pool.run(script: "DROP DATABASE IF EXISTS \(old)")
            }
            try await pool.run(script: "DROP DATABASE IF EXISTS making_template WITH (FORCE)")
            try await pool.run(script: "CREATE DATABASE making_template TEMPLATE template0")
            try await withPool(self.administrator("making_template"), loop) { new in
                _ = try await Schema.migrate(new, set)
            }
            try await pool.run(script: "ALTER DATABASE making_template RENAME TO \(name)")
            return name
        }
    }
}

/// Lends a pool of few connections and closes it.
func withPool<Value>(
    _ address: DatabaseAddress,
    _ loop: EventLoop,
    _ body: (Database) async throws -> Value
) async throws -> Value {
    var limits = PoolLimits()
    limits.sharedConnections = 1
    limits.minimumConnections = 1
    limits.maximumConnections = 3
    let pool = Database(loop: loop, address: address, limits: limits, logger: Logger(label: "test"))
    defer { pool.close() }
    return try await body(pool)
}

/// The cluster's databases, oldest first.
private struct DatabaseNames: Statement {
    static let name = "DatabaseNames"
    static let sql = "SELECT datname::text FROM pg_database ORDER BY oid"

    func bind(_ parameters: inout Parameters) {}

    static func decode(_ result: borrowing QueryResult) throws(PostgresError) -> [String] {
        try result.rows { row throws(PostgresError) in try row.text(0) }
    }
}
