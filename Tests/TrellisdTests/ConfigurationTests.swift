import HTTP2
import RPCServer
import Terminal
import Testing

@testable import trellisd

@Suite struct ConfigurationTests {
    static let settings = Settings(userHome: "/home/ana", isRoot: false, cores: 4)

    static func configuration(
        _ arguments: [String] = [],
        _ environment: [String: String] = [:],
        file: String? = nil,
        command: Command = .serve
    ) throws -> Configuration {
        struct NoFile: Error {}
        return try Configuration(
            arguments,
            command: command,
            settings: settings,
            environment: { environment[$0] },
            readFile: { _ in
                guard let file else { throw NoFile() }
                return file
            }
        )
    }

    static func problems(
        _ arguments: [String] = [],
        _ environment: [String: String] = [:],
        file: String? = nil
    ) -> [String] {
        do {
            _ = try configuration(arguments, environment, file: file)
            return []
        } catch let error as ConfigurationError {
            return error.problems
        } catch {
            return ["\(error)"]
        }
    }

    @Test func nothingGivenMeansDefaults() throws {
        let configuration = try Self.configuration()
        #expect(configuration.home == "/home/ana/.trellis")
        #expect(configuration.listen.description == "127.0.0.1:7070")
        #expect(configuration.loops == 4)
        #expect(configuration.databaseURL == nil)
        #expect(configuration.poolMin == 5 && configuration.poolMax == 20)
        #expect(Settings(userHome: "/root", isRoot: true, cores: 1).home.defaultValue == "/var/lib/trellis")
    }

    @Test func flagBeatsEnvironmentBeatsFileBeatsDefault() throws {
        let file = "loops = 2\ngrace = 2s\nlisten = 0.0.0.0:2"
        let configuration = try Self.configuration(
            ["--loops", "8", "--config=f"],
            ["TRELLIS_LOOPS": "9", "TRELLIS_GRACE": "9s"],
            file: file
        )
        #expect(configuration.loops == 8)
        #expect(configuration.grace == .seconds(9))
        #expect(configuration.listen.description == "0.0.0.0:2")
        #expect(configuration.limits.messageBytes == 4 << 20)
    }

    @Test func everyDefaultTextIsReadAsTheDefaultValue() throws {
        func check<Value: Equatable>(_ setting: Setting<Value>) throws {
            #expect(try setting.read(setting.entry.defaultText) == setting.defaultValue, "\(setting.entry.name)")
        }
        let all = Self.settings
        try check(all.listen)
        try check(all.admin)
        try check(all.postgres)
        try check(all.poolMin)
        try check(all.poolMax)
        try check(all.poolTimeout)
        try check(all.poolIdleTimeout)
        try check(all.poolLifespan)
        try check(all.jobSlots)
        try check(all.grace)
        try check(all.logLevel)
        try check(all.logFormat)
    }

    @Test func everyLimitHasItsDefaultAsTextAndIsSetByItsRowAlone() throws {
        for setting in LimitSetting.all {
            var limits = ServerLimits()
            try setting.set(setting.entry.defaultText, &limits)
            #expect("\(limits)" == "\(ServerLimits())", "\(setting.entry.name)")
        }
        let configuration = try Self.configuration(["--keepalive-time", "2m"], [:], file: nil)
        #expect(configuration.limits.http2.keepaliveSeconds == 120)
        #expect(
            Self.problems(["--keepalive-time", "1500ms"]) == [
                "--keepalive-time: '1500ms' is not a whole number of seconds, such as 30s or 5m"
            ]
        )
    }

    @Test func aWrongValueIsNamedWithItsSourceAndWhatWouldBeRight() {
        #expect(Self.problems(["--loops", "0"]) == ["--loops: '0' is not a whole number from 1 to 256"])
        #expect(
            Self.problems([], ["TRELLIS_GRACE": "soon"]) == [
                "TRELLIS_GRACE: 'soon' is not a duration such as 250ms, 30s, 5m or 1h, from 0s to 1h"
            ]
        )
        #expect(
            Self.problems(["--config", "t.conf"], file: "# x\n\nlog-level = loud") == [
                "t.conf:3: log-level: 'loud' is not one of trace, debug, info, notice, warning, error, critical"
            ]
        )
        #expect(
            Self.problems(["--listen", "7070"])[0].hasPrefix(
                "--listen: '7070' is not HOST:PORT, such as 127.0.0.1:7070"
            )
        )
        #expect(
            Self.problems(["--max-message-size", "1KiB"]) == [
                "--max-message-size: '1KiB' is not a size in bytes such as 65536, 64KiB or 4MiB, from 64KiB to 64MiB"
            ]
        )
    }

    @Test func allProblemsAreToldAtOnce() {
        #expect(Self.problems(["--loops", "x", "--grace", "y"], ["TRELLIS_POOL_MIN": "z"]).count == 3)
    }

    @Test func aSecretIsNotRepeatedInItsError() {
        let problems = Self.problems(["--database-url", "mysql://root:hunter2@x"])
        #expect(problems == ["--database-url: the value is not a URL that begins with postgresql://"])
    }

    @Test func anUnknownSettingInTheFileIsAnErrorWithAGuess() {
        #expect(
            Self.problems(["--config", "t.conf"], file: "lisen = a:1\nloops 4\nloops = 1\nloops = 2") == [
                "t.conf:1: unknown setting 'lisen': did you mean 'listen'?",
                "t.conf:2: 'loops 4' is not of the form name = value",
                "t.conf:4: 'loops' is set already in line 3: set it once",
            ]
        )
    }

    @Test func fileValuesMayBeQuotedAndCommented() throws {
        let file = """
            database-url = "postgresql://u:p # w@h/d"   # quoted
            listen = [::1]:7   # plain
            """
        let configuration = try Self.configuration(["--config", "f"], file: file)
        #expect(configuration.databaseURL == "postgresql://u:p # w@h/d")
        #expect(configuration.listen == HostPort(host: "::1", port: 7))
    }

    @Test func crossChecksNameBothSettings() {
        #expect(
            Self.problems(["--pool-min", "30"]) == [
                "pool-min: 30 is more than pool-max (20): lower the one or raise the other"
            ]
        )
    }

    @Test func aCommandTakesOnlyItsOwnSettings() {
        #expect(throws: UsageError("unknown flag --loops; --help lists the flags")) {
            try Self.configuration(["--loops", "2"], command: .migrate)
        }
    }

    @Test func adminCanBeTurnedOff() throws {
        #expect(try Self.configuration(["--admin", "none"]).admin == nil)
    }
}
