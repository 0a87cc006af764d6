import HTTP2
import RPC
import RPCClient
import RPCServer
import TestSupport
import Testing

@testable import TLS

/// Who gets a connection with whom, and what is said when not.
@Suite("TLS handshakes", .timeLimit(.minutes(2)))
struct HandshakeTests {
    private let certificates: Certificates
    private let server: ServerTLSConfiguration

    init() async throws {
        certificates = try await Certificates()
        let pair = try await certificates.make("server", "DNS:localhost,IP:127.0.0.1")
        server = ServerTLSConfiguration(certificateFile: pair.certificate, keyFile: pair.key)
    }

    private func client(
        ca: String? = nil,
        _ pair: Certificates.Pair? = nil,
        _ version: TLSVersion = .v1_3,
        name: String? = nil
    ) throws -> ClientTLS {
        var configuration = ClientTLSConfiguration()
        configuration.caFile = ca ?? certificates.ca
        configuration.certificateFile = pair?.certificate
        configuration.keyFile = pair?.key
        configuration.minimumVersion = version
        configuration.serverName = name
        return try ClientTLS(configuration)
    }

    private func who(_ server: SecureServer, _ security: ClientTLS) async throws -> [String] {
        try await withChannel(server, security) { channel in
            try await channel.unary("/test.Secure/Who", Blob("x"), returning: Blob.self).text
                .split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        }
    }

    @Test("calls go through TLS, to a name and to an address of the certificate")
    func calls() async throws {
        try await withServer(server) { server in
            for host in ["localhost", "127.0.0.1"] {
                let answer = try await withChannel(server, try client(), host: host) { channel in
                    try await channel.unary("/test.Secure/Echo", Blob("hello"), returning: Blob.self)
                }
                #expect(answer.text == "hello")
            }
            let counts = try #require(server.server.counts().security)
            #expect(counts.handshakes == 2 && counts.failed == 0 && counts.resumed == 0)
            let expiry = try #require(counts.certificateExpiry)
            #expect(expiry > 1_700_000_000)
        }
    }

    @Test("a server of an unknown CA is refused")
    func unknownCA() async throws {
        try await withServer(server) { server in
            let reason = try await failure(server, try client(ca: certificates.path("other.pem")))
            #expect(reason.contains("the server's certificate is from an unknown CA"), "\(reason)")
            let seen = try await server.failures.first()
            #expect(seen == "the client does not trust the CA of our certificate")
        }
    }

    @Test("a server with an expired certificate is refused")
    func expired() async throws {
        let pair = try await certificates.make("old", "DNS:localhost", days: -1)
        try await withServer(.init(certificateFile: pair.certificate, keyFile: pair.key)) { server in
            let reason = try await failure(server, try client())
            #expect(reason.contains("the server's certificate has expired"), "\(reason)")
            let seen = try await server.failures.first()
            #expect(seen == "the client says that our certificate has expired")
        }
    }

