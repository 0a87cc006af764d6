/// Every limit of a server's connections to PostgreSQL. Numbers of connections are for the whole process and are divided
/// over its loops; the others hold for each loop.
public struct PoolLimits: Sendable, Equatable {
    /// Connections of the process that stay open while nothing happens.
    public var minimumConnections = 5
    /// Connections of the process at most, shared and leased together.
    public var maximumConnections = 20
    /// Shared, pipelined connections of a loop.
    public var sharedConnections = 2
    /// Batches that a shared connection has in flight at most; more wait in the loop's line.
    public var batchesInFlight = 32
    /// Batches and leases that wait on a loop at most; beyond it callers fail with `overloaded`.
    public var waiting = 10_000
    /// How long a caller waits for a connection at most.
    public var acquireTimeout = Duration.seconds(30)
    /// How long a leased connection beyond the minimum stays open unused.
    public var idleTimeout = Duration.seconds(600)
    /// How old a connection gets before it is replaced, between two uses.
    public var lifetime = Duration.seconds(1800)
    /// How long one attempt to connect may take.
    public var connectTimeout = Duration.seconds(10)
    /// The pause after a failed attempt to connect; it doubles up to ``longestBackoff``, each with up to half of it of jitter.
    public var shortestBackoff = Duration.milliseconds(50)
    /// The longest pause between two attempts to connect.
    public var longestBackoff = Duration.seconds(2)
    /// How long the server may be away before callers fail at once instead of waiting for it.
    public var outageGrace = Duration.seconds(3)
    /// How long the server lets a statement of a shared batch run (`statement_timeout`).
    public var sharedStatementTimeout = Duration.seconds(10)
    /// How long a shared batch may stay unanswered before its connection is given up.
    public var sharedBatchTimeout = Duration.seconds(30)
    /// How long after its deadline, or after it was cancelled, a leased statement may stay unanswered before its connection
    /// is given up.
    public var leasedGrace = Duration.seconds(5)
    /// How often the line of those who wait is looked at for who has waited too long.
    public var lineInterval = Duration.milliseconds(25)
    /// How often connections are looked at for age, idleness and silence.
    public var housekeepingInterval = Duration.seconds(1)
    /// How often a transaction is run again after 40001 or 40P01.
    public var transactionRetries = 4

    /// The defaults above.
    public init() {}

    /// The share of one of `loops` loops, at least its shared connections and one to lease.
    func share(of loops: Int) -> (minimum: Int, maximum: Int) {
        precondition(loops > 0, "a server has at least one loop")
        let maximum = max(maximumConnections / loops, sharedConnections + 1)
        return (min(max((minimumConnections + loops - 1) / loops, sharedConnections), maximum), maximum)
    }
}
