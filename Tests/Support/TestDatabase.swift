public import EventLoop
internal import Glibc
public import Logging
public import Postgres
internal import PrivateCluster

/// A database of one test, on a real PostgreSQL, with a loop to use it from.
///
/// It is a clone of a template with the schema of this build (or empty), dropped when the test succeeds. When the test
/// throws, it is kept and the command to look into it is printed; `TRELLIS_KEEP_DATABASES=1` keeps every one.
public final class TestDatabase: Sendable {
    /// The loop that the test runs on.
    public let loop: EventLoop
    /// The database's name.
    public let name: String
    /// The cluster that it is in.
    public let cluster: TestCluster
    /// A logger that shows warnings and errors.
    public let logger: Logger

    init(loop: EventLoop, name: String, cluster: TestCluster) {
        self.loop = loop
        self.name = name
        self.cluster = cluster
        var logger = Logger(label: name)
        logger.logLevel = .critical
        self.logger = logger
    }

    /// The database as the server sees it: logged in as trellis_server.
    public var address: DatabaseAddress { cluster.cluster.address(database: name, user: PrivateCluster.server) }

    /// The database as a superuser.
    public var administratorAddress: DatabaseAddress { cluster.administrator(name) }

    /// Runs `body` with a pool of connections as the server makes them.
    public func withServer<Value>(
        _ limits: PoolLimits = PoolLimits(),
        _ body: (Database) async throws -> Value
    ) async throws -> Value {
        let pool = Database(loop: loop, address: address, limits: limits, logger: logger)
        defer { pool.close() }
        return try await body(pool)
    }

    /// Runs `body` with a pool of connections as the superuser.
    public func withAdministrator<Value>(_ body: (Database) async throws -> Value) async throws -> Value {
        try await withPool(administratorAddress, loop, body)
    }

    /// Runs commands as the superuser.
    public func execute(_ script: String) async throws {
        try await withAdministrator { try await $0.run(script: script) }
    }
}

/// Gives `body` a database of its own and a loop to run on.
///
/// ```swift
/// @Test("a site is seen by its tenant alone")
/// func isolation() async throws {
///     try await withDatabase { test in
///         try await test.withServer { database in ... }
///     }
/// }
/// ```
///
/// - Parameter migrated: whether it holds the schema; otherwise it is empty.
public func withDatabase<Value: Sendable>(
    migrated: Bool = true,
    _ body: @escaping @Sendable (TestDatabase) async throws -> Value
) async throws -> Value {
    let cluster = try TestCluster.shared()
    return try await onLoop { loop in
        let template = migrated ? try await cluster.template(loop) : "template0"
        let name = "test_\(getpid())_\(counter.next())"
        let test = TestDatabase(loop: loop, name: name, cluster: cluster)
        let administrator = cluster.administrator("postgres")
        try await withPool(administrator, loop) {
            try await $0.run(script: "DROP DATABASE IF EXISTS \(name) WITH (FORCE)")
            try await $0.run(script: "CREATE DATABASE \(name) TEMPLATE \(template) STRATEGY file_copy")
        }
        let value: Value
        do {
            value = try await body(test)
        } catch {
            print(
                "the test's database is kept: \(cluster.cluster.programs.folder)/psql \"\(test.administratorAddress)\""
            )
            throw error
        }
        if getenv("TRELLIS_KEEP_DATABASES") == nil {
            try await withPool(administrator, loop) {
                try await $0.run(script: "DROP DATABASE IF EXISTS \(name) WITH (FORCE)")
            }
        }
        return value
    }
}

/// Runs `body` as a task on a loop of its own and waits for what it returns.
public func onLoop<Value: Sendable>(
    _ body: @escaping @Sendable (EventLoop) async throws -> Value
) async throws -> Value {
    let loop = try EventLoop.startThread(name: "test")
    defer {
        loop.stop()
        loop.join()
    }
    return try await withCheckedThrowingContinuation { continuation in
        loop.submit {
            loop.startTask {
                do {
                    continuation.resume(returning: try await body(loop))
                } catch {
                    continuation.resume(throwing: error)
                }
            }
        }
    }
}
