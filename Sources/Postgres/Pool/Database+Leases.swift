internal import CPostgres
internal import EventLoop

/// A caller that waits for a connection of its own.
///
/// Confined to its loop; handed to a cancellation handler, which submits to the loop. Hence @unchecked.
final class LeaseWaiter: @unchecked Sendable {
    let deadline: UInt64
    private(set) var outcome: Result<Connection, PostgresError>?
    private var continuation: UnsafeContinuation<Void, Never>?

    init(deadline: UInt64) {
        self.deadline = deadline
    }

    func begin(_ continuation: UnsafeContinuation<Void, Never>) {
        self.continuation = continuation
    }

    func finish(_ outcome: Result<Connection, PostgresError>) {
        self.outcome = outcome
        continuation.take()?.resume()
    }
}

extension Database {
    /// Takes a connection for one caller, waiting for one as long as the acquire timeout and the deadline allow.
    func lease(deadline: UInt64?) async throws(PostgresError) -> Connection {
        loop.assertOnLoop()
        let now = loop.now
        if Task.isCancelled { throw PostgresError(.cancelled, "the task was cancelled; nothing was sent") }
        if let deadline, deadline <= now { throw PostgresError(.timeout, "the deadline has passed") }
        if isClosed { throw PostgresError(.unavailable, "the database pool is closed") }
        if let error = outage(now) { throw error }
        while let connection = idle.popLast() {
            if isOld(connection, now) {
                connection.close()
                continue
            }
            leased.append(connection)
            return connection
        }
        if queue.count + waiters.count >= limits.waiting {
            throw PostgresError(.overloaded, "\(limits.waiting) callers wait for PostgreSQL already")
        }
        let waiter = LeaseWaiter(deadline: min(now + limits.acquireTimeout.nanoseconds, deadline ?? .max))
        await withTaskCancellationHandler {
            await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
                waiter.begin(continuation)
                waiters.append(waiter)
                openConnections()
                scheduleLine()
            }
        } onCancel: {
            loop.submit { [self] in
                guard waiters.removeAll(where: { $0 === waiter }).isEmpty == false else { return }
                waiter.finish(.failure(PostgresError(.cancelled, "the task was cancelled; nothing was sent")))
            }
        }
        guard let outcome = waiter.outcome else { preconditionFailure("a waiter is woken with an outcome") }
        return try outcome.get()
    }

    /// Gives a new or a returned connection to the next in line.
    func offer(_ connection: Connection) {
        if let waiter = waiters.popFirst() {
            leased.append(connection)
            waiter.finish(.success(connection))
        } else {
            connection.idleSince = loop.now
            idle.append(connection)
        }
    }

    /// Takes a leased connection back; one that is not as it was lent is closed.
    func release(_ connection: Connection) {
        leased.removeAll { $0 === connection }
        guard connection.state == .open else {
            openConnections()
            return
        }
        if isClosed || !connection.isClean || isOld(connection, loop.now) {
            connection.close()
        } else {
            offer(connection)
        }
    }

    /// Runs `body` in a transaction on a connection of its own, under `settings`, and commits it; rolls back when `body`
    /// throws or the task is cancelled.
    ///
    /// When PostgreSQL ends the transaction for a conflict with another (40001, 40P01), the whole of it is run again, up to
    /// ``PoolLimits/transactionRetries`` times: `body` must not have effects elsewhere. A deadline in `settings` becomes the
    /// `statement_timeout`.
    ///
    /// - Throws: what `body` throws, or ``PostgresError``; `outcomeUnknown` when the connection broke during COMMIT.
    public func transaction<Value>(
        _ settings: SessionSettings = .none,
        mode: TransactionMode = .readWrite,
        _ body: (Transaction) async throws -> Value
    ) async throws -> Value {
        var attempt = 0
        while true {
            let connection = try await lease(deadline: settings.deadline)
            let transaction = Transaction(connection, settings, mode, limits)
            do {
                let value = try await body(transaction)
                try await transaction.commit()
                release(connection)
                return value
            } catch {
                await transaction.rollBack()
                release(connection)
                guard attempt < limits.transactionRetries, transaction.failure?.isWorthAnotherRun ?? false,
                    !Task.isCancelled
                else { throw error }
            }
            attempt += 1
            // Two that have collided should not meet again.
            try await loop.sleep(for: .microseconds(Int64.random(in: 0...(2000 << attempt))))
        }
    }
}

extension PostgresError {
    /// Whether the transaction has had no effect and may succeed when it is run again as a whole.
    var isWorthAnotherRun: Bool { kind == .server && (isRetryableConflict || isStalePlan) }
}
