public import Primitives

/// One-dimensional arrays. A NULL element is a `decoding` error, except where the getter says otherwise.
extension Row {
    /// Reads a `uuid[]`.
    public func uuids(_ column: Int) throws(PostgresError) -> [UUID] {
        try array(column, of: .uuid, width: 16) { UUID(bytes: $0) }
    }

    /// Reads a `text[]`.
    public func texts(_ column: Int) throws(PostgresError) -> [String] {
        try array(column, of: .text, width: nil) { String(decoding: $0, as: UTF8.self) }
    }

    /// Reads a `boolean[]`.
    public func bools(_ column: Int) throws(PostgresError) -> [Bool] {
        try array(column, of: .bool, width: 1) { $0[0] != 0 }
    }

    /// Reads an `integer[]`.
    public func int32s(_ column: Int) throws(PostgresError) -> [Int32] {
        try array(column, of: .int32, width: 4) { Int32(bigEndian: $0.loadUnaligned(as: Int32.self)) }
    }

    /// Reads a `bigint[]`.
    public func int64s(_ column: Int) throws(PostgresError) -> [Int64] {
        try array(column, of: .int64, width: 8) { Int64(bigEndian: $0.loadUnaligned(as: Int64.self)) }
    }

    /// Reads a `double precision[]`.
    public func doubles(_ column: Int) throws(PostgresError) -> [Double] {
        try array(column, of: .double, width: 8) {
            Double(bitPattern: UInt64(bigEndian: $0.loadUnaligned(as: UInt64.self)))
        }
    }

    /// Reads a `text[]` or NULL.
    public func optionalTexts(_ column: Int) throws(PostgresError) -> [String]? {
        isNull(column) ? nil : try texts(column)
    }

    /// Reads a `uuid[]` or NULL.
    public func optionalUUIDs(_ column: Int) throws(PostgresError) -> [UUID]? {
        isNull(column) ? nil : try uuids(column)
    }

    /// Reads an `integer[]` or NULL.
    public func optionalInt32s(_ column: Int) throws(PostgresError) -> [Int32]? {
        isNull(column) ? nil : try int32s(column)
    }

    /// Reads a `bigint[]` or NULL.
    public func optionalInt64s(_ column: Int) throws(PostgresError) -> [Int64]? {
        isNull(column) ? nil : try int64s(column)
    }

    /// Reads a `double precision[]` or NULL.
    public func optionalDoubles(_ column: Int) throws(PostgresError) -> [Double]? {
        isNull(column) ? nil : try doubles(column)
    }

    /// Reads a `boolean[]` or NULL.
    public func optionalBools(_ column: Int) throws(PostgresError) -> [Bool]? {
        isNull(column) ? nil : try bools(column)
    }

    /// Walks the array's binary format: dimensions, null flag, element type, (length, lower bound) for each dimension, then
    /// (length, bytes) for each element.
    private func array<Value>(
        _ column: Int,
        of element: PostgresType,
        width: Int?,
        decode: (UnsafeRawBufferPointer) -> Value
    ) throws(PostgresError) -> [Value] {
        var rest = try bytesInPlace(column)[...]
        func next() throws(PostgresError) -> Int32 {
            guard rest.count >= 4 else { throw malformed(column, "it ends too soon") }
            let value = Int32(bigEndian: UnsafeRawBufferPointer(rebasing: rest).loadUnaligned(as: Int32.self))
            rest = rest.dropFirst(4)
            return value
        }
        let dimensions = try next()
        _ = try next()
        let type = UInt32(bitPattern: try next())
        assert(type == element.rawValue, "column \(name(column)) has elements of type \(type)")
        if dimensions == 0 { return [] }
        guard dimensions == 1 else { throw malformed(column, "it has \(dimensions) dimensions, one was expected") }
        let count = try next()
        _ = try next()
        var values: [Value] = []
        values.reserveCapacity(Int(count))
        for _ in 0..<count {
            let length = Int(try next())
            guard length >= 0 else { throw malformed(column, "an element is NULL") }
            guard length <= rest.count, width == nil || width == length else {
                throw malformed(column, "an element has \(length) bytes")
            }
            values.append(decode(UnsafeRawBufferPointer(rebasing: rest.prefix(length))))
            rest = rest.dropFirst(length)
        }
        return values
    }

    private func malformed(_ column: Int, _ what: String) -> PostgresError {
        PostgresError(.decoding, "column \(name(column)) is not an array that can be read: \(what)")
    }
}
