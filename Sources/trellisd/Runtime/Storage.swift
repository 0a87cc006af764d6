import EventLoop
import Logging
import Postgres
import PrivateCluster
import Schema

/// Where the data are: a private cluster under the home folder, or the database that the configuration names.
struct Storage {
    /// The cluster, `nil` when the database is somebody else's.
    let cluster: PrivateCluster?
    /// The database as the server sees it.
    let address: DatabaseAddress
    /// The database as whoever may change the schema sees it.
    let administrator: DatabaseAddress

    /// Opens the database that the configuration names, or starts the private cluster. Blocks until it takes
    /// connections, which for a new cluster takes a few seconds.
    static func open(_ configuration: Configuration, _ log: Logger) throws -> Storage {
        if let url = configuration.databaseURL {
            let address: DatabaseAddress
            do { address = try DatabaseAddress(url) } catch {
                throw ConfigurationError(problems: ["database-url: \(error.message)"])
            }
            return Storage(cluster: nil, address: address, administrator: address)
        }
        var options = PrivateCluster.Options(
            home: configuration.home + "/postgres",
            major: Int(configuration.postgres.rawValue)
        )
        // Each loop has at least its shared connections and one to lease, whatever the pool's limit says.
        let limits = configuration.poolLimits
        options.connections = max(
            limits.maximumConnections,
            configuration.loops * (limits.sharedConnections + 1)
        )
        let cluster = try PrivateCluster.start(options, logger: log)
        return Storage(cluster: cluster, address: cluster.address, administrator: cluster.administratorAddress)
    }

    /// Stops the private cluster. Blocks until it is down.
    func close() { cluster?.stop() }

    /// Brings the schema up to this version. On a loop.
    func migrate(on loop: EventLoop, _ log: Logger) async throws -> [Migration] {
        let set = try MigrationSet.embedded()
        return try await Self.withDatabase(administrator, on: loop, log) { database throws(SchemaError) in
            try await Schema.migrate(database, set)
        }
    }

    /// Checks that this version may serve on the schema. On a loop.
    func verify(on loop: EventLoop, _ log: Logger) async throws {
        let set = try MigrationSet.embedded()
        do {
            try await Self.withDatabase(address.with(role: PrivateCluster.server), on: loop, log) {
                database throws(SchemaError) in
                try await Schema.verify(database, set)
            }
        } catch {
            // Migrations make the role, so a database that was never migrated refuses the connection itself.
            guard "\(error)".contains("role \"\(PrivateCluster.server)\" does not exist") else { throw error }
            throw HomeError(
                description:
                    "the database has no schema yet: run 'trellisd migrate --database-url ...' as a superuser or "
                    + "its owner, then start again"
            )
        }
    }

    private static func withDatabase<Result>(
        _ address: DatabaseAddress,
        on loop: EventLoop,
        _ log: Logger,
        _ body: (Database) async throws(SchemaError) -> Result
    ) async throws(SchemaError) -> Result {
        var limits = PoolLimits()
        limits.minimumConnections = 1
        limits.maximumConnections = 2
        limits.sharedConnections = 1
        let database = Database(loop: loop, address: address, limits: limits, loops: 1, logger: log)
        defer { database.close() }
        return try await body(database)
    }
}

extension Configuration {
    /// The limits of the connections to the database.
    var poolLimits: PoolLimits {
        var limits = PoolLimits()
        limits.minimumConnections = poolMin
        limits.maximumConnections = poolMax
        limits.acquireTimeout = poolTimeout
        limits.idleTimeout = poolIdleTimeout
        limits.lifetime = poolLifespan
        return limits
    }
}
