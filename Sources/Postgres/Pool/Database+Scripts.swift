internal import EventLoop

extension Database {
    /// Runs one command that PostgreSQL wants outside of a transaction (CREATE DATABASE, VACUUM, CREATE INDEX
    /// CONCURRENTLY), or a script, on a connection of its own. Each command of a script that does not say BEGIN runs in one
    /// implicit transaction with the others.
    ///
    /// - Throws: ``PostgresError``.
    public func run(script: String) async throws(PostgresError) {
        let connection = try await lease(deadline: nil)
        defer { release(connection) }
        let operation = try connection.startSimple(script, hardDeadline: .max)
        await withTaskCancellationHandler {
            await operation.end()
        } onCancel: {
            loop.submit {
                guard !operation.isDone else { return }
                operation.isCancelRequested = true
                connection.requestCancel()
            }
        }
        await connection.cancelRequest?.value
        if let error = operation.failure { throw error }
    }
}
