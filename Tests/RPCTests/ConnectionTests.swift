import EventLoop
import Glibc
import HTTP2
import RPC
import RPCClient
import RPCServer
import Testing

/// What a connection does by itself: keeps time, says goodbye.
@Suite("Connections", .timeLimit(.minutes(1)))
struct ConnectionTests {
    private static let ping = RawPeer.frame(6, 1, 0, [UInt8](repeating: 0, count: 8))

    /// The number of the last stream that a GOAWAY admits.
    private func lastStream(_ frame: RawPeer.Frame?) -> UInt32? {
        frame.map { $0.payload.prefix(4).reduce(0) { $0 << 8 | UInt32($1) } }
    }

    @Test("a draining server warns first, takes what was under way, then says which call was the last, then closes")
    func goodbye() async throws {
        try await withControl { server, _ in
            let peer = try RawPeer(server.address)
            try peer.greet()
            try peer.write(
                RawPeer.frame(1, 4, 1, RawPeer.callHeaders("Pause"))
                    + RawPeer.frame(0, 1, 1, [0, 0, 0, 0, 4] + Array("1000".utf8))
            )
            try await server.events.wait(for: "pausing")
            // On the loop: reading below blocks a thread of the pool, and other tests may block the others.
            let loop = server.group.loops[0]
            loop.submit {
                loop.startTask {
                    await server.server.shutdown(grace: .seconds(10))
                    server.events.add("shut down")
                }
            }
            let warning = peer.read { $0.type == 7 }
            #expect(
                lastStream(warning) == 0x7FFF_FFFF && warning.map { $0.payload[4...].allSatisfy { $0 == 0 } } == true
            )
            // This one was on its way when the warning came.
            try peer.write(
                RawPeer.frame(1, 4, 3, RawPeer.callHeaders("Echo")) + RawPeer.frame(0, 1, 3, [0, 0, 0, 0, 1, 65])
            )
            let answer = peer.read { $0.type == 0 && $0.stream == 3 }
            #expect(answer?.payload == [0, 0, 0, 0, 1, 65])
            #expect(lastStream(peer.read { $0.type == 7 }) == 3)
            let slow = peer.read { $0.type == 0 && $0.stream == 1 }
            #expect(slow?.payload == [0, 0, 0, 0, 4] + Array("1000".utf8))
            #expect(peer.waitForClose())
            try await server.events.wait(for: "shut down")
        }
    }

    @Test("a silent peer is sent a PING, and closed if it does not answer")
    func keepalive() async throws {
        var limits = ServerLimits()
        limits.http2.keepaliveSeconds = 1
        limits.http2.keepaliveTimeoutSeconds = 1
        try await withControl(limits: limits) { server, _ in
            let dead = try RawPeer(server.address)
            let alive = try RawPeer(server.address)
            for peer in [dead, alive] { try peer.greet() }
            for _ in 0..<3 {
                let asked = alive.read { $0.type == 6 && $0.flags == 0 }
                #expect(asked != nil)
                try alive.write(Self.ping)
            }
            #expect(dead.read { $0.type == 6 } != nil)
            #expect(dead.waitForClose())
            while server.server.counts().openConnections > 1 { usleep(1000) }
            #expect(server.server.counts().openConnections == 1)
        }
    }

    @Test("a connection without calls is ended when its time is over, one with a call is not")
    func idle() async throws {
        var limits = ServerLimits()
        limits.http2.idleSeconds = 1
        try await withControl(limits: limits) { server, channel in
            let waiting = Task { () throws -> Note in try await channel.unary("/test.Control/Wait", Note("x")) }
            try await server.events.wait(for: "waiting")
            let idle = try RawPeer(server.address)
            try idle.greet()
            #expect(idle.read { $0.type == 7 } != nil)
            #expect(idle.waitForClose())
            // The server counts it off a moment after its end is seen here.
            while server.server.counts().openConnections > 1 { usleep(1000) }
            #expect(server.server.counts().openConnections == 1)
            waiting.cancel()
            _ = await waiting.result
        }
    }

    @Test("connections are dealt to the loops in turn, and counted a loop")
    func spread() async throws {
        let server = try await ControlServer(loops: 3)
        var peers: [RawPeer] = []
        for _ in 0..<9 {
            let peer = try RawPeer(server.address)
            try peer.greet()
            peers.append(peer)
        }
        // An answer means that the connection has arrived on its loop.
        for peer in peers {
            try peer.write(RawPeer.frame(6, 0, 0, [1, 2, 3, 4, 5, 6, 7, 8]))
            #expect(peer.read { $0.type == 6 && $0.flags == 1 } != nil)
        }
        #expect(server.server.countsByLoop().map(\.openConnections) == [3, 3, 3])
        #expect(server.server.counts().openConnections == 9)
        await server.stop()
    }

    @Test("PING is answered with what it carried")
    func pong() async throws {
        try await withControl { server, _ in
            let peer = try RawPeer(server.address)
            try peer.greet()
            try peer.write(RawPeer.frame(6, 0, 0, [1, 2, 3, 4, 5, 6, 7, 8]))
            let pong = peer.read { $0.type == 6 }
            #expect(pong?.flags == 1 && pong?.payload == [1, 2, 3, 4, 5, 6, 7, 8])
        }
    }
}
