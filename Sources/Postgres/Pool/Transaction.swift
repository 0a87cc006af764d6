internal import CPostgres
internal import EventLoop

/// A transaction under way on a connection of its own. It ends with the closure that it was handed to.
///
/// BEGIN and the settings go out with the first statement. After a statement has failed, PostgreSQL refuses all others
/// until the transaction ends. Confined to its loop. Hence @unchecked.
public final class Transaction: @unchecked Sendable {
    let connection: Connection
    private let settings: SessionSettings
    private let mode: TransactionMode
    let limits: PoolLimits
    private var isOpen = false
    private var isOver = false
    private var flushIsScheduled = false
    /// The first error that PostgreSQL reported.
    private(set) var failure: PostgresError?

    init(_ connection: Connection, _ settings: SessionSettings, _ mode: TransactionMode, _ limits: PoolLimits) {
        self.connection = connection
        self.settings = settings
        self.mode = mode
        self.limits = limits
    }

    /// Runs one statement.
    public func run<S: Statement>(_ statement: S) async throws(PostgresError) -> S.Output {
        let batch = try await execute([statement])
        return try S.decode(try batch.takeResult(0))
    }

    /// Runs statements in their order, without waiting in between.
    public func run<each S: Statement>(_ statements: repeat each S) async throws(PostgresError)
        -> (repeat (each S).Output)
    {
        var reader = BatchReader(batch: try await execute(list(repeat each statements)))
        return (repeat try reader.next((each S).self))
    }

    /// Runs any number of statements of one kind in their order, without waiting in between.
    public func run<S: Statement>(all statements: [S]) async throws(PostgresError) -> [S.Output] {
        if statements.isEmpty { return [] }
        var reader = BatchReader(batch: try await execute(statements))
        var outputs: [S.Output] = []
        for _ in statements { outputs.append(try reader.next(S.self)) }
        return outputs
    }

    /// Runs a script: one or several commands, separated by semicolons, without parameters.
    public func run(script: String) async throws(PostgresError) {
        try await begin()
        let operation = try connection.startSimple(script, hardDeadline: hardDeadline)
        await withTaskCancellationHandler {
            await operation.end()
        } onCancel: {
            connection.loop.submit { [self] in
                guard !operation.isDone else { return }
                operation.isCancelRequested = true
                connection.requestCancel()
            }
        }
        if let error = operation.failure { throw remember(error) }
    }

    // MARK: Inside

    var hardDeadline: UInt64 {
        settings.deadline.map { $0 &+ limits.leasedGrace.nanoseconds } ?? .max
    }

    /// BEGIN and the settings, with what is left of the deadline as the timeout, unless they have been sent.
    private func opening() throws(PostgresError) -> (command: String?, settings: [SessionSettings.Setting]) {
        precondition(!isOver, "the transaction is over: its statements belong into its closure")
        if let deadline = settings.deadline, deadline <= connection.loop.now {
            throw remember(PostgresError(.timeout, "the deadline has passed"))
        }
        if Task.isCancelled { throw remember(PostgresError(.cancelled, "the task was cancelled")) }
        guard connection.state == .open else {
            throw failure ?? PostgresError(.outcomeUnknown, "the connection was lost")
        }
        guard !isOpen else { return (nil, []) }
        isOpen = true
        var values = settings.values
        if let deadline = settings.deadline {
            let milliseconds = max((deadline - connection.loop.now) / 1_000_000, 1)
            values.append(
                SessionSettings.Setting(name: "statement_timeout", value: String(min(milliseconds, 0x7fff_ffff)))
            )
        }
        return (mode.begin, values)
    }

    /// Sends BEGIN and the settings by themselves, before what cannot go in a pipeline.
    func begin() async throws(PostgresError) {
        let (command, settings) = try opening()
        if command != nil { try await execute(Batch(command: command, settings: settings)) }
    }

    private func execute(_ statements: [any Statement]) async throws(PostgresError) -> Batch {
        let (command, settings) = try opening()
        let batch = Batch(command: command, settings: settings, statements: statements)
        try await execute(batch)
        return batch
    }

    private func execute(_ batch: Batch) async throws(PostgresError) {
        batch.hardDeadline = hardDeadline
        await withTaskCancellationHandler {
            await send(batch)
        } onCancel: {
            connection.loop.submit { [self] in
                guard batch.state == .inFlight else { return }
                batch.isCancelRequested = true
                batch.hardDeadline = connection.loop.now + limits.leasedGrace.nanoseconds
                connection.requestCancel()
            }
        }
        if let error = batch.failure { throw remember(error) }
    }

    private func send(_ batch: Batch) async {
        await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
            batch.begin(continuation)
            guard connection.state == .open else {
                batch.finish(PostgresError(.outcomeUnknown, "the connection was lost"))
                return
            }
            connection.send(batch)
            guard !flushIsScheduled else { return }
            flushIsScheduled = true
            connection.loop.atTurnEnd { [self] in
                flushIsScheduled = false
                connection.flush()
            }
        }
    }

    func remember(_ error: PostgresError) -> PostgresError {
        if failure == nil { failure = error }
        return error
    }

    // MARK: The end

    /// Commits. It cannot be cancelled any more: the caller must learn the outcome.
    func commit() async throws(PostgresError) {
        if let failure, failure.kind != .decoding { throw failure }
        guard isOpen else {
            isOver = true
            return
        }
        let batch = Batch(command: "COMMIT")
        batch.hardDeadline = connection.loop.now + limits.sharedBatchTimeout.nanoseconds
        isOver = true
        await send(batch)
        if let error = batch.failure { throw remember(error) }
        guard batch.commandTag == "COMMIT" else {
            throw PostgresError(.protocol, "PostgreSQL answered COMMIT with \(batch.commandTag ?? "nothing")")
        }
    }

    /// Rolls back what is open, after a request to cancel has run its course: it must not hit the next caller.
    func rollBack() async {
        isOver = true
        await connection.cancelRequest?.value
        guard isOpen, connection.state == .open else { return }
        guard connection.simple == nil else {
            connection.close(PostgresError(.unavailable, "a script or COPY was left unfinished"))
            return
        }
        guard !connection.isClean else { return }
        let batch = Batch(command: "ROLLBACK")
        batch.hardDeadline = connection.loop.now + limits.leasedGrace.nanoseconds
        await send(batch)
    }
}
