public import Primitives

/// Arrays: one parameter for a whole column of a bulk insert (`INSERT ... SELECT * FROM unnest($1, $2)`), or the list
/// of `= ANY($1)`. All are one-dimensional with lower bound 1.
extension Parameters {
    /// Adds a `uuid[]`.
    public mutating func add(_ values: [UUID]?) {
        addArray(values, of: .uuid, as: .uuids) { value, bytes in value.withUnsafeBytes { bytes.append(contentsOf: $0) }
        }
    }

    /// Adds a `uuid[]` whose elements may be NULL.
    public mutating func add(_ values: [UUID?]?) {
        addArray(values, of: .uuid, as: .uuids) { value, bytes in value.withUnsafeBytes { bytes.append(contentsOf: $0) }
        }
    }

    /// Adds a `text[]`.
    public mutating func add(_ values: [String]?) {
        addArray(values, of: .text, as: .texts) { value, bytes in bytes.append(contentsOf: value.utf8) }
    }

    /// Adds a `text[]` whose elements may be NULL.
    public mutating func add(_ values: [String?]?) {
        addArray(values, of: .text, as: .texts) { value, bytes in bytes.append(contentsOf: value.utf8) }
    }

    /// Adds a `boolean[]`.
    public mutating func add(_ values: [Bool]?) {
        addArray(values, of: .bool, as: .bools) { value, bytes in bytes.append(value ? 1 : 0) }
    }

    /// Adds a `smallint[]`.
    public mutating func add(_ values: [Int16]?) {
        addArray(values, of: .int16, as: .int16s) { value, bytes in value.appendBigEndian(to: &bytes) }
    }

    /// Adds an `integer[]`.
    public mutating func add(_ values: [Int32]?) {
        addArray(values, of: .int32, as: .int32s) { value, bytes in value.appendBigEndian(to: &bytes) }
    }

    /// Adds an `integer[]` whose elements may be NULL.
    public mutating func add(_ values: [Int32?]?) {
        addArray(values, of: .int32, as: .int32s) { value, bytes in value.appendBigEndian(to: &bytes) }
    }

    /// Adds a `bigint[]`.
    public mutating func add(_ values: [Int64]?) {
        addArray(values, of: .int64, as: .int64s) { value, bytes in value.appendBigEndian(to: &bytes) }
    }

    /// Adds a `bigint[]` whose elements may be NULL.
    public mutating func add(_ values: [Int64?]?) {
        addArray(values, of: .int64, as: .int64s) { value, bytes in value.appendBigEndian(to: &bytes) }
    }

    /// Adds a `double precision[]`.
    public mutating func add(_ values: [Double]?) {
        addArray(values, of: .double, as: .doubles) { value, bytes in value.bitPattern.appendBigEndian(to: &bytes) }
    }

    /// Adds a `double precision[]` whose elements may be NULL.
    public mutating func add(_ values: [Double?]?) {
        addArray(values, of: .double, as: .doubles) { value, bytes in value.bitPattern.appendBigEndian(to: &bytes) }
    }

    /// Adds a `timestamptz[]`, each cut to microseconds.
    public mutating func add(_ values: [Instant]?) {
        addArray(values, of: .timestamp, as: .timestamps) { value, bytes in
            PostgresTime.wire(value).appendBigEndian(to: &bytes)
        }
    }

    /// Adds a `timestamptz[]` whose elements may be NULL, each cut to microseconds.
    public mutating func add(_ values: [Instant?]?) {
        addArray(values, of: .timestamp, as: .timestamps) { value, bytes in
            PostgresTime.wire(value).appendBigEndian(to: &bytes)
        }
    }

    /// Adds a `bytea[]`.
    public mutating func add(_ values: [[UInt8]]?) {
        addArray(values, of: .bytes, as: .bytesArray) { value, bytes in bytes.append(contentsOf: value) }
    }

    /// Adds a `jsonb[]` from JSON texts, which the server checks.
    public mutating func add(jsonb values: [String]?) {
        addArray(values, of: .jsonb, as: .jsonbs) { value, bytes in
            bytes.append(1)
            bytes.append(contentsOf: value.utf8)
        }
    }

    private mutating func addArray<Value>(
        _ values: [Value]?,
        of element: PostgresType,
        as array: PostgresType,
        encode: (Value, inout [UInt8]) -> Void
    ) {
        add(values, as: array) { values, bytes in
            Self.header(count: values.count, hasNull: false, element, &bytes)
            for value in values { Self.element(value, &bytes, encode) }
        }
    }

    private mutating func addArray<Value>(
        _ values: [Value?]?,
        of element: PostgresType,
        as array: PostgresType,
        encode: (Value, inout [UInt8]) -> Void
    ) {
        add(values, as: array) { values, bytes in
            Self.header(count: values.count, hasNull: values.contains { $0 == nil }, element, &bytes)
            for value in values {
                if let value { Self.element(value, &bytes, encode) } else { Int32(-1).appendBigEndian(to: &bytes) }
            }
        }
    }

    /// Dimensions (none for an empty array), null flag, element type, length, lower bound.
    private static func header(count: Int, hasNull: Bool, _ element: PostgresType, _ bytes: inout [UInt8]) {
        Int32(count == 0 ? 0 : 1).appendBigEndian(to: &bytes)
        Int32(hasNull ? 1 : 0).appendBigEndian(to: &bytes)
        element.rawValue.appendBigEndian(to: &bytes)
        guard count > 0 else { return }
        Int32(count).appendBigEndian(to: &bytes)
        Int32(1).appendBigEndian(to: &bytes)
    }

    /// The element's length, filled in once its bytes are known, and its bytes.
    @inline(__always)
    private static func element<Value>(
        _ value: Value,
        _ bytes: inout [UInt8],
        _ encode: (Value, inout [UInt8]) -> Void
    ) {
        let start = bytes.count
        Int32(0).appendBigEndian(to: &bytes)
        encode(value, &bytes)
        let length = UInt32(bytes.count - start - 4)
        for index in 0..<4 { bytes[start + index] = UInt8(truncatingIfNeeded: length >> (24 - 8 * index)) }
    }
}
