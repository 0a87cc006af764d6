import Testing

@testable import Protobuf

@Suite("JSON text")
struct JSONTests {
    @Test("every kind of value, with keys in order and numbers by their text")
    func values() throws {
        let text = #" {"b": [1, -0.5e+10, 12345678901234567890], "a": {"t": true, "f": false, "n": null}, "": ""} "#
        let value = try JSONValue(parsing: text)
        #expect(
            value.written() == #"{"b":[1,-0.5e+10,12345678901234567890],"a":{"t":true,"f":false,"n":null},"":""}"#
        )
        #expect(value["b"]?[0]?.integer == 1 && value["a"]?["t"] == .bool(true) && value["c"] == nil)
        #expect(try JSONValue(parsing: #"{"a":1,"b":2}"#) == JSONValue(parsing: #"{"b":2,"a":1}"#))
        #expect(
            value.written(.indented) == """
                {
                  "b": [
                    1,
                    -0.5e+10,
                    12345678901234567890
                  ],
                  "a": {
                    "t": true,
                    "f": false,
                    "n": null
                  },
                  "": ""
                }
                """
        )
        #expect(try JSONValue(parsing: "[ ]").written(.indented) == "[]")
    }

    @Test("escapes in both directions")
    func escapes() throws {
        let value = try JSONValue(parsing: #""\"\\\/\b\f\n\r\t\u0041\u00e9\ud83d\ude00é😀""#)
        #expect(value == .string("\"\\/\u{8}\u{c}\n\r\tAé😀é😀"))
        #expect(JSONValue.string("\"\\/\u{1}\n\u{7f}é").written() == #""\"\\/\u0001\n\u007fé""#)
        #expect(try JSONValue(parsing: JSONValue.string("\0\u{1f}").written()) == .string("\0\u{1f}"))
    }

    @Test(
        "what is no JSON is refused with its place",
        arguments: [
            ("", 1, 1), ("tru", 1, 1), ("[1,]", 1, 4), ("{\"a\":1,}", 1, 8), ("{a:1}", 1, 2), ("[1 2]", 1, 4),
            ("01", 1, 2),
            ("1.", 1, 3), ("-", 1, 2), ("1e", 1, 3), ("+1", 1, 1), ("'a'", 1, 1), ("\"a", 1, 3), ("\"\\x\"", 1, 4),
            ("\"\n\"", 1, 2), ("[\n 1,\n x]", 3, 2), ("{} {}", 1, 4), ("{\"a\":1,\"a\":2}", 1, 11),
            ("\"\\ud800\"", 1, 8),
            ("\"\\udc00\"", 1, 8), ("NaN", 1, 1), ("[1", 1, 3), ("{\"a\" 1}", 1, 6), ("nulL", 1, 1),
            ("\"\\u12g4\"", 1, 4),
        ]
    )
    func malformed(_ text: String, _ line: Int, _ column: Int) {
        let error = #expect(throws: JSONError.self) { try JSONValue(parsing: text) }
        #expect(error?.line == line && error?.column == column, "\(error.map(String.init(describing:)) ?? "")")
    }

    @Test("depth and size are bounded")
    func limits() throws {
        func nested(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        #expect(try JSONValue(parsing: nested(64)) != .null)
        #expect(throws: JSONError.self) { try JSONValue(parsing: nested(65)) }
        #expect(throws: JSONError.self) { try JSONValue(parsing: nested(100_000)) }
        #expect(throws: JSONError.self) { try JSONValue(parsing: "[1,2]", limits: JSONLimits(depth: 9, sizeBytes: 4)) }
    }

    @Test("whole numbers are exact, however they are written")
    func integers() {
        #expect(JSONNumber.integer("9223372036854775807", as: Int64.self) == .max)
        #expect(JSONNumber.integer("-9223372036854775808", as: Int64.self) == .min)
        #expect(JSONNumber.integer("-9223372036854775808.000", as: Int64.self) == .min)
        #expect(JSONNumber.integer("9223372036854775808", as: Int64.self) == nil)
        #expect(JSONNumber.integer("1.5e1", as: Int32.self) == 15 && JSONNumber.integer("100e-2", as: Int32.self) == 1)
        #expect(
            JSONNumber.integer("1e9", as: Int32.self) == 1_000_000_000
                && JSONNumber.integer("1e10", as: Int32.self) == nil
        )
        #expect(JSONNumber.integer("0e99999", as: Int32.self) == nil && JSONNumber.integer("-0", as: UInt32.self) == 0)
        #expect(
            JSONNumber.integer("-1", as: UInt64.self) == nil
                && JSONNumber.integer("18446744073709551615", as: UInt64.self) == .max
        )
        for text in ["", "-", ".5", "1.5", "1e", "+1", " 1", "0x10", "1_000", "1..0"] {
            #expect(JSONNumber.integer(text, as: Int64.self) == nil, "\(text)")
        }
    }
}
