public import EventLoop
public import Logging

/// A loop's connections to one PostgreSQL database.
///
/// Short batches of many callers share a few pipelined connections; a transaction leases a connection of its own. Each
/// `run` is one batch: its settings, its statements and one Sync, sent without waiting in between, all in effect or
/// none. Nothing that may have had an effect is sent a second time.
///
/// Confined to its loop: call it from tasks that run there (`EventLoop.startTask`). Hence @unchecked.
public final class Database: @unchecked Sendable {
    /// The loop whose pool this is.
    public let loop: EventLoop
    let address: DatabaseAddress
    let limits: PoolLimits
    let logger: Logger
    /// This loop's share of the process's connections.
    let share: (minimum: Int, maximum: Int)

    var shared: [Connection] = []
    /// Shared connections that take no more batches and close once theirs are answered.
    var draining: [Connection] = []
    var idle: [Connection] = []
    var leased: [Connection] = []
    /// Connections on their way to be opened.
    var opening: [Connection] = []
    /// Batches that were to be sent over shared connections since the pool was made. On the loop.
    public private(set) var batchCount = 0
    /// Batches that no shared connection has room for.
    var queue = Queue<Batch>()
    /// Callers that wait for a connection of their own.
    var waiters = Queue<LeaseWaiter>()

    /// Since when no connection could be opened.
    var downSince: UInt64?
    /// Why the last attempt failed.
    var lastFailure: PostgresError?
    var backoff: Duration
    var retryTimer: LoopTimer?
    var pumpIsScheduled = false
    var housekeeping: LoopTimer?
    var lineTimer: LoopTimer?
    /// Sessions that listen to channels, beside the pool's connections.
    var listeners: [NotificationListener] = []
    var isClosed = false

    /// Makes the pool of `loop` and starts to open its connections.
    ///
    /// - Parameters:
    ///   - address: where the database is; add the role with ``DatabaseAddress/with(role:)``.
    ///   - loops: how many loops share `limits`.
    public init(
        loop: EventLoop,
        address: DatabaseAddress,
        limits: PoolLimits = PoolLimits(),
        loops: Int = 1,
        logger: Logger
    ) {
        self.loop = loop
        self.address = address
        self.limits = limits
        self.logger = logger
        share = limits.share(of: loops)
        backoff = limits.shortestBackoff
        loop.submit { [self] in
            scheduleHousekeeping()
            openConnections()
        }
    }

    // MARK: Batches on shared connections

    /// Runs one statement as a transaction of its own, under `settings`.
    ///
    /// The statement must be short: it may keep other callers' batches waiting.
    ///
    /// - Throws: ``PostgresError``, with `cancelled` when the task is cancelled: at once, whatever the server does.
    public func run<S: Statement>(_ statement: S, _ settings: SessionSettings = .none) async throws(PostgresError)
        -> S.Output
    {
        let batch = Batch(settings: settings.values, statements: [statement])
        try await execute(batch, deadline: settings.deadline)
        return try S.decode(try batch.takeResult(0))
    }

    /// Runs statements as one transaction, in their order, under `settings`: all take effect or none does.
    ///
    /// - Throws: ``PostgresError`` of the first that failed.
    public func run<each S: Statement>(
        _ statements: repeat each S,
        settings: SessionSettings
    ) async throws(PostgresError) -> (repeat (each S).Output) {
        let batch = Batch(settings: settings.values, statements: list(repeat each statements))
        try await execute(batch, deadline: settings.deadline)
        var reader = BatchReader(batch: batch)
        return (repeat try reader.next((each S).self))
    }

    /// Runs any number of statements of one kind as one transaction, in their order.
    ///
    /// - Throws: ``PostgresError`` of the first that failed.
    public func run<S: Statement>(all statements: [S], settings: SessionSettings) async throws(PostgresError)
        -> [S.Output]
    {
        if statements.isEmpty { return [] }
        let batch = Batch(settings: settings.values, statements: statements)
        try await execute(batch, deadline: settings.deadline)
        var reader = BatchReader(batch: batch)
        var outputs: [S.Output] = []
        for _ in statements { outputs.append(try reader.next(S.self)) }
        return outputs
    }

    /// Queues a batch, waits for its answer, and sends it a second time when only a stale plan was in its way.
    private func execute(_ batch: Batch, deadline: UInt64?) async throws(PostgresError) {
        loop.assertOnLoop()
        for attempt in 0... {
            try await submit(batch, deadline: deadline)
            guard let failure = batch.failure else { return }
            // The failed batch has had no effect, and the connection has forgotten the plan.
            guard attempt == 0, failure.isStalePlan else { throw failure }
            batch.reset()
        }
    }

