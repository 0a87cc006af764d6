internal import EventLoop
internal import Logging

/// Opening, closing and replacing connections, and what callers hear while the server is away.
extension Database: ConnectionOwner {
    /// Opens what is missing: shared connections first, then leased ones for those who wait, then the minimum.
    func openConnections() {
        guard !isClosed else { return }
        if downSince != nil {
            // One attempt at a time while the server is away, each after a pause.
            if opening.isEmpty, retryTimer == nil { open(shared.count < limits.sharedConnections ? .shared : .leased) }
            return
        }
        // After a failure the next attempt waits for its time, whoever would like one now.
        guard retryTimer == nil else { return }
        let openingShared = opening.count { $0.use == .shared }
        var openingLeased = opening.count - openingShared
        for _ in 0..<max(0, limits.sharedConnections - shared.count - openingShared) { open(.shared) }
        while openingLeased < waiters.count, total < share.maximum {
            open(.leased)
            openingLeased += 1
        }
        while total < share.minimum { open(.leased) }
    }

    private var total: Int { shared.count + draining.count + idle.count + leased.count + opening.count }

    private func open(_ use: Connection.Use) {
        let connection = Connection(loop: loop, use: use, owner: self, logger: logger)
        opening.append(connection)
        var address = address.with(setting: "search_path", "trellis,public").with(setting: "timezone", "UTC")
        if use == .shared {
            address = address.with(
                setting: "statement_timeout",
                String(limits.sharedStatementTimeout.nanoseconds / 1_000_000)
            )
        }
        connection.open(address, timeout: limits.connectTimeout)
    }

    func connectionDidOpen(_ connection: Connection) {
        opening.removeAll { $0 === connection }
        if let since = downSince {
            logger.notice(
                "PostgreSQL is back",
                metadata: ["after_ms": "\((loop.now - since) / 1_000_000)"]
            )
        }
        downSince = nil
        lastFailure = nil
        backoff = limits.shortestBackoff
        switch connection.use {
        case .shared:
            shared.append(connection)
            schedulePump()
        case .leased:
            offer(connection)
        case .listening:
            preconditionFailure("a session that listens belongs to its listener")
        }
        openConnections()
    }

    func connectionDidProgress(_ connection: Connection) {
        if !queue.isEmpty { schedulePump() }
        if connection.load == 0, draining.contains(where: { $0 === connection }) { connection.close() }
    }

    func connection(_ connection: Connection, didPassOver batch: Batch) {
        if isClosed { return batch.finish(PostgresError(.unavailable, "the database pool is closed")) }
        queue.prepend(batch)
        schedulePump()
    }

    func connectionDidClose(_ connection: Connection, _ error: PostgresError?, wasOpen: Bool) {
        opening.removeAll { $0 === connection }
        shared.removeAll { $0 === connection }
        draining.removeAll { $0 === connection }
        // One that is leased is taken out of its list when it is given back.
        idle.removeAll { $0 === connection }
        guard !isClosed else { return }
        if wasOpen {
            if let error {
                logger.warning("a connection to PostgreSQL was lost", metadata: ["reason": "\(error.message)"])
            }
            openConnections()
            return
        }
        lastFailure = error
        if downSince == nil, shared.isEmpty, idle.isEmpty, !leased.contains(where: { $0.state == .open }) {
            downSince = loop.now
            logger.error("PostgreSQL cannot be reached", metadata: ["reason": "\(error?.message ?? "")"])
        }
        scheduleRetry()
    }

    private func scheduleRetry() {
        guard retryTimer == nil else { return }
        let jitter = Duration.nanoseconds(Int64.random(in: 0...Int64(backoff.nanoseconds / 2)))
        retryTimer = loop.schedule(after: backoff + jitter) { [self] in
            retryTimer = nil
            openConnections()
        }
        backoff = min(backoff * 2, limits.longestBackoff)
        if let error = outage(loop.now) { failWaiting(error) }
    }

    /// What a caller hears when the server has been away for longer than is worth waiting.
    func outage(_ now: UInt64) -> PostgresError? {
        guard let downSince, now - downSince > limits.outageGrace.nanoseconds else { return nil }
        return PostgresError(
            .unavailable,
            "PostgreSQL cannot be reached: \(lastFailure?.message ?? "no attempt has succeeded")"
        )
    }

    func failWaiting(_ error: PostgresError) {
        while let batch = queue.popFirst() { batch.finish(error) }
        while let waiter = waiters.popFirst() { waiter.finish(.failure(error)) }
    }

    // MARK: Time

    /// Looks at the line while there is one: who has waited too long fails.
    func scheduleLine() {
        guard lineTimer == nil, !isClosed else { return }
        lineTimer = loop.schedule(after: limits.lineInterval) { [self] in
            lineTimer = nil
            let now = loop.now
            if let error = outage(now) {
                failWaiting(error)
                return
            }
            for batch in queue.removeAll(where: { $0.queueDeadline <= now }) { batch.finish(acquireTimedOut()) }
            for waiter in waiters.removeAll(where: { $0.deadline <= now }) {
                waiter.finish(.failure(acquireTimedOut()))
            }
            if !(queue.isEmpty && waiters.isEmpty) { scheduleLine() }
        }
    }

    private func acquireTimedOut() -> PostgresError {
        let state = "\(shared.count) shared and \(leased.count) leased connections of this loop were busy"
        let reason = lastFailure.map { "\(state); the last attempt to open one failed: \($0.message)" } ?? state
        return PostgresError(
            .unavailable,
            "no connection to PostgreSQL was free in time (acquire timeout or deadline): \(reason)"
        )
    }

    func scheduleHousekeeping() {
        guard !isClosed else { return }
        housekeeping = loop.schedule(after: limits.housekeepingInterval) { [self] in
            keepHouse()
            scheduleHousekeeping()
        }
    }

    /// Gives up connections that do not answer, replaces old ones, closes idle ones beyond the minimum.
    private func keepHouse() {
        let now = loop.now
        for connection in shared + draining + leased where connection.isStuck(now) {
            connection.close(PostgresError(.unavailable, "PostgreSQL did not answer in time"))
        }
        // One at a time, so that there is always another to send on.
        if opening.isEmpty, let old = shared.first(where: { isOld($0, now) }) {
            if old.load == 0 {
                old.close()
            } else {
                shared.removeAll { $0 === old }
                draining.append(old)
            }
        }
        for connection in idle {
            let isSurplus = total > share.minimum && now - connection.idleSince > limits.idleTimeout.nanoseconds
            if isOld(connection, now) || isSurplus { connection.close() }
        }
        for listener in listeners { listener.keepHouse(now) }
        openConnections()
    }

    func isOld(_ connection: Connection, _ now: UInt64) -> Bool {
        now - connection.openedAt > limits.lifetime.nanoseconds
    }
}
