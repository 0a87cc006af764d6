import Postgres
import Primitives
import TestSupport
import Testing

/// Sends one value of each type and reads it back.
private struct Echo: Statement {
    static let name = "Echo"
    static let sql = """
        SELECT $1::uuid, $2::text, $3::bool, $4::int2, $5::int4, $6::int8, $7::float8, $8::timestamptz, $9::date,
            $10::bytea, $11::jsonb, $12::numeric
        """
    var values: Values

    struct Values: Sendable, Equatable {
        var uuid: UUID?
        var text: String?
        var bool: Bool?
        var int16: Int16?
        var int32: Int32?
        var int64: Int64?
        var double: Double?
        var timestamp: Instant?
        var date: PostgresDate?
        var bytes: [UInt8]?
        var jsonb: String?
        var numeric: String?
    }

    func bind(_ parameters: inout Parameters) {
        parameters.add(values.uuid)
        parameters.add(values.text)
        parameters.add(values.bool)
        parameters.add(values.int16)
        parameters.add(values.int32)
        parameters.add(values.int64)
        parameters.add(values.double)
        parameters.add(values.timestamp)
        parameters.add(values.date)
        parameters.add(values.bytes)
        parameters.add(jsonb: values.jsonb)
        parameters.add(numeric: values.numeric)
    }

    static func decode(_ result: borrowing QueryResult) throws(PostgresError) -> Values? {
        try result.first { row throws(PostgresError) in
            Values(
                uuid: try row.optionalUUID(0),
                text: try row.optionalText(1),
                bool: try row.optionalBool(2),
                int16: try row.optionalInt16(3),
                int32: try row.optionalInt32(4),
                int64: try row.optionalInt64(5),
                double: try row.optionalDouble(6),
                timestamp: try row.optionalTimestamp(7),
                date: try row.optionalDate(8),
                bytes: try row.optionalBytes(9),
                jsonb: try row.optionalJSONB(10),
                numeric: try row.optionalNumeric(11)
            )
        }
    }
}

/// Sends arrays and reads them back, and what PostgreSQL takes them for.
private struct EchoArrays: Statement {
    static let name = "EchoArrays"
    static let sql = """
        SELECT $1::uuid[], $2::text[], $3::bool[], $4::int4[], $5::int8[], $6::float8[], $7::text[]::text,
            (SELECT string_agg(coalesce(a::text, '-') || coalesce(b, '-'), ',') FROM unnest($8::int8[], $9::text[]) AS t(a, b))
        """
    var uuids: [UUID]
    var texts: [String]

    func bind(_ parameters: inout Parameters) {
        parameters.add(uuids)
        parameters.add(texts)
        parameters.add([true, false])
        parameters.add([Int32.min, 0, Int32.max])
        parameters.add([Int64.min, Int64.max])
        parameters.add([0.1, -0.0, .infinity])
        parameters.add(["a", nil, "c,d"] as [String?])
        parameters.add([1, nil, 3] as [Int64?])
        parameters.add(["x", nil, "z"] as [String?])
    }

    static func decode(_ result: borrowing QueryResult) throws(PostgresError) -> ([UUID], [String], String, String) {
        let value = try result.first { row throws(PostgresError) in
            let (bools, int32s) = (try row.bools(2), try row.int32s(3))
            let (int64s, doubles) = (try row.int64s(4), try row.doubles(5))
            #expect(bools == [true, false])
            #expect(int32s == [.min, 0, .max])
            #expect(int64s == [.min, .max])
            #expect(doubles == [0.1, -0.0, .infinity])
            return (try row.uuids(0), try row.texts(1), try row.text(6), try row.text(7))
        }
        guard let value else { throw PostgresError(.decoding, "no row") }
        return value
    }
}

/// Sends text as a numeric and reads what the server makes of it as text, and as we decode it.
private struct NumericEcho: Statement {
    static let name = "NumericEcho"
    static let sql = "SELECT $1::numeric::text, $1::numeric"
    var text: String

    func bind(_ parameters: inout Parameters) { parameters.add(numeric: text) }

    static func decode(_ result: borrowing QueryResult) throws(PostgresError) -> [String] {
        try result.first { row throws(PostgresError) in [try row.text(0), try row.numeric(1)] } ?? []
    }
}