    private func submit(_ batch: Batch, deadline: UInt64?) async throws(PostgresError) {
        let now = loop.now
        if let deadline, deadline <= now { throw PostgresError(.timeout, "the deadline has passed") }
        if isClosed { throw PostgresError(.unavailable, "the database pool is closed") }
        if let error = outage(now) { throw error }
        if queue.count + waiters.count >= limits.waiting {
            throw PostgresError(.overloaded, "\(limits.waiting) callers wait for PostgreSQL already")
        }
        batchCount += 1
        batch.queueDeadline = min(now + limits.acquireTimeout.nanoseconds, deadline ?? .max)
        await withTaskCancellationHandler {
            await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
                batch.begin(continuation)
                if Task.isCancelled {
                    batch.finish(PostgresError(.cancelled, "the task was cancelled"))
                    return
                }
                batch.state = .queued
                queue.append(batch)
                schedulePump()
            }
        } onCancel: {
            loop.submit { self.cancel(batch) }
        }
    }

    /// The caller has gone: a batch in line is dropped, one under way is left to finish.
    private func cancel(_ batch: Batch) {
        switch batch.state {
        case .queued: _ = queue.removeAll { $0 === batch }
        case .inFlight: break
        case .idle, .abandoned, .finished: return
        }
        let wasQueued = batch.state == .queued
        batch.abandon(
            PostgresError(
                .cancelled,
                wasQueued
                    ? "the task was cancelled; nothing was sent"
                    : "the task was cancelled while PostgreSQL worked on the batch, which may take effect"
            )
        )
    }

    // MARK: Sending

    /// Sends what this turn gathers at the end of it, so that each connection writes once.
    func schedulePump() {
        guard !pumpIsScheduled else { return }
        pumpIsScheduled = true
        loop.atTurnEnd { [self] in
            pumpIsScheduled = false
            pump()
        }
    }

    private func pump() {
        while !queue.isEmpty, let connection = leastLoaded() {
            // As many as leave the other connections their share: they work at the same time.
            let free = shared.count { $0.load < limits.batchesInFlight }
            let fair = (queue.count + free - 1) / free
            let group = nextGroup(min(limits.batchesInFlight - connection.load, fair))
            if group.count == 1 { connection.send(group[0]) } else { connection.send(group: group) }
        }
        for connection in shared { connection.flush() }
        if !queue.isEmpty {
            openConnections()
            scheduleLine()
        }
    }

    /// The batches at the head of the line that can be one transaction, at most `count`: reads that make the same settings.
    private func nextGroup(_ count: Int) -> [Batch] {
        var group: [Batch] = []
        while group.count < count, let batch = queue.first, group.isEmpty || batch.canJoin(group[0]) {
            batch.hardDeadline = loop.now + limits.sharedBatchTimeout.nanoseconds
            group.append(batch)
            _ = queue.popFirst()
        }
        return group
    }

    private func leastLoaded() -> Connection? {
        var best: Connection?
        for connection in shared where connection.load < (best?.load ?? limits.batchesInFlight) { best = connection }
        return best
    }

    /// Ends every connection; whoever waits fails with `unavailable`, what is under way with `outcomeUnknown`.
    public func close() {
        loop.assertOnLoop()
        guard !isClosed else { return }
        isClosed = true
        logger.debug("the database pool closes")
        housekeeping?.cancel()
        lineTimer?.cancel()
        retryTimer?.cancel()
        let error = PostgresError(.unavailable, "the database pool is closed")
        failWaiting(error)
        for connection in shared + draining + idle + leased + opening { connection.close() }
        for listener in listeners { listener.close() }
    }
}

/// A pack of statements as a list.
func list<each S: Statement>(_ statements: repeat each S) -> [any Statement] {
    var list: [any Statement] = []
    repeat list.append(each statements)
    return list
}

/// Decodes a batch's answers one after the other.
struct BatchReader {
    let batch: Batch
    private var index = 0

    init(batch: Batch) {
        self.batch = batch
    }

    mutating func next<S: Statement>(_: S.Type) throws(PostgresError) -> S.Output {
        defer { index += 1 }
        return try S.decode(try batch.takeResult(index))
    }
}

extension Duration {
    /// The duration in nanoseconds, at most as many as fit.
    var nanoseconds: UInt64 {
        let (seconds, attoseconds) = components
        guard seconds >= 0, attoseconds >= 0 else { return 0 }
        let (whole, overflow) = UInt64(seconds).multipliedReportingOverflow(by: 1_000_000_000)
        return overflow ? .max / 2 : whole + UInt64(attoseconds) / 1_000_000_000
    }
}
