import JSON
import Testing

@Suite struct JSONTests {
    @Test func keepsOrderAndNumbersAsWritten() throws {
        let text = #"{"b":1.50,"a":[9007199254740993,-0,1E+2,true,null],"é":"ü\"\\\n"}"#
        #expect(try JSONValue(text).text() == text)
    }

    @Test func escapesAreResolvedAndSurrogatesJoined() throws {
        #expect(try JSONValue(#""\u00e9\ud83d\ude00\/\t""#) == .string("é😀/\t"))
    }

    @Test(arguments: [
        ("", "the text ends where a value is expected at line 1, column 1"),
        ("{\n \"a\": 1,\n}", "a member's name in double quotes is expected at line 3, column 1"),
        ("[1 2]", "',' or ']' is expected at line 1, column 4"),
        ("01", "unexpected text after the value at line 1, column 2"),
        ("1.", "a digit is expected at line 1, column 3"),
        ("\"a", "the string is not closed at line 1, column 1"),
        ("\"\u{1}\"", "a control character in a string must be escaped at line 1, column 2"),
        (#""\ud800""#, "a \\u surrogate has no partner at line 1, column 8"),
        (#""\x""#, "unknown escape in a string at line 1, column 3"),
        (#"{"a":1,"a":2}"#, "the member 'a' stands twice at line 1, column 8"),
        ("nul", "a value is expected at line 1, column 1"),
    ])
    func whatIsNoJSONIsRefusedWithItsPlace(text: String, message: String) {
        let error = #expect(throws: JSONError.self) { try JSONValue(text) }
        #expect(error?.description == message)
    }

    @Test func invalidUTF8IsRefused() {
        #expect(throws: JSONError.self) { try JSONValue(bytes: [0x22, 0xC3, 0x28, 0x22]) }
    }

    @Test func depthIsBounded() throws {
        let deep = String(repeating: "[", count: 100_000)
        #expect(throws: JSONError.self) { try JSONValue(deep) }
        let allowed = String(repeating: "[", count: 100) + String(repeating: "]", count: 100)
        #expect(try JSONValue(allowed).array != nil)
    }

    @Test func indentedTextIsForPeople() throws {
        #expect(
            try JSONValue(#"{"a":[1],"b":{},"c":[]}"#).text(.indented)
                == "{\n  \"a\": [\n    1\n  ],\n  \"b\": {},\n  \"c\": []\n}"
        )
    }
}
