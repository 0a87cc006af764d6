import EventLoop
import Glibc
import HTTP2
import RPC
import RPCClient
import RPCServer
import TestSupport
import Testing

@testable import TLS

/// What goes over an established connection, and what peers can do who never get as far.
@Suite("TLS transfers and hostile peers", .timeLimit(.minutes(2)))
struct TransferTests {
    private let certificates: Certificates
    private let server: ServerTLSConfiguration

    init() async throws {
        certificates = try await Certificates()
        let pair = try await certificates.make("server", "DNS:localhost")
        server = ServerTLSConfiguration(certificateFile: pair.certificate, keyFile: pair.key)
    }

    private func client() throws -> ClientTLS {
        var configuration = ClientTLSConfiguration()
        configuration.caFile = certificates.ca
        return try ClientTLS(configuration)
    }

    /// TLS over sockets that send little at once, so that every write is a partial one. (Small receive buffers would
    /// only wait for TCP's timers.)
    private struct SmallBuffers: ServerTransportSecurity, ClientTransportSecurity {
        var server: ServerTLS?
        var client: ClientTLS?
        var bytes: Int32

        private func shrink(_ socket: Int32) {
            var size = bytes
            setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &size, socklen_t(MemoryLayout<Int32>.size))
        }

        func transport(over socket: Int32) throws(HTTP2Error) -> any ByteTransport {
            shrink(socket)
            guard let server else { throw .transport("no server") }
            return server.transport(over: socket)
        }

        func transport(over socket: Int32, serverName: String) throws(HTTP2Error) -> any ByteTransport {
            shrink(socket)
            guard let client else { throw .transport("no client") }
            return client.transport(over: socket, serverName: serverName)
        }

        func counts() -> TransportSecurityCounts { server?.counts() ?? TransportSecurityCounts() }
    }

    @Test(
        "large transfers arrive whole in both directions, through socket buffers of all sizes",
        arguments: [Int32(4096), 70_000, 4_000_000]
    )
    func transfers(bufferBytes: Int32) async throws {
        try await withServer(server, wrap: { SmallBuffers(server: $0, bytes: bufferBytes) }) { server in
            try await withChannel(server, SmallBuffers(client: try client(), bytes: bufferBytes)) { channel in
                async let down: Int = {
                    var count = 0
                    let stream = channel.serverStreaming("/test.Secure/Count", Blob("60 100000"), returning: Blob.self)
                    for try await blob in stream {
                        #expect(blob.bytes == [UInt8](repeating: UInt8(count & 127), count: 100_000))
                        count += 1
                    }
                    return count
                }()
                let up = channel.call("/test.Secure/Sum")
                for _ in 0..<60 { await up.send([UInt8](repeating: 7, count: 100_000)) }
                up.finishSending()
                let sum = try await up.next() ?? []
                #expect(String(decoding: sum, as: UTF8.self) == "60 6000000")
                #expect(try await down == 60)
                let big = [UInt8](repeating: 9, count: 3_500_000)
                let echo = try await channel.unary("/test.Secure/Echo", Blob(big), returning: Blob.self)
                #expect(echo.bytes == big)
            }
        }
    }

    /// A socket to the server, without any TLS.
    private final class RawSocket {
        let descriptor: Int32

        init(_ server: SecureServer) throws {
            let address = try #require(try SocketAddress.resolve(host: "127.0.0.1", port: server.port).first)
            descriptor = try ClientSocket.connect(to: address).descriptor
            try #require(wait(Int16(POLLOUT), 5000))
        }

        deinit { close(descriptor) }

        func wait(_ events: Int16, _ milliseconds: Int32) -> Bool {
            var entry = pollfd(fd: descriptor, events: events, revents: 0)
            return poll(&entry, 1, milliseconds) > 0
        }

        func write(_ bytes: [UInt8]) { _ = send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) }

        /// What the server sends until it closes, which it has to do within 10 s.
        func readToEnd() throws -> [UInt8] {
            var all: [UInt8] = []
            var chunk = [UInt8](repeating: 0, count: 4096)
            while true {
                try #require(wait(Int16(POLLIN), 10_000), "the server does not close the connection")
                let count = read(descriptor, &chunk, chunk.count)
                if count <= 0 { return all }
                all += chunk[..<count]
            }
        }
    }

    @Test("a handshake that never ends is closed by the handshake limit, with or without a first byte")
    func slowLoris() async throws {
        try await withServer(server, handshakeSeconds: 1) { server in
            let silent = try RawSocket(server)
            let slow = try RawSocket(server)
            // The head of a record with a ClientHello, and no more.
            slow.write([22, 3, 1, 2, 0, 1, 0, 1])
            _ = try silent.readToEnd()
            _ = try slow.readToEnd()
            try await server.waitForConnections(0)
            #expect(server.server.counts().connections == 2)
            #expect(server.failures.all == ["the TLS handshake was not completed"])
        }
    }

    @Test("garbage instead of a ClientHello ends the connection and is counted")
    func garbage() async throws {
        try await withServer(server) { server in
            let samples: [[UInt8]] = [
                [UInt8](repeating: 0, count: 100), [UInt8](repeating: 0xFF, count: 100),
                [22, 3, 1, 0, 4, 1, 0, 0, 0], [22, 3, 1, 0xFF, 0xFF] + [UInt8](repeating: 1, count: 100),
                Array("GET / HTTP/1.1\r\n\r\n".utf8), [21, 3, 3, 0, 2, 2, 40],
            ]
            for bytes in samples {
                let peer = try RawSocket(server)
                peer.write(bytes)
                _ = try peer.readToEnd()
            }
            try await server.waitForConnections(0)
            #expect(server.failures.all.count == samples.count)
            #expect(server.failures.all[4] == "what the client sent is no TLS: it has to connect with TLS")
            // It serves on.
            let answer = try await withChannel(server, try client()) { channel in
                try await channel.unary("/test.Secure/Echo", Blob("still here"), returning: Blob.self)
            }
            #expect(answer.text == "still here")
        }
    }

    @Test("a shutdown does not wait for a handshake that stands still")
    func shutdown() async throws {
        let server = try await SecureServer(server, handshakeSeconds: 60)
        let peer = try RawSocket(server)
        peer.write([22, 3, 1, 2, 0, 1])
        try await server.waitForConnections(1)
        await server.server.shutdown(grace: .seconds(60))
        #expect(server.server.counts().openConnections == 0)
        _ = try peer.readToEnd()
        await server.stop()
    }

    @Test("a server that goes says so with close_notify")
    func closeNotify() async throws {
        let server = try await SecureServer(server)
        let words = ["s_client", "-connect", "localhost:\(server.port)", "-CAfile", certificates.ca, "-alpn", "h2"]
        async let text = Certificates.openssl(words + ["-ign_eof", "-msg"], mayFail: true)
        try await server.waitForConnections(1)
        for _ in 0..<500 where server.tls?.counts().handshakes == 0 { try await Task.sleep(for: .milliseconds(10)) }
        await server.stop()
        #expect(try await text.contains("close_notify"))
    }
}