@Suite("Postgres values")
struct ValueTests {
    @Test("every scalar type comes back as it went, and so does NULL")
    func scalars() async throws {
        try await withDatabase(migrated: false) { test in
            try await test.withAdministrator { database in
                let values = Echo.Values(
                    uuid: .v7(),
                    text: "Łódź, 東京, 🦖",
                    bool: true,
                    int16: -12345,
                    int32: .min,
                    int64: .max,
                    double: -1.25e-300,
                    timestamp: Instant(rfc3339: "1969-07-20T20:17:40.123456Z"),
                    date: PostgresDate(daysSince1970: -165),
                    bytes: [0, 255, 10],
                    jsonb: #"{"a": [1, 2.50, null]}"#,
                    numeric: "-12345678901234567890.000100"
                )
                let answer1 = try await database.run(Echo(values: values))
                #expect(answer1 == values)
                let answer2 = try await database.run(Echo(values: Echo.Values()))
                #expect(answer2 == Echo.Values())
                let empty = Echo.Values(text: "", bytes: [])
                let answer3 = try await database.run(Echo(values: empty))
                #expect(answer3 == empty)
            }
        }
    }

    @Test("arrays come back as they went, are read by unnest, and may be empty or hold NULL")
    func arrays() async throws {
        try await withDatabase(migrated: false) { test in
            try await test.withAdministrator { database in
                let uuids = (0..<100).map { _ in UUID.v4() }
                let (ids, texts, literal, pairs) = try await database.run(
                    EchoArrays(uuids: uuids, texts: ["", "a b", "\"quoted\"", "ß"])
                )
                #expect(ids == uuids)
                #expect(texts == ["", "a b", "\"quoted\"", "ß"])
                #expect(literal == #"{a,NULL,"c,d"}"#)
                #expect(pairs == "1x,--,3z")
                let empty = try await database.run(EchoArrays(uuids: [], texts: []))
                #expect(empty.0 == [] && empty.1 == [])
            }
        }
    }

    @Test(
        "a numeric means to the server what its text says, and is read back with its scale",
        arguments: [
            "0", "0.00", "1", "-1", "9999", "10000", "10001.1000", "0.0001", "-0.00001", "123456789.987654321", "+5.5",
            "100000000000000000000000000000000000000", "00042.10", ".5", "5.", "1e3", "NaN", "Infinity",
        ]
    )
    func numeric(text: String) async throws {
        try await withDatabase(migrated: false) { test in
            try await test.withAdministrator { database in
                let answer = try await database.run(NumericEcho(text: text))
                #expect(answer[0] == answer[1])
                let plain = text.drop { $0 == "+" }
                if !text.contains("e"), !text.hasPrefix("00"), !text.hasPrefix("."), !text.hasSuffix(".") {
                    #expect(answer[0] == plain)
                }
            }
        }
    }

    @Test("text that is no number is refused by the server, by SQLSTATE")
    func notNumeric() async throws {
        try await withDatabase(migrated: false) { test in
            try await test.withAdministrator { database in
                let error = try await failure { _ = try await database.run(NumericEcho(text: "a lot")) }
                #expect(error?.sqlState == .invalidTextRepresentation)
                #expect(error?.kind == .server)
            }
        }
    }

    @Test("a NULL that nobody expects and a second row are errors, not surprises")
    func decodingErrors() async throws {
        struct Two: Statement {
            static let name = "Two"
            static let sql = "SELECT NULL::bigint AS missing FROM generate_series(1, $1)"
            var rows: Int32
            func bind(_ parameters: inout Parameters) { parameters.add(rows) }
            static func decode(_ result: borrowing QueryResult) throws(PostgresError) -> Int64? {
                try result.first { row throws(PostgresError) in try row.int64(0) }
            }
        }
        try await withDatabase(migrated: false) { test in
            try await test.withAdministrator { database in
                let answer4 = try await database.run(Two(rows: 0))
                #expect(answer4 == nil)
                let null = try await failure { _ = try await database.run(Two(rows: 1)) }
                #expect(null?.kind == .decoding)
                #expect(null?.message.contains("\"missing\"") == true)
                let many = try await failure { _ = try await database.run(Two(rows: 2)) }
                #expect(many?.kind == .decoding)
            }
        }
    }

    @Test("a SQLSTATE matches itself and its class")
    func states() {
        let unique = SQLState(rawValue: "23505")
        #expect(.uniqueViolation ~= unique)
        #expect(.integrityConstraintViolation ~= unique)
        #expect(!(.checkViolation ~= unique))
        #expect(!(.dataException ~= unique))
        #expect(!(.uniqueViolation ~= Optional<SQLState>.none))
    }
}
