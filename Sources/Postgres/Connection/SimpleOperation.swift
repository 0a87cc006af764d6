internal import CPostgres
internal import EventLoop

/// A script or a COPY under way on a leased connection that has left pipeline mode for it. Confined to its loop.
final class SimpleOperation: @unchecked Sendable {
    /// What came of the step that the caller waits for.
    private(set) var failure: PostgresError?
    /// The tag of the last command.
    fileprivate(set) var tag = ""
    /// Whether the server waits for COPY's rows.
    fileprivate(set) var isCopying = false
    fileprivate(set) var isDone = false
    var isCancelRequested = false
    /// When the connection is given up, in the loop's nanoseconds.
    var hardDeadline = UInt64.max

    private var continuation: UnsafeContinuation<Void, Never>?
    private var writer: UnsafeContinuation<Void, Never>?

    fileprivate func fail(_ error: PostgresError) {
        if failure == nil { failure = error }
    }

    /// Waits for the server to take the COPY or to finish.
    func step() async {
        if isDone || isCopying { return }
        await withUnsafeContinuation { continuation = $0 }
    }

    /// Waits for the end.
    func end() async {
        isCopying = false
        if isDone { return }
        await withUnsafeContinuation { continuation = $0 }
    }

    /// Waits until the socket takes more.
    func untilWritable() async {
        if isDone { return }
        await withUnsafeContinuation { writer = $0 }
    }

    func resumeWriter() {
        writer.take()?.resume()
    }

    fileprivate func resume() {
        continuation.take()?.resume()
    }

    /// The operation is over.
    func finish(_ error: PostgresError? = nil) {
        if let error { fail(error) }
        isDone = true
        resumeWriter()
        resume()
    }
}

extension Connection {
    /// Leaves pipeline mode and sends a script: one or several commands without parameters.
    func startSimple(_ sql: String, hardDeadline: UInt64) throws(PostgresError) -> SimpleOperation {
        precondition(inFlight.isEmpty && simple == nil, "a script waits until the batches before it are answered")
        guard state == .open else { throw PostgresError(.unavailable, "the connection is closed") }
        guard PQexitPipelineMode(pq) == 1, PQsendQuery(pq, sql) == 1 else {
            let error = PostgresError(.protocol, PostgresError.connectionMessage(pq))
            close(error)
            throw error
        }
        let operation = SimpleOperation()
        operation.hardDeadline = hardDeadline
        simple = operation
        flush()
        return operation
    }

    /// Reads answers outside of pipeline mode until the server waits for COPY's rows or has finished.
    func receiveSimple() {
        while let operation = simple, PQisBusy(pq) == 0 {
            guard let result = PQgetResult(pq) else {
                simple = nil
                if PQenterPipelineMode(pq) != 1 {
                    operation.finish(PostgresError(.protocol, PostgresError.connectionMessage(pq)))
                    close(PostgresError(.protocol, PostgresError.connectionMessage(pq)))
                } else {
                    operation.finish()
                }
                return
            }
            defer { PQclear(result) }
            switch PQresultStatus(result) {
            case PGRES_FATAL_ERROR, PGRES_BAD_RESPONSE:
                operation.fail(PostgresError(result: result, isCancelRequested: operation.isCancelRequested))
            case PGRES_COPY_IN:
                operation.isCopying = true
                operation.resume()
                return
            case PGRES_COPY_OUT, PGRES_COPY_BOTH:
                close(PostgresError(.protocol, "COPY TO is not supported"))
            default:
                operation.tag = PQcmdStatus(result).map { String(cString: $0) } ?? ""
            }
        }
    }

    /// Hands rows to COPY and waits while the socket takes no more, so that what is buffered stays bounded.
    func putCopyData(_ bytes: [UInt8], _ operation: SimpleOperation) async throws(PostgresError) {
        try check(operation)
        let sent = bytes.withUnsafeBytes {
            PQputCopyData(pq, $0.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(bytes.count))
        }
        guard sent == 1 else {
            let error = PostgresError(.outcomeUnknown, PostgresError.connectionMessage(pq))
            close(error)
            throw error
        }
        flush()
        // Even a socket that took everything is asked again: a writer that never waits would keep the loop to itself.
        awaitWritable()
        repeat {
            await operation.untilWritable()
        } while state == .open && !operation.isDone && isWritePending
        try check(operation)
    }

    /// Ends COPY: with a reason, the server drops the rows and reports an error.
    func endCopy(_ operation: SimpleOperation, reason: String?) async {
        guard state == .open, !operation.isDone else { return }
        guard PQputCopyEnd(pq, reason) == 1 else {
            close(PostgresError(.outcomeUnknown, PostgresError.connectionMessage(pq)))
            return
        }
        flush()
        // The answer may be in libpq's buffer already.
        operation.isCopying = false
        receiveSimple()
        await operation.end()
    }

    private func check(_ operation: SimpleOperation) throws(PostgresError) {
        if let failure = operation.failure { throw failure }
        if operation.isDone { throw PostgresError(.protocol, "COPY ended before its rows did") }
    }
}
