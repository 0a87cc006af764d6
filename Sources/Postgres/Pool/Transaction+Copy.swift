internal import CPostgres
internal import EventLoop

extension Transaction {
    /// Inserts rows with COPY. The whole transaction fails when one row does.
    ///
    /// PostgreSQL refuses COPY into a table that has row-level security for the role (0A000), and COPY knows no ON CONFLICT:
    /// copy into a temporary table (`CREATE TEMP TABLE ... ON COMMIT DROP`) and take its rows over with INSERT ... SELECT, or
    /// insert with `unnest` of array parameters, which is as good up to some thousand rows.
    ///
    /// - Parameters:
    ///   - table: the table's name, with its schema.
    ///   - columns: the columns that each row gives, in order.
    ///   - body: writes the rows; what it throws ends the COPY without any of its rows and is thrown on.
    /// - Returns: how many rows were inserted.
    public func copyIn(
        _ table: String,
        columns: [String],
        _ body: (CopyWriter) async throws -> Void
    ) async throws -> Int {
        try await begin()
        let list = columns.map { "\"\($0)\"" }.joined(separator: ", ")
        let operation = try connection.startSimple(
            "COPY \(table) (\(list)) FROM STDIN (FORMAT binary)",
            hardDeadline: hardDeadline
        )
        await operation.step()
        if let error = operation.failure { throw remember(error) }
        let writer = CopyWriter(self, operation, columns: columns.count)
        do {
            try await body(writer)
            try Task.checkCancellation()
            try await writer.finish()
        } catch {
            await connection.endCopy(operation, reason: "the writer of the rows failed")
            let reason = error as? PostgresError ?? PostgresError(.cancelled, "COPY was given up: \(error)")
            // A row that the server refused is the reason; what the writer met is only its consequence.
            if let failure = operation.failure, failure.sqlState != .queryCanceled { throw remember(failure) }
            _ = remember(reason)
            throw error
        }
        await connection.endCopy(operation, reason: nil)
        if let error = operation.failure { throw remember(error) }
        return Int(operation.tag.split(separator: " ").last ?? "") ?? 0
    }
}

/// Writes the rows of a COPY. Confined to its transaction's loop.
public final class CopyWriter {
    /// How many bytes are gathered before they are handed to the socket.
    private static let chunkBytes = 65_536
    /// The signature, no flags, no extension.
    private static let header: [UInt8] =
        Array("PGCOPY\n".utf8) + [0xFF, 0x0D, 0x0A, 0x00] + [UInt8](repeating: 0, count: 8)

    private let transaction: Transaction
    private let operation: SimpleOperation
    private let columns: Int
    private var buffer = CopyWriter.header
    private var row = Parameters()

    init(_ transaction: Transaction, _ operation: SimpleOperation, columns: Int) {
        self.transaction = transaction
        self.operation = operation
        self.columns = columns
    }

    /// Writes a row: `encode` adds a value for each column, of exactly the column's type. Waits while the server is
    /// behind.
    ///
    /// - Throws: ``PostgresError`` when the connection breaks, or a numeric is not decimal text.
    public func write(_ encode: (inout Parameters) -> Void) async throws(PostgresError) {
        row.removeAll()
        encode(&row)
        precondition(row.count == columns, "a row of this COPY has \(columns) values, not \(row.count)")
        Int16(columns).appendBigEndian(to: &buffer)
        for entry in row.entries {
            guard entry.format == 1 else {
                throw PostgresError(.protocol, "a numeric in COPY must be decimal text, such as -12.50")
            }
            entry.length.appendBigEndian(to: &buffer)
            if entry.length > 0 {
                buffer.append(contentsOf: row.bytes[entry.offset..<(entry.offset + Int(entry.length))])
            }
        }
        if buffer.count >= Self.chunkBytes { try await flush() }
    }

    /// Writes the end of the rows.
    func finish() async throws(PostgresError) {
        Int16(-1).appendBigEndian(to: &buffer)
        try await flush()
    }

    private func flush() async throws(PostgresError) {
        try await transaction.connection.putCopyData(buffer, operation)
        buffer.removeAll(keepingCapacity: true)
    }
}