    @Test("a server of another name is refused, and the client says which names the certificate has")
    func wrongName() async throws {
        let pair = try await certificates.make("elsewhere", "DNS:api.example.com")
        try await withServer(.init(certificateFile: pair.certificate, keyFile: pair.key)) { server in
            for host in ["localhost", "127.0.0.1"] {
                let reason = try await failure(server, try client(), host: host)
                #expect(
                    reason.contains("the server's certificate is not for \(host), but for api.example.com"),
                    "\(reason)"
                )
            }
            let named = try client(name: "api.example.com")
            #expect(try await who(server, named) == ["nobody"])
        }
    }

    @Test("a certificate that is meant for clients is refused for a server")
    func wrongUse() async throws {
        let pair = try await certificates.make("client-only", "DNS:localhost", use: "clientAuth")
        try await withServer(.init(certificateFile: pair.certificate, keyFile: pair.key)) { server in
            let reason = try await failure(server, try client())
            #expect(reason.contains("is not meant for a server"), "\(reason)")
        }
    }

    @Test("where client certificates are required, one without is refused, one of another CA too")
    func clientCertificateRequired() async throws {
        var configuration = server
        configuration.clientCAFile = certificates.ca
        let good = try await certificates.make("billing", "DNS:billing.test,URI:spiffe://test/billing")
        let bad = try await certificates.make("stranger", "DNS:stranger.test", issuer: "other")
        try await withServer(configuration) { server in
            let missing = try await failure(server, try client())
            #expect(missing.contains("the server requires a client certificate"), "\(missing)")
            let stranger = try await failure(server, try client(bad))
            #expect(stranger.contains("the server does not trust the CA of our certificate"), "\(stranger)")
            let identity = try await who(server, try client(good))
            #expect(identity[0] == "CN=billing,O=Trellis")
            #expect(identity[1] == "billing.test" && identity[2] == "spiffe://test/billing")
            let print = try await Certificates.openssl([
                "x509", "-in", good.certificate, "-noout", "-fingerprint", "-sha256",
            ])
            let digits = try #require(print.split(separator: "=").last).filter { $0.isHexDigit }.lowercased()
            #expect(identity[3] == digits)
            #expect(
                server.failures.all == [
                    "the client sent no certificate, and one is required",
                    "the client's certificate is from an unknown CA: none that is trusted here has issued it",
                ]
            )
        }
    }

    @Test("where client certificates are optional, one without is nobody, and a bad one is refused")
    func clientCertificateOptional() async throws {
        var configuration = server
        configuration.clientCAFile = certificates.ca
        configuration.clientCertificates = .optional
        let good = try await certificates.make("guest", "DNS:guest.test")
        let bad = try await certificates.make("forger", "DNS:guest.test", issuer: "other")
        try await withServer(configuration) { server in
            #expect(try await who(server, try client()) == ["nobody"])
            #expect(try await who(server, try client(good)).first == "CN=guest,O=Trellis")
            let reason = try await failure(server, try client(bad))
            #expect(reason.contains("the server does not trust the CA of our certificate"), "\(reason)")
        }
    }

    @Test("TLS 1.2 is refused unless it is allowed, and then only with forward-secret suites")
    func versions() async throws {
        let old = ["s_client", "-tls1_2", "-alpn", "h2", "-CAfile", certificates.ca, "-connect"]
        try await withServer(server) { server in
            let text = try await Certificates.openssl(old + ["localhost:\(server.port)"], mayFail: true)
            #expect(text.contains("alert protocol version"), "\(text)")
            let seen = try await server.failures.first()
            #expect(seen.contains("no TLS version that both sides take"))
        }
        var configuration = server
        configuration.minimumVersion = .v1_2
        try await withServer(configuration) { server in
            let text = try await Certificates.openssl(old + ["localhost:\(server.port)"], mayFail: true)
            #expect(text.contains("Protocol  : TLSv1.2") && text.contains("Cipher    : ECDHE-"), "\(text)")
            let weak = try await Certificates.openssl(
                old + ["localhost:\(server.port)", "-cipher", "ECDHE-ECDSA-AES128-SHA256"],
                mayFail: true
            )
            #expect(weak.contains("alert handshake failure"), "\(weak)")
            #expect(try await who(server, try client()) == ["nobody"])
        }
    }

    @Test("a client that does not offer h2 is refused with no_application_protocol")
    func protocols() async throws {
        try await withServer(server) { server in
            for offer in [[], ["-alpn", "http/1.1"]] {
                let words = ["s_client", "-connect", "localhost:\(server.port)", "-CAfile", certificates.ca]
                let text = try await Certificates.openssl(words + offer, mayFail: true)
                #expect(text.contains("alert number 120"), "\(offer): \(text)")
            }
            let words = ["s_client", "-connect", "localhost:\(server.port)", "-CAfile", certificates.ca]
            let good = try await Certificates.openssl(words + ["-alpn", "http/1.1,h2"], mayFail: true)
            #expect(good.contains("ALPN protocol: h2") && good.contains("Compression: NONE"), "\(good)")
            #expect(server.failures.all.allSatisfy { $0 == "the client does not offer the protocol h2 (ALPN)" })
            #expect(server.tls?.counts().failed == 2)
        }
    }

    @Test("a client without TLS and a server with it, and the other way round, say what to do")
    func mixedUp() async throws {
        try await withServer(server) { server in
            let reason = try await failure(server, nil)
            #expect(reason.contains("the server speaks TLS only: connect with TLS"), "\(reason)")
            let seen = try await server.failures.first()
            #expect(seen == "what the client sent is no TLS: it has to connect with TLS")
        }
        try await withServer(nil) { server in
            let reason = try await failure(server, try client())
            #expect(reason.contains("the server does not speak TLS: connect without TLS"), "\(reason)")
        }
    }

    @Test("files that cannot be used are named, with what is wrong")
    func badFiles() async throws {
        func problem(_ certificate: String, _ key: String, ca: String? = nil) -> String {
            var configuration = ServerTLSConfiguration(certificateFile: certificate, keyFile: key)
            configuration.clientCAFile = ca
            do throws(TLSConfigurationError) {
                _ = try ServerTLS(configuration)
                return "none"
            } catch { return error.description }
        }
        let good = server
        let other = try await certificates.make("another", "DNS:x")
        let locked = certificates.path("locked.key")
        try await Certificates.openssl(["pkcs8", "-topk8", "-in", good.keyFile, "-out", locked, "-passout", "pass:x"])
        #expect(problem("/nowhere/a.pem", good.keyFile) == "cannot read '/nowhere/a.pem': No such file or directory")
        #expect(problem(good.keyFile, good.keyFile).contains("'\(good.keyFile)' is no certificate chain in PEM"))
        #expect(problem(good.certificateFile, good.certificateFile).contains("is no private key in PEM"))
        #expect(problem(good.certificateFile, other.key).contains("is not the key of the first certificate in"))
        #expect(problem(good.certificateFile, locked).contains("is encrypted with a password"))
        #expect(problem(good.certificateFile, good.keyFile, ca: good.keyFile).contains("no file of CA certificates"))
        #expect(problem(good.certificateFile, good.keyFile) == "none")
        var half = ClientTLSConfiguration()
        half.certificateFile = good.certificateFile
        let error = #expect(throws: TLSConfigurationError.self) { try ClientTLS(half) }
        #expect(error?.description.contains("needs its key") == true)
    }
}
