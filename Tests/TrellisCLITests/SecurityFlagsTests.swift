import Files
import SecurityFlags
import TLS
import Terminal
import Testing
import TrellisClient

@testable import trellis

@Suite struct SecurityFlagsTests {
    private let folder = "/tmp/trellis-security-test-\(UInt64.random(in: 0 ... .max))"

    private func session(_ arguments: [String], _ environment: [String: String] = [:]) throws -> trellis.Session {
        try Session(
            ParsedFlags(arguments + ["--home", folder], flags: Session.flags),
            environment: { environment[$0] },
            userHome: "/home/x",
            isRoot: false
        )
    }

    @Test func tlsIsOnWhenAFlagOrAVariableSaysSo() throws {
        #expect(try session([]).tls == nil)
        #expect(try session(["--tls"]).tls == ClientTLSConfiguration())
        #expect(try session([], ["TRELLIS_CA": "/e/ca"]).tls?.caFile == "/e/ca")
        let tls = try #require(
            try session(["--ca", "/c", "--cert", "/p", "--key", "/k", "--server-name", "n"], ["TRELLIS_CA": "/e"]).tls
        )
        #expect(tls.caFile == "/c" && tls.certificateFile == "/p" && tls.keyFile == "/k" && tls.serverName == "n")
        #expect(try session(["--no-tls"], ["TRELLIS_CA": "/e"]).tls == nil)
        #expect(throws: UsageError("--cert needs --key, the private key of the certificate")) {
            try session(["--cert", "/p"])
        }
        #expect(throws: UsageError.self) { try session(["--no-tls", "--ca", "/c"]) }
        #expect(
            try session(["--ca", "here.pem"]).tls?.caFile?.hasSuffix("/here.pem") == true,
            "a profile outlives a folder"
        )
    }

    @Test func theHomesOwnServerAndItsProfilesFindTheirCA() throws {
        try Files.makeFolder("\(folder)/tls", mode: 0o700)
        let credentials = #"{"address": "a:1", "platform_key": "p", "tls": {"server_name": "n"}}"#
        try Files.writePrivately(credentials, to: "\(folder)/credentials.json")
        #expect(try session([]).tls?.caFile == nil, "the system's CAs, where there is no other")
        try Files.writePrivately("x", to: "\(folder)/tls/ca.pem")
        var expected = ClientTLSConfiguration()
        expected.caFile = "\(folder)/tls/ca.pem"
        expected.serverName = "n"
        #expect(try session([]).tls == expected)
        #expect(try session(["--address", "b:2"]).tls == nil, "what is known of a server is for its address")
        #expect(try session(["--address", "a:1"]).tls == expected)
        try Home(path: folder).store("own", .init(address: "a:1", token: "t", tls: expected))
        #expect(try session([]).tls == expected && session([]).token == "t")
        var far = ClientTLSConfiguration()
        far.caFile = "/far/ca"
        (far.certificateFile, far.keyFile) = ("/far/cert", "/far/key")
        try Home(path: folder).store("far", .init(address: "far:1", token: "t", tls: far))
        #expect(try session([]).tls == far && session([]).address == "far:1")
        #expect(try session(["--no-tls"]).tls == nil)
    }

    @Test func aFailureOfTLSSaysWhichFlagHelps() {
        func advice(_ message: String) -> String { TrellisError(.unavailable, message).lines().last ?? "" }
        #expect(advice("the server speaks TLS only: connect with TLS").contains("--tls"))
        #expect(advice("the server does not speak TLS: connect without TLS").contains("--no-tls"))
        #expect(advice("the server's certificate is from an unknown CA: none").contains("--ca FILE"))
        #expect(advice("the server requires a client certificate").contains("--cert FILE"))
    }
}
