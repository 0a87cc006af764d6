import Foundation
import HTTP2
import RPC
import RPCClient
import RPCServer
import Synchronization
import TestSupport
import Testing

@testable import TLS

/// What outlives a connection: sessions, and certificates that are replaced.
@Suite("TLS sessions and reloads", .timeLimit(.minutes(2)))
struct SessionTests {
    private let certificates: Certificates
    private let server: ServerTLSConfiguration

    init() async throws {
        certificates = try await Certificates()
        let pair = try await certificates.make("server", "DNS:localhost")
        server = ServerTLSConfiguration(certificateFile: pair.certificate, keyFile: pair.key)
    }

    private func client(_ pair: Certificates.Pair? = nil) throws -> ClientTLS {
        var configuration = ClientTLSConfiguration()
        configuration.caFile = certificates.ca
        configuration.certificateFile = pair?.certificate
        configuration.keyFile = pair?.key
        return try ClientTLS(configuration)
    }

    @discardableResult
    private func call(_ server: SecureServer, _ security: ClientTLS, _ method: String = "Who") async throws -> String {
        try await withChannel(server, security) { channel in
            try await channel.unary("/test.Secure/\(method)", Blob("x"), returning: Blob.self).text
        }
    }

    private func counts(_ server: SecureServer) -> [Int] {
        guard let counts = server.tls?.counts() else { return [] }
        return [counts.handshakes, counts.resumed]
    }

    private func replace(_ old: String, by new: String) throws {
        try FileManager.default.removeItem(atPath: old)
        try FileManager.default.copyItem(atPath: new, toPath: old)
    }

    @Test("a session is taken up again on whichever loop, and after a reload, with the client's identity")
    func resumption() async throws {
        var configuration = server
        configuration.clientCAFile = certificates.ca
        let pair = try await certificates.make("billing", "DNS:billing.test")
        try await withServer(configuration, loops: 3) { server in
            let security = try client(pair)
            for _ in 0..<4 {
                #expect(try await call(server, security).hasPrefix("CN=billing,O=Trellis"))
            }
            #expect(counts(server) == [4, 3])
            try server.tls?.reload()
            #expect(try await call(server, security).hasPrefix("CN=billing,O=Trellis"))
            #expect(counts(server) == [5, 4])
        }
    }

    @Test("a session made under other rules for clients is not taken up again")
    func rules() async throws {
        var configuration = server
        configuration.clientCAFile = certificates.path("clients.pem")
        configuration.clientCertificates = .optional
        try FileManager.default.copyItem(atPath: certificates.ca, toPath: certificates.path("clients.pem"))
        let pair = try await certificates.make("billing", "DNS:billing.test")
        try await withServer(configuration) { server in
            let security = try client(pair)
            #expect(try await call(server, security).hasPrefix("CN=billing"))
            try replace(certificates.path("clients.pem"), by: certificates.path("other.pem"))
            try server.tls?.reload()
            // Its CA is not trusted any more: a session must not get around that.
            let reason = try await failure(server, security)
            #expect(reason.contains("the server does not trust the CA of our certificate"), "\(reason)")
            #expect(counts(server) == [1, 0])
        }
    }

    @Test("ticket keys rotate: a ticket of the last key is good, one whose time is over is not")
    func rotation() async throws {
        let clock = Clock()
        try await withServer(server, now: { clock.seconds.load(ordering: .relaxed) }) { server in
            let security = try client()
            try await call(server, security)
            clock.seconds.wrappingAdd(UInt64(TLSLimits.ticketKeySeconds), ordering: .relaxed)
            try await call(server, security)
            #expect(counts(server) == [2, 1])
            let life = UInt64(TLSLimits.ticketKeySeconds + TLSLimits.sessionSeconds)
            clock.seconds.wrappingAdd(life, ordering: .relaxed)
            try await call(server, security)
            #expect(counts(server) == [3, 1])
        }
    }

    /// A clock that stands still unless it is moved.
    private final class Clock: Sendable {
        let seconds = Atomic<UInt64>(1000)
    }

    @Test("a reload is for new connections and leaves an open stream alone; a bad file keeps the old certificate")
    func reload() async throws {
        let next = try await certificates.make("next", "DNS:localhost")
        try await withServer(server) { server in
            func subject() async throws -> String {
                let address = "localhost:\(server.port)"
                let words = ["s_client", "-connect", address, "-alpn", "h2", "-CAfile", certificates.ca]
                let text = try await Certificates.openssl(words, mayFail: true)
                return text.split(separator: "\n").first { $0.hasPrefix("subject=") }.map(String.init) ?? text
            }
            #expect(try await subject().hasSuffix("CN = server"))
            try await withChannel(server, try client()) { channel in
                let stream = channel.serverStreaming("/test.Secure/Count", Blob("3000 1000"), returning: Blob.self)
                var iterator = stream.makeAsyncIterator()
                _ = try await iterator.next()
                try replace(self.server.certificateFile, by: next.certificate)
                // The certificate without its key: not usable.
                let error = #expect(throws: TLSConfigurationError.self) { try server.tls?.reload() }
                #expect(error?.description.contains("is not the key of the first certificate") == true)
                #expect(try await subject().hasSuffix("CN = server"))
                try replace(self.server.keyFile, by: next.key)
                try server.tls?.reload()
                #expect(try await subject().hasSuffix("CN = next"))
                var count = 1
                while try await iterator.next() != nil { count += 1 }
                #expect(count == 3000)
                _ = try await channel.unary("/test.Secure/Echo", Blob("x"), returning: Blob.self)
            }
            let counts = try #require(server.tls?.counts())
            #expect(counts.reloads == 1 && counts.failedReloads == 1)
            #expect(counts.handshakes == 4)
        }
    }
}
