import Files
import Protobuf
import RPC
import Terminal
import Testing
import TrellisClient

@testable import trellis

@Suite struct CommandLineTests {
    @Test func flagsBeforeTheCommandAreFlagsOfTheCommand() {
        let words = CommandWords(
            ["--json", "--home", "/h", "tenancy", "get-site", "1", "--x"],
            sessionFlags: Session.flags
        )
        #expect(words.names == ["tenancy", "get-site", "1"])
        #expect(words.rest(after: 2) == ["--json", "--home", "/h", "1", "--x"])
    }

    @Test func namesAreThoseOfTheProtoFileInHyphens() {
        #expect(Words.hyphenated("IssueTenantKey") == "issue-tenant-key")
        #expect(Sample.catalog.services[0].command == "paint")
        #expect(Sample.catalog.method(path: "PaintService/MakePot")?.path == "/sample.v1.PaintService/MakePot")
        #expect(Sample.catalog.method(path: "paint/make-pot")?.name == "MakePot")
        #expect(Sample.catalog.method(path: "paint/none") == nil)
        #expect(Sample.color.short("PAINT_COLOR_SKY_BLUE") == "sky-blue")
    }

    static func candidates(_ words: String...) -> [String] {
        let program = Program(
            catalog: Sample.catalog,
            messages: DynamicMessages(encode: { _, _ in [] }, decode: { _, _ in .null }),
            userHome: nil,
            isRoot: false
        )
        return Completion.candidates(words, commands: program.commands, catalog: Sample.catalog)
    }

    @Test func theShellIsOfferedWhatCanFollow() {
        #expect(Self.candidates("pa") == ["paint"])
        #expect(Self.candidates("paint", "") == ["list-pots", "make-pot"])
        #expect(Self.candidates("paint", "make-pot", "--col") == ["--color"])
        #expect(Self.candidates("paint", "make-pot", "--color", "") == ["red", "sky-blue"])
        #expect(Self.candidates("import", "") == ["documents", "iris", "sdg"])
        #expect(Self.candidates("import", "sdg", "--wording", "") == ["2016", "current"])
        #expect(Self.candidates("status", "--js") == ["--json"])
        #expect(Self.candidates("import", "sdg", "--home", "") == [], "a value that only the person knows")
    }

    @Test func credentialsFallBackFromFlagToVariableToProfileToServer() throws {
        let folder = "/tmp/trellis-session-test-\(UInt64.random(in: 0 ... .max))"
        func session(_ arguments: [String], _ environment: [String: String] = [:]) throws -> trellis.Session {
            try Session(
                ParsedFlags(arguments + ["--home", folder], flags: Session.flags),
                environment: { environment[$0] },
                userHome: "/home/x",
                isRoot: false
            )
        }
        #expect(try session([]).address == "127.0.0.1:7070")
        #expect(try session([]).token == nil)
        try Files.makeFolder(folder, mode: 0o700)
        try Files.writePrivately(#"{"address": "a:1", "platform_key": "p"}"#, to: "\(folder)/credentials.json")
        #expect(try session([]).token == "p")
        try Home(path: folder).store("lima", .init(address: "b:2", token: "t"))
        #expect(try session([]).token == "t" && session([]).address == "b:2")
        #expect(try session(["--platform"]).token == "p")
        #expect(try session([], ["TRELLIS_TOKEN": "e", "TRELLIS_ADDRESS": "c:3"]).address == "c:3")
        #expect(try session(["--token", "f"], ["TRELLIS_TOKEN": "e"]).token == "f")
        #expect(throws: UsageError("no profile 'oslo' in '\(folder)': there are lima")) {
            try session(["--profile", "oslo"])
        }
    }

    @Test func aStoredKeyFollowsTheHomesOwnServerToItsNextAddress() throws {
        let folder = "/tmp/trellis-home-test-\(UInt64.random(in: 0 ... .max))"
        try Files.makeFolder(folder, mode: 0o700)
        let home = Home(path: folder)
        func address(_ profile: String) throws -> String {
            let parsed = try ParsedFlags(["--home", folder, "--profile", profile], flags: Session.flags)
            return try Session(parsed, environment: { _ in nil }, userHome: nil, isRoot: true).address
        }
        try Files.writePrivately(#"{"address": "a:1", "platform_key": "p"}"#, to: "\(folder)/credentials.json")
        try home.store("own", .init(address: "a:1", token: "t"))
        try home.store("far", .init(address: "far:1", token: "t"))
        try Files.writePrivately(#"{"address": "a:2"}"#, to: "\(folder)/credentials.json")
        #expect(try address("own") == "a:2")
        #expect(try address("far") == "far:1")
        #expect(try home.server()?.token == nil, "a second server on a database does not know the platform's key")
        #expect(throws: UsageError.self) {
            let parsed = try ParsedFlags(["--home", folder, "--platform"], flags: Session.flags)
            _ = try Session(parsed, environment: { _ in nil }, userHome: nil, isRoot: true)
        }
    }

    @Test func aListIsATableAndARecordIsNamesAndValues() throws {
        let response = try JSONValue(
            parsing:
                #"{"pots":[{"id":"1","displayName":"A\u001b[2J","color":"PAINT_COLOR_RED"},{"id":"2","displayName":"B"}],"nextPageToken":"t"}"#
        )
        let list = ResponseView(catalog: Sample.catalog, message: "sample.ListPotsResponse", width: 80)
        #expect(list.lines(response) == ["ID  DISPLAY NAME  COLOR", "1   A\u{FFFD}[2J         red", "2   B"])
        #expect(list.note(response)?.contains("--page-token 't'") == true)
        #expect(list.lines(.object([])) == ["no pots"])
        let record = ResponseView(catalog: Sample.catalog, message: "sample.Pot", width: 80)
        let pot = try JSONValue(
            parsing: #"{"id":"1","expireTime":"2027-01-02T03:04:05.678Z","maker":{"firstName":"Ana","age":40}}"#
        )
        #expect(
            record.lines(pot) == [
                "id           1", "expire time  2027-01-02 03:04:05Z", "maker        ", "    first name  Ana",
                "    age         40",
            ]
        )
    }

    @Test func anErrorNamesTheFlagsTheReasonAndWhatToDo() {
        var error = TrellisError(.invalidArgument, "two fields are wrong")
        error.reason = "INVALID_FIELDS"
        error.fields = [.init(path: "display_name", reason: "is empty"), .init(path: "x[1]", reason: "is \u{1B}odd")]
        #expect(
            error.lines(flags: ["display_name": "display-name"]) == [
                "invalid argument: 2 values are wrong [INVALID_FIELDS]", "  --display-name: is empty",
                "  x[1]: is \u{FFFD}odd",
            ]
        )
        #expect(error.exitCode == 2)
        #expect(error.json["error"]?["fields"]?[0]?["path"]?.text == "display_name")
        #expect(TrellisError(.unavailable, "x").lines().last?.contains("trellisd serve") == true)
        #expect(TrellisError(.notFound, "x").exitCode == 3 && TrellisError(.permissionDenied, "x").exitCode == 4)
        #expect(TrellisError(.aborted, "x").exitCode == 5 && TrellisError(.unavailable, "x").exitCode == 6)
    }
}
