import TLS
import Testing

@testable import trellisd

@Suite struct TLSSettingsTests {
    @Test func aPairMakesTLSAndTheRestHasDefaults() throws {
        #expect(try ConfigurationTests.configuration().tls == nil)
        var tls = try #require(try ConfigurationTests.configuration(["--tls-cert", "~/c.pem", "--tls-key", "k"]).tls)
        #expect(tls == ServerTLSConfiguration(certificateFile: "/home/ana/c.pem", keyFile: "k"))
        #expect(tls.minimumVersion == .v1_3 && tls.clientCAFile == nil)
        let file = "tls-cert = c\ntls-key = k\ntls-client-ca = ca\ntls-client-auth = optional\ntls-min-version = 1.2\n"
        tls = try #require(try ConfigurationTests.configuration(["--config", "f"], file: file).tls)
        #expect(tls.clientCAFile == "ca" && tls.clientCertificates == .optional && tls.minimumVersion == .v1_2)
    }

    @Test func halfOfWhatGoesTogetherIsAnErrorThatSaysWhatIsMissing() {
        func problem(_ arguments: String...) -> String {
            let problems = ConfigurationTests.problems(arguments)
            return problems.count == 1 ? problems[0] : "\(problems)"
        }
        #expect(problem("--tls-cert", "c").hasPrefix("tls-key: is not set, but tls-cert is"))
        #expect(problem("--tls-key", "k").hasPrefix("tls-cert: is not set, but tls-key is"))
        #expect(problem("--tls-client-ca", "a").hasPrefix("tls-client-ca: is set without TLS"))
        #expect(problem("--tls-min-version", "1.2").hasPrefix("tls-min-version: is set without TLS"))
        #expect(
            problem("--tls-cert", "c", "--tls-key", "k", "--tls-client-auth", "optional")
                .hasPrefix("tls-client-auth: is set without tls-client-ca")
        )
        #expect(problem("--tls-min-version", "1.1") == "--tls-min-version: '1.1' is not one of 1.3, 1.2")
        #expect(problem("--tls-client-auth", "no") == "--tls-client-auth: 'no' is not one of required, optional")
    }
}
