import Files
import Glibc
import Logging
import Testing

@testable import trellisd

@Suite struct RuntimeTests {
    /// A folder that goes away with the test.
    static func withFolder(_ body: (String) throws -> Void) throws {
        var template = Array("/tmp/trellisd-test-XXXXXX".utf8CString)
        let path = String(cString: try #require(mkdtemp(&template)))
        defer {
            for name in ["trellisd.lock", "credentials.json", "credentials.json.new"] { unlink("\(path)/\(name)") }
            rmdir(path)
        }
        try body(path)
    }

    @Test func credentialsAreForTheOwnerOnlyAndSurviveARestart() throws {
        try Self.withFolder { path in
            let home = try HomeFolder(path)
            #expect(try Credentials.read(from: home) == nil)
            var credentials = Credentials(address: "127.0.0.1:1", platformKey: "k\"1")
            try credentials.write(to: home)
            credentials.address = "127.0.0.1:2"
            try credentials.write(to: home)
            #expect(try Credentials.read(from: home) == credentials)
            var status = stat()
            #expect(stat("\(path)/credentials.json", &status) == 0)
            #expect(status.st_mode & 0o777 == 0o600)
            #expect(access("\(path)/credentials.json.new", F_OK) != 0, "no temporary file is left")
        }
    }

    @Test func brokenCredentialsAreRefusedAndNotOverwritten() throws {
        try Self.withFolder { path in
            let home = try HomeFolder(path)
            try home.write("credentials.json", "{\"address\": \"x\"")
            let error = #expect(throws: HomeError.self) { try Credentials.read(from: home) }
            #expect(error?.description.contains("is no JSON") == true)
        }
    }

    @Test func aHomeThatCannotBeMadeIsNamed() {
        let error = #expect(throws: HomeError.self) { try HomeFolder("/proc/nowhere/trellis") }
        #expect(error?.description.hasPrefix("--home: cannot make the folder '/proc/nowhere'") == true)
    }

    @Test func aLineOfLogIsOneJSONObjectWithTimeLevelAndMessageFirst() {
        let line = StandardErrorLog.json(
            "2026-01-02T03:04:05.678901Z",
            .warning,
            "rpc",
            "slow \"call\"\n",
            ["tenant": "t1", "message": "kept", "list": ["a", "b"]]
        )
        #expect(
            line == #"{"time":"2026-01-02T03:04:05.678901Z","level":"warning","logger":"rpc","#
                + #""message":"slow \"call\"\n","list":["a","b"],"message_":"kept","tenant":"t1"}"#
        )
    }

    @Test func aLineOfTextCannotSteerTheTerminal() {
        let line = StandardErrorLog.text(
            "2026-01-02T03:04:05.678901Z",
            .info,
            "hello\u{1B}[2J",
            ["peer": "1.2.3.4"]
        )
        #expect(line == "03:04:05.678 info    hello\u{FFFD}[2J  peer=1.2.3.4")
    }

    @Test func everyLevelOfTheConfigurationIsOneOfTheLog() {
        for level in LogLevel.allCases { #expect(Logger.Level(rawValue: level.rawValue) != nil) }
    }

    @Test func theConfigurationDocumentIsThatOfTheProgram() throws {
        let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let written = String(decoding: try Files.read("/\(root)/docs/configuration.md"), as: UTF8.self)
        let made = ConfigurationDocument.markdown(Settings(userHome: "/home/ana", isRoot: false, cores: 4))
        #expect(written == made, "write it anew: swift run trellisd options > docs/configuration.md")
    }
}
