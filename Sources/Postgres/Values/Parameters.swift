public import Primitives

/// The values of one statement's parameters, encoded in PostgreSQL's binary format into one buffer.
///
/// Each `add` appends the next parameter. An optional that is nil is sent as NULL.
public struct Parameters: Sendable {
    /// Where one value lies in ``bytes``, and as what it is declared.
    struct Entry: Sendable {
        var type: PostgresType
        var offset: Int
        /// -1 for NULL.
        var length: Int32
        /// 1 for binary, 0 for text: only a `numeric` with unusual text travels as text.
        var format: Int32
    }

    private(set) var bytes: [UInt8] = []
    private(set) var entries: [Entry] = []

    /// Makes an empty list of parameters.
    public init() {}

    /// How many parameters were added.
    public var count: Int { entries.count }

    /// Empties the list and keeps its memory.
    mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        entries.removeAll(keepingCapacity: true)
    }

    /// Adds a `uuid`.
    public mutating func add(_ value: UUID?) {
        add(value, as: .uuid) { value, bytes in value.withUnsafeBytes { bytes.append(contentsOf: $0) } }
    }

    /// Adds a `text`. PostgreSQL cannot store U+0000; a value that holds one is refused by the server (22021).
    public mutating func add(_ value: String?) {
        add(value, as: .text) { value, bytes in bytes.append(contentsOf: value.utf8) }
    }

    /// Adds a `boolean`.
    public mutating func add(_ value: Bool?) {
        add(value, as: .bool) { value, bytes in bytes.append(value ? 1 : 0) }
    }

    /// Adds a `smallint`.
    public mutating func add(_ value: Int16?) {
        add(value, as: .int16) { value, bytes in value.appendBigEndian(to: &bytes) }
    }

    /// Adds an `integer`.
    public mutating func add(_ value: Int32?) {
        add(value, as: .int32) { value, bytes in value.appendBigEndian(to: &bytes) }
    }

    /// Adds a `bigint`.
    public mutating func add(_ value: Int64?) {
        add(value, as: .int64) { value, bytes in value.appendBigEndian(to: &bytes) }
    }

    /// Adds a `double precision`.
    public mutating func add(_ value: Double?) {
        add(value, as: .double) { value, bytes in value.bitPattern.appendBigEndian(to: &bytes) }
    }

    /// Adds a `timestamptz`, cut to microseconds.
    public mutating func add(_ value: Instant?) {
        add(value, as: .timestamp) { value, bytes in PostgresTime.wire(value).appendBigEndian(to: &bytes) }
    }

    /// Adds a `date`.
    public mutating func add(_ value: PostgresDate?) {
        add(value, as: .date) { value, bytes in value.wire.appendBigEndian(to: &bytes) }
    }

    /// Adds a `bytea`.
    public mutating func add(_ value: [UInt8]?) {
        add(value, as: .bytes) { value, bytes in bytes.append(contentsOf: value) }
    }

    /// Adds a `jsonb` from its JSON text, which the server checks (22P02 when it is not JSON).
    public mutating func add(jsonb value: String?) {
        add(value, as: .jsonb) { value, bytes in
            bytes.append(1)  // the version of jsonb's binary format
            bytes.append(contentsOf: value.utf8)
        }
    }

    /// Adds a `numeric` from its decimal text, such as "-12.50". Other text is handed to the server as it is, which
    /// knows "1e3" and "NaN" and refuses what is no number (22P02); COPY takes decimal text only.
    public mutating func add(numeric value: String?) {
        var isText = false
        add(value, as: .numeric) { value, bytes in
            if PostgresNumeric.append(value, to: &bytes) { return }
            isText = true
            bytes.append(contentsOf: value.utf8)
            bytes.append(0)  // in text format libpq wants a C string
        }
        if isText { entries[entries.count - 1].format = 0 }
    }

    /// Appends a value with `encode`, or NULL.
    mutating func add<Value>(_ value: Value?, as type: PostgresType, encode: (Value, inout [UInt8]) -> Void) {
        let offset = bytes.count
        guard let value else {
            entries.append(Entry(type: type, offset: offset, length: -1, format: 1))
            return
        }
        encode(value, &bytes)
        entries.append(Entry(type: type, offset: offset, length: Int32(bytes.count - offset), format: 1))
    }
}

extension FixedWidthInteger {
    /// Appends the integer's bytes, most significant first.
    @inline(__always)
    func appendBigEndian(to bytes: inout [UInt8]) {
        withUnsafeBytes(of: bigEndian) { bytes.append(contentsOf: $0) }
    }
}
