import Testing

@testable import Terminal

@Suite struct FlagsTests {
    static let flags = [
        Flag("listen", placeholder: "HOST:PORT", help: "Where to listen."),
        Flag("json", short: "j", .toggle, help: "Print JSON."),
        Flag("tag", .repeated, help: "A tag."),
        Flag("format", help: "The form.", choices: ["text", "json"]),
    ]

    static func message(_ arguments: [String]) -> String? {
        do {
            _ = try ParsedFlags(arguments, flags: flags)
            return nil
        } catch {
            return error.description
        }
    }

    @Test func readsValuesTogglesAndPositionalsInAnyOrder() throws {
        let parsed = try ParsedFlags(
            ["one", "--listen=a:1", "-j", "--tag", "x", "two", "--tag=y=z", "--", "--json"],
            flags: Self.flags
        )
        #expect(parsed["listen"] == "a:1")
        #expect(parsed.isOn("json"))
        #expect(parsed.all("tag") == ["x", "y=z"])
        #expect(parsed.positional == ["one", "two", "--json"])
    }

    @Test func aToggleCanBeTurnedOff() throws {
        #expect(try !ParsedFlags(["--no-json"], flags: Self.flags).isOn("json"))
        #expect(try !ParsedFlags(["--json", "--json=false"], flags: Self.flags).isOn("json"))
        #expect(Self.message(["--json=maybe"]) == "--json: 'maybe' is neither true nor false")
    }

    @Test func aDashAloneAndNegativeNumbersAreValues() throws {
        #expect(try ParsedFlags(["-", "-5"], flags: Self.flags).positional == ["-", "-5"])
    }

    @Test func errorsSayWhatWouldBeRight() {
        #expect(Self.message(["--lisen", "x"]) == "unknown flag --lisen: did you mean --listen?")
        #expect(Self.message(["--whatever"]) == "unknown flag --whatever; --help lists the flags")
        #expect(Self.message(["--listen"]) == "--listen needs a value: --listen HOST:PORT")
        #expect(
            Self.message(["--listen", "a", "--listen", "b"])
                == "--listen was given twice ('a' and 'b'): give it once"
        )
        #expect(Self.message(["--format", "xml"]) == "--format: 'xml' is not one of text, json")
    }

    @Test func suggestsSlipsButNotStrangers() {
        #expect(Suggestion.closest(to: "craete-site", among: ["create-site", "get-site"]) == "create-site")
        #expect(Suggestion.closest(to: "ten", among: ["tenancy", "search"]) == "tenancy")
        #expect(Suggestion.closest(to: "zebra", among: ["tenancy", "search"]) == nil)
        #expect(Suggestion.distance("abcd", "abdc") == 1)
    }
}
