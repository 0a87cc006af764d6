internal import CPostgres
public import Primitives

/// One row of a ``QueryResult``, valid only inside the closure that it was handed to.
///
/// A column is read by its number, from 0, as the type that it has in PostgreSQL; reading it as another is a mistake in
/// the program, which traps in debug builds. A getter throws a `decoding` error for NULL; its `optional` twin answers nil.
public struct Row {
    /// The `PGresult`, owned by the ``QueryResult``.
    let result: OpaquePointer
    let index: Int32

    /// How many columns the row has.
    public var columnCount: Int { Int(PQnfields(result)) }

    /// Whether a column is NULL.
    public func isNull(_ column: Int) -> Bool {
        PQgetisnull(result, index, Int32(column)) != 0
    }

    /// Reads a `uuid`.
    public func uuid(_ column: Int) throws(PostgresError) -> UUID {
        UUID(bytes: try fixed(column, .uuid, 16))
    }

    /// Reads a `text`, `varchar`, `name` or any enum.
    public func text(_ column: Int) throws(PostgresError) -> String {
        String(decoding: try bytesInPlace(column), as: UTF8.self)
    }

    /// Reads a `boolean`.
    public func bool(_ column: Int) throws(PostgresError) -> Bool {
        try fixed(column, .bool, 1)[0] != 0
    }

    /// Reads a `smallint`.
    public func int16(_ column: Int) throws(PostgresError) -> Int16 {
        Int16(bigEndian: try fixed(column, .int16, 2).loadUnaligned(as: Int16.self))
    }

    /// Reads an `integer`.
    public func int32(_ column: Int) throws(PostgresError) -> Int32 {
        Int32(bigEndian: try fixed(column, .int32, 4).loadUnaligned(as: Int32.self))
    }

    /// Reads a `bigint`.
    public func int64(_ column: Int) throws(PostgresError) -> Int64 {
        Int64(bigEndian: try fixed(column, .int64, 8).loadUnaligned(as: Int64.self))
    }

    /// Reads a `double precision`.
    public func double(_ column: Int) throws(PostgresError) -> Double {
        Double(bitPattern: UInt64(bigEndian: try fixed(column, .double, 8).loadUnaligned(as: UInt64.self)))
    }

    /// Reads a `timestamptz`. `infinity` and `-infinity` are `decoding` errors.
    public func timestamp(_ column: Int) throws(PostgresError) -> Instant {
        let wire = Int64(bigEndian: try fixed(column, .timestamp, 8).loadUnaligned(as: Int64.self))
        guard let value = PostgresTime.timestamp(wire: wire) else {
            throw PostgresError(.decoding, "column \(name(column)) is infinite or outside the years 1 to 9999")
        }
        return value
    }

    /// Reads a `date`.
    public func date(_ column: Int) throws(PostgresError) -> PostgresDate {
        PostgresDate(wire: Int32(bigEndian: try fixed(column, .date, 4).loadUnaligned(as: Int32.self)))
    }

    /// Reads a `bytea`.
    public func bytes(_ column: Int) throws(PostgresError) -> [UInt8] {
        [UInt8](try bytesInPlace(column))
    }

    /// Reads a `jsonb` as the JSON text that PostgreSQL writes for it.
    public func jsonb(_ column: Int) throws(PostgresError) -> String {
        let bytes = try bytesInPlace(column)
        assertType(column, .jsonb)
        guard bytes.first == 1 else {
            throw PostgresError(.decoding, "column \(name(column)) is not jsonb version 1")
        }
        return String(decoding: bytes.dropFirst(), as: UTF8.self)
    }

    /// Reads a `numeric` as decimal text with its scale, such as "-12.50", or "NaN", "Infinity", "-Infinity".
    public func numeric(_ column: Int) throws(PostgresError) -> String {
        let bytes = try bytesInPlace(column)
        assertType(column, .numeric)
        guard let text = PostgresNumeric.text(wire: bytes) else {
            throw PostgresError(.decoding, "column \(name(column)) is not a numeric in binary format")
        }
        return text
    }

