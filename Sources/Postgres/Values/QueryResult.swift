internal import CPostgres

/// What the server answered to one statement. It owns the memory of its rows, so they can be read only from inside
/// ``rows(_:)``, ``first(_:)`` and their like.
public struct QueryResult: ~Copyable {
    /// The `PGresult`, freed with this value.
    let pointer: OpaquePointer

    init(taking pointer: OpaquePointer) {
        self.pointer = pointer
    }

    deinit {
        PQclear(pointer)
    }

    /// How many rows the statement returned.
    public var rowCount: Int { Int(PQntuples(pointer)) }

    /// How many columns each row has.
    public var columnCount: Int { Int(PQnfields(pointer)) }

    /// How many rows INSERT, UPDATE, DELETE, MERGE or COPY affected, or SELECT returned; 0 for other commands.
    public var rowsAffected: Int {
        guard let text = PQcmdTuples(pointer) else { return 0 }
        var count = 0
        var cursor = text
        while cursor.pointee != 0 {
            count = count * 10 + Int(cursor.pointee - 48)
            cursor += 1
        }
        return count
    }

    /// The name of a column, as in the statement's select list.
    public func columnName(_ column: Int) -> String? {
        PQfname(pointer, Int32(column)).map { String(cString: $0) }
    }

    /// The type of a column.
    public func columnType(_ column: Int) -> PostgresType {
        PostgresType(rawValue: PQftype(pointer, Int32(column)))
    }

    /// Makes a value of each row, in order.
    public func rows<Value>(_ decode: (Row) throws(PostgresError) -> Value) throws(PostgresError) -> [Value] {
        let count = PQntuples(pointer)
        var values: [Value] = []
        values.reserveCapacity(Int(count))
        for index in 0..<count { values.append(try decode(Row(result: pointer, index: index))) }
        return values
    }

    /// Makes a value of the only row, or nil when there is none. More than one row is an error: a statement that says
    /// "one" and finds two would otherwise answer with any of them.
    public func first<Value>(_ decode: (Row) throws(PostgresError) -> Value) throws(PostgresError) -> Value? {
        switch PQntuples(pointer) {
        case 0: return nil
        case 1: return try decode(Row(result: pointer, index: 0))
        case let count:
            throw PostgresError(
                .decoding,
                "the statement returned \(count) rows where one or none was expected"
            )
        }
    }

    /// Calls `body` for each row, in order.
    public func forEach(_ body: (Row) throws(PostgresError) -> Void) throws(PostgresError) {
        for index in 0..<PQntuples(pointer) { try body(Row(result: pointer, index: index)) }
    }
}
