internal import EventLoop
internal import Logging

/// What somebody has sent with `NOTIFY`.
public struct DatabaseNotification: Sendable, Equatable {
    /// The channel that it was sent to.
    public let channel: String
    /// What was sent; empty when nothing was.
    public let payload: String
    /// The server process of the session that sent it.
    public let sender: Int32

    init(channel: String, payload: String, sender: Int32) {
        self.channel = channel
        self.payload = payload
        self.sender = sender
    }
}

/// What a ``NotificationListener`` has to tell, in the order in which it happened.
public enum ListenerEvent: Sendable {
    /// It hears everything that is committed from now on. What was sent before, it may have missed.
    case listening(process: Int32)
    /// It has heard something.
    case notified(DatabaseNotification)
    /// Its session is over: it hears nothing until it is listening again.
    case lost(PostgresError)
}

/// A session of its own that listens to channels, for as long as its pool is open: when the session is lost, another one is
/// opened, after pauses that grow while that fails.
///
/// Made by ``Database/listen(to:applicationName:_:)``. Confined to its loop. Hence @unchecked.
public final class NotificationListener: @unchecked Sendable {
    private unowned let database: Database
    private let channels: [String]
    private let applicationName: String
    private let handle: (ListenerEvent) -> Void

    private var connection: Connection?
    private var backoff: Duration
    private var retryTimer: LoopTimer?
    /// Since when it does not listen; nil while it does, and before it ever did.
    private var lostAt: UInt64?
    private var hasFailed = false
    private var isClosed = false

    /// The server process of its session; nil while it does not listen.
    public private(set) var process: Int32?

    init(
        _ database: Database,
        _ channels: [String],
        applicationName: String,
        _ handle: @escaping (ListenerEvent) -> Void
    ) {
        precondition(channels.allSatisfy { !$0.contains("\"") }, "the name of a channel holds no quotation mark")
        self.database = database
        self.channels = channels
        self.applicationName = applicationName
        self.handle = handle
        backoff = database.limits.shortestBackoff
    }

    private var loop: EventLoop { database.loop }

    // MARK: Asking

    /// Waits for an answer of the server on the listener's session. Whatever was committed before this was called has been
    /// handed on by then.
    ///
    /// - Throws: ``PostgresError``: `unavailable` when there is no session, `outcomeUnknown` when it is lost meanwhile.
    public func roundTrip() async throws(PostgresError) {
        try await execute(Batch())
    }

    /// Runs a short statement on the listener's session, as a transaction of its own; the same holds as for ``roundTrip()``.
    /// What it notifies others of bears ``process`` as its sender.
    ///
    /// - Throws: ``PostgresError``.
    public func run<S: Statement>(_ statement: S) async throws(PostgresError) -> S.Output {
        let batch = Batch(statements: [statement])
        try await execute(batch)
        return try S.decode(try batch.takeResult(0))
    }

    private func execute(_ batch: Batch) async throws(PostgresError) {
        loop.assertOnLoop()
        guard let connection, connection.state == .open else {
            throw PostgresError(.unavailable, "the session that listens is not open")
        }
        batch.hardDeadline = loop.now + database.limits.sharedBatchTimeout.nanoseconds
        await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
            batch.begin(continuation)
            connection.send(batch)
            connection.flush()
        }
        if let failure = batch.failure { throw failure }
    }

    // MARK: Its session

    func open() {
        guard !isClosed else { return }
        let connection = Connection(loop: loop, use: .listening, owner: self, logger: database.logger)
        connection.onNotification = { [unowned self] in handle(.notified($0)) }
        self.connection = connection
        connection.open(
            database.address.with(applicationName: applicationName),
            timeout: database.limits.connectTimeout
        )
    }

    private func begin(_ connection: Connection) async {
        do throws(PostgresError) {
            for channel in channels { try await execute(Batch(command: "LISTEN \"\(channel)\"")) }
        } catch {
            // Of a session that is gone, its end has been told already.
            if connection.state == .open { connection.close(error) }
            return
        }
        guard self.connection === connection, connection.state == .open else { return }
        if let lostAt {
            database.logger.notice(
                "PostgreSQL is listened to again",
                metadata: ["after_ms": "\((loop.now - lostAt) / 1_000_000)"]
            )
        }
        lostAt = nil
        hasFailed = false
        backoff = database.limits.shortestBackoff
        let process = connection.process
        self.process = process
        handle(.listening(process: process))
    }

    private func scheduleRetry() {
        let jitter = Duration.nanoseconds(Int64.random(in: 0...Int64(backoff.nanoseconds / 2)))
        retryTimer = loop.schedule(after: backoff + jitter) { [self] in
            retryTimer = nil
            open()
        }
        backoff = min(backoff * 2, database.limits.longestBackoff)
    }

    /// Gives up a session whose server does not answer.
    func keepHouse(_ now: UInt64) {
        guard let connection, connection.isStuck(now) else { return }
        connection.close(PostgresError(.unavailable, "PostgreSQL did not answer in time"))
    }

    func close() {
        isClosed = true
        retryTimer?.cancel()
        retryTimer = nil
        connection?.close()
    }
}

extension NotificationListener: ConnectionOwner {
    func connectionDidOpen(_ connection: Connection) {
        loop.startTask { [self] in await begin(connection) }
    }

    func connectionDidProgress(_ connection: Connection) {}

    func connection(_ connection: Connection, didPassOver batch: Batch) {
        // Its batches are never sent in groups.
        batch.finish(PostgresError(.protocol, "a batch was passed over outside of a group"))
    }

    func connectionDidClose(_ connection: Connection, _ error: PostgresError?, wasOpen: Bool) {
        guard connection === self.connection else { return }
        self.connection = nil
        let wasListening = process != nil
        process = nil
        guard !isClosed else { return }
        let reason = error ?? PostgresError(.unavailable, "the session was closed")
        if wasListening {
            lostAt = loop.now
            database.logger.warning(
                "the session that listens to PostgreSQL was lost",
                metadata: ["reason": "\(reason.message)"]
            )
            handle(.lost(reason))
        } else if !hasFailed {
            hasFailed = true
            database.logger.error("PostgreSQL cannot be listened to", metadata: ["reason": "\(reason.message)"])
        }
        scheduleRetry()
    }
}

extension Database {
    /// Listens to channels on a session of its own, beside the pool's connections, from now until the pool is closed.
    ///
    /// - Parameters:
    ///   - channels: their names, exactly as `NOTIFY` has them.
    ///   - applicationName: by which `pg_stat_activity` shows the session.
    ///   - handle: told, on the loop, of everything that the listener has to tell.
    public func listen(
        to channels: [String],
        applicationName: String,
        _ handle: @escaping (ListenerEvent) -> Void
    ) -> NotificationListener {
        loop.assertOnLoop()
        let listener = NotificationListener(self, channels, applicationName: applicationName, handle)
        listeners.append(listener)
        listener.open()
        return listener
    }
}