    // MARK: - Inside

    /// A column's bytes where they lie in the result; throws for NULL.
    func bytesInPlace(_ column: Int) throws(PostgresError) -> UnsafeRawBufferPointer {
        let column32 = Int32(column)
        let length = Int(PQgetlength(result, index, column32))
        guard let start = PQgetvalue(result, index, column32) else {
            preconditionFailure("the row has no column \(column)")
        }
        if length == 0, PQgetisnull(result, index, column32) != 0 {
            throw PostgresError(.decoding, "column \(name(column)) is NULL where a value was expected")
        }
        return UnsafeRawBufferPointer(start: UnsafeRawPointer(start), count: length)
    }

    /// The bytes of a column whose type has a fixed width.
    @inline(__always)
    private func fixed(_ column: Int, _ type: PostgresType, _ width: Int) throws(PostgresError)
        -> UnsafeRawBufferPointer
    {
        let bytes = try bytesInPlace(column)
        assertType(column, type)
        guard bytes.count == width else {
            throw PostgresError(
                .decoding,
                "column \(name(column)) has \(bytes.count) bytes where its type has \(width)"
            )
        }
        return bytes
    }

    /// Traps in debug builds when the column's type is not the one it is read as.
    @inline(__always)
    func assertType(_ column: Int, _ type: PostgresType) {
        assert(
            PQftype(result, Int32(column)) == type.rawValue,
            "column \(name(column)) has type \(PQftype(result, Int32(column))), it is read as \(type.rawValue)"
        )
    }

    /// A column's name and number, for messages.
    func name(_ column: Int) -> String {
        let name = PQfname(result, Int32(column)).map { String(cString: $0) } ?? "?"
        return "\"\(name)\" (number \(column))"
    }
}

extension Row {
    /// Reads a `uuid` or NULL.
    public func optionalUUID(_ column: Int) throws(PostgresError) -> UUID? { isNull(column) ? nil : try uuid(column) }
    /// Reads a `text` or NULL.
    public func optionalText(_ column: Int) throws(PostgresError) -> String? {
        isNull(column) ? nil : try text(column)
    }
    /// Reads a `boolean` or NULL.
    public func optionalBool(_ column: Int) throws(PostgresError) -> Bool? { isNull(column) ? nil : try bool(column) }
    /// Reads a `smallint` or NULL.
    public func optionalInt16(_ column: Int) throws(PostgresError) -> Int16? {
        isNull(column) ? nil : try int16(column)
    }
    /// Reads an `integer` or NULL.
    public func optionalInt32(_ column: Int) throws(PostgresError) -> Int32? {
        isNull(column) ? nil : try int32(column)
    }
    /// Reads a `bigint` or NULL.
    public func optionalInt64(_ column: Int) throws(PostgresError) -> Int64? {
        isNull(column) ? nil : try int64(column)
    }
    /// Reads a `double precision` or NULL.
    public func optionalDouble(_ column: Int) throws(PostgresError) -> Double? {
        isNull(column) ? nil : try double(column)
    }
    /// Reads a `timestamptz` or NULL.
    public func optionalTimestamp(_ column: Int) throws(PostgresError) -> Instant? {
        isNull(column) ? nil : try timestamp(column)
    }
    /// Reads a `date` or NULL.
    public func optionalDate(_ column: Int) throws(PostgresError) -> PostgresDate? {
        isNull(column) ? nil : try date(column)
    }
    /// Reads a `bytea` or NULL.
    public func optionalBytes(_ column: Int) throws(PostgresError) -> [UInt8]? {
        isNull(column) ? nil : try bytes(column)
    }
    /// Reads a `jsonb` or NULL.
    public func optionalJSONB(_ column: Int) throws(PostgresError) -> String? {
        isNull(column) ? nil : try jsonb(column)
    }
    /// Reads a `numeric` or NULL.
    public func optionalNumeric(_ column: Int) throws(PostgresError) -> String? {
        isNull(column) ? nil : try numeric(column)
    }
}
