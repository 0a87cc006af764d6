import Glibc
import HTTP2
import RPC
import RPCClient
import RPCServer
import Testing

/// Peers that break HTTP/2 or strain it: each is got rid of, others are served as before, and memory stays bounded.
@Suite("Hostile peers", .serialized, .timeLimit(.minutes(2)))
struct HostilePeerTests {
    /// Runs an attack and sees to it that a good caller is served during and after it.
    private func withVictim(
        limits: ServerLimits = .init(),
        connections: Int = 2,
        _ attack: (RawPeer, ControlServer) throws -> Void
    ) async throws {
        try await withControl(limits: limits) { server, channel in
            let _: Note = try await channel.unary("/test.Control/Echo", Note("before"))
            do {
                let peer = try RawPeer(server.address)
                try attack(peer, server)
                let _: Note = try await channel.unary("/test.Control/Echo", Note("during"))
            }
            let answer: Note = try await channel.unary("/test.Control/Echo", Note("after"))
            #expect(answer.text == "after")
            #expect(server.server.counts().connections == connections, "the good caller lost its connection")
        }
    }

    @Test(
        "a peer that does not speak HTTP/2 is closed",
        arguments: [
            "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
            "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}",
        ]
    )
    func notHTTP2(text: String) async throws {
        try await withVictim { peer, _ in
            try peer.write(Array(text.utf8) + [UInt8](repeating: 0, count: 64))
            #expect(peer.waitForClose())
        }
    }

    @Test("a peer that says nothing is closed when its time is over")
    func silent() async throws {
        var limits = ServerLimits()
        limits.http2.handshakeSeconds = 1
        try await withVictim(limits: limits) { peer, _ in #expect(peer.waitForClose()) }
    }

    @Test(
        "frames that break the protocol end the connection with GOAWAY",
        arguments: [
            RawPeer.frame(0, 0, 0, [1, 2, 3]),  // DATA on no stream
            RawPeer.frame(0, 0, 5, [1, 2, 3]),  // DATA on an idle stream
            RawPeer.frame(1, 4, 2, RawPeer.callHeaders("Echo")),  // a client's stream is odd
            RawPeer.frame(1, 4, 1, [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]),  // not HPACK
            RawPeer.frame(4, 0, 0, [0, 0, 0]),  // settings come in sixes
            RawPeer.frame(4, 0, 0, [0, 4, 0xFF, 0xFF, 0xFF, 0xFF]),  // a window beyond 2^31
            RawPeer.frame(6, 0, 0, [1]),  // PING has eight bytes
            RawPeer.frame(8, 0, 0, [0, 0, 0, 0]),  // a window grows by more than nothing
            RawPeer.frame(9, 4, 1, []),  // CONTINUATION of nothing
            [0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0, 1],  // 16 MiB in one frame
        ]
    )
    func brokenFrames(frame: [UInt8]) async throws {
        try await withVictim { peer, _ in
            try peer.greet()
            try peer.write(frame)
            let goaway = peer.read { $0.type == 7 }
            #expect(goaway != nil && goaway?.errorCode != 0)
            #expect(peer.waitForClose())
        }
    }

    @Test("random bytes after the preface do no harm")
    func garbage() async throws {
        try await withVictim(connections: 52) { peer, server in
            var random = SplitMix(seed: 42)
            for _ in 0..<50 {
                let other = try RawPeer(server.address)
                try other.greet()
                try other.write((0..<2000).map { _ in UInt8(truncatingIfNeeded: random.next()) })
            }
        }
    }

    @Test("a megabyte of headers is RESOURCE_EXHAUSTED, and nobody keeps it")
    func headers() async throws {
        try await withVictim { peer, _ in
            try peer.greet()
            let before = residentBytes()
            for round in 0..<10 {
                let stream = UInt32(round * 2 + 1)
                let fields = (0..<64).map { ("name-\($0)", String(repeating: "v", count: 16_000)) }
                try peer.write(RawPeer.frame(1, 1, stream, RawPeer.callHeaders("Echo")))
                for (index, field) in fields.enumerated() {
                    try peer.write(RawPeer.frame(9, index == 63 ? 4 : 0, stream, RawPeer.headerBlock([field])))
                }
                let answer = peer.read { $0.type == 1 && $0.stream == stream }
                // The whole response is one header list, which is :status, content-type, grpc-status, grpc-message.
                #expect(answer?.flags == 5)
            }
            #expect(residentBytes() - before < 16 << 20)
        }
    }

    @Test("a header list that never ends is cut off")
    func endlessHeaders() async throws {
        try await withVictim { peer, _ in
            try peer.greet()
            try peer.write(RawPeer.frame(1, 0, 1, RawPeer.callHeaders("Echo")))
            let more = RawPeer.frame(9, 0, 1, RawPeer.headerBlock([("name", String(repeating: "v", count: 16_000))]))
            for _ in 0..<1000 where try peer.write(more) < more.count { break }
            #expect(peer.waitForClose())
        }
    }

    @Test("small frames that decode to large headers are cut off")
    func headerBomb() async throws {
        try await withVictim { peer, _ in
            try peer.greet()
            let before = residentBytes()
            // One entry of 4000 bytes in the table (literal with indexing), then one byte for each use of it.
            let entry = [0x40] + RawPeer.headerBlock([("bomb", String(repeating: "b", count: 3_900))]).dropFirst()
            try peer.write(RawPeer.frame(1, 0, 1, RawPeer.callHeaders("Echo") + entry))
            let bomb = RawPeer.frame(9, 0, 1, [UInt8](repeating: 0x80 | 62, count: 16_000))
            for _ in 0..<64 where try peer.write(bomb) < bomb.count { break }
            let goaway = peer.read { $0.type == 7 }
            #expect(goaway?.errorCode == 0xb)
            #expect(peer.waitForClose())
            #expect(residentBytes() - before < 16 << 20)
        }
    }

    @Test("streams that are opened and reset at once end the connection", .timeLimit(.minutes(1)))
    func rapidReset() async throws {
        try await withVictim { peer, server in
            try peer.greet()
            var bytes: [UInt8] = []
            for index in 0..<2000 {
                let stream = UInt32(index * 2 + 1)
                bytes += RawPeer.frame(1, 4, stream, RawPeer.callHeaders("Wait"))
                bytes += RawPeer.frame(3, 0, stream, [0, 0, 0, 8])
            }
            try peer.write(bytes)
            #expect(peer.waitForClose())
            #expect(server.server.counts().started <= 600)
        }
    }

    @Test("more streams than are allowed are refused, and none of them becomes a call")
    func tooManyStreams() async throws {
        var limits = ServerLimits()
        limits.http2.concurrentStreams = 10
        try await withVictim(limits: limits) { peer, server in
            try peer.greet()
            // Until the settings have been acknowledged, more is no offence; the server refuses all the same.
            _ = peer.read { $0.type == 4 && $0.flags == 0 }
            try peer.write(RawPeer.frame(4, 1, 0, []))
            for index in 0..<30 {
                let stream = UInt32(index * 2 + 1)
                try peer.write(RawPeer.frame(1, 4, stream, RawPeer.callHeaders("Wait")))
                try peer.write(RawPeer.frame(0, 1, stream, [0, 0, 0, 0, 0]))
            }
            let refusal = peer.read { $0.type == 3 || $0.type == 7 }
            #expect(refusal?.errorCode == 7 || refusal?.type == 7)
            #expect(server.server.counts().started <= 11)
        }
    }

    @Test(
        "floods of frames that do no work end the connection",
        arguments: [
            RawPeer.frame(6, 0, 0, [1, 2, 3, 4, 5, 6, 7, 8]), RawPeer.frame(4, 0, 0, []),
        ]
    )
    func floods(frame: [UInt8]) async throws {
        try await withVictim { peer, _ in
            try peer.greet()
            let many = [UInt8]([[UInt8]](repeating: frame, count: 1000).joined())
            for _ in 0..<100 where try peer.write(many) < many.count { break }
            #expect(peer.waitForClose())
        }
    }

    @Test("empty DATA frames end the connection")
    func emptyData() async throws {
        try await withVictim { peer, _ in
            try peer.greet()
            try peer.write(RawPeer.frame(1, 4, 1, RawPeer.callHeaders("Echo")))
            let many = [UInt8]([[UInt8]](repeating: RawPeer.frame(0, 0, 1, []), count: 1000).joined())
            for _ in 0..<100 where try peer.write(many) < many.count { break }
            #expect(peer.waitForClose())
        }
    }

    @Test("a peer that sends beyond its window is told so")
    func windowOverrun() async throws {
        var limits = ServerLimits()
        limits.http2.streamWindowBytes = 65_535
        try await withVictim(limits: limits) { peer, _ in
            try peer.greet()
            // Chat reads one message and then waits for the next, so the window opens only for what it took.
            try peer.write(RawPeer.frame(1, 4, 1, RawPeer.callHeaders("Wait")))
            let data = RawPeer.frame(0, 0, 1, [UInt8](repeating: 0, count: 16_384))
            for _ in 0..<2000 where try peer.write(data) < data.count { break }
            let end = peer.read { $0.type == 3 || $0.type == 7 || ($0.type == 1 && $0.flags & 1 == 1) }
            #expect(end != nil)
        }
    }

    @Test("a peer with a window of nothing makes its calls wait, and does not make us keep more than a window")
    func zeroWindow() async throws {
        try await withVictim { peer, server in
            try peer.write(RawPeer.preface + RawPeer.frame(4, 0, 0, [0, 4, 0, 0, 0, 0]))
            let before = residentBytes()
            let text = Array("1000000 1000".utf8)
            for index in 0..<100 {
                let stream = UInt32(index * 2 + 1)
                try peer.write(RawPeer.frame(1, 4, stream, RawPeer.callHeaders("Count")))
                try peer.write(RawPeer.frame(0, 1, stream, [0, 0, 0, 0, UInt8(text.count)] + text))
            }
            // All of them have begun, and stand still after 64 KiB each.
            #expect(peer.read { $0.type == 1 && $0.stream == 199 } != nil)
            usleep(200_000)
            #expect(residentBytes() - before < 32 << 20)
            #expect(server.events.all.count(where: { $0 == "sent" }) < 100 * 70)
        }
    }

    @Test("a peer that does not read is not read from, and is closed when its time is over")
    func slowReader() async throws {
        var limits = ServerLimits()
        limits.http2.stalledWriteSeconds = 1
        limits.http2.idleFrameBurst = .max
        limits.http2.queuedAcknowledgements = 100_000
        try await withVictim(limits: limits) { peer, server in
            try peer.greet()
            let before = residentBytes()
            let pings = [UInt8](
                [[UInt8]](repeating: RawPeer.frame(6, 0, 0, [1, 2, 3, 4, 5, 6, 7, 8]), count: 10_000).joined()
            )
            var written = 0
            while written < 200 << 20 {
                let count = try peer.write(pings)
                written += count
                if count < pings.count { break }
            }
            #expect(written < 200 << 20, "the server reads on although nobody takes its answers")
            #expect(residentBytes() - before < 32 << 20)
            for _ in 0..<500 where server.server.counts().openConnections > 1 { usleep(10_000) }
            #expect(server.server.counts().openConnections == 1, "it is not closed")
        }
    }

    @Test("requests that never become whole are bounded, a connection and in all")
    func incompleteRequests() async throws {
        var limits = ServerLimits()
        limits.requestBytesPerConnection = 512 << 10
        try await withVictim(limits: limits) { peer, server in
            try peer.greet()
            for index in 0..<20 {
                let stream = UInt32(index * 2 + 1)
                try peer.write(RawPeer.frame(1, 4, stream, RawPeer.callHeaders("Echo")))
                // Four MiB are announced, 48 KiB come: all of it within the windows.
                try peer.write(RawPeer.frame(0, 0, stream, [0, 0, 0x3F, 0, 0]))
                for _ in 0..<3 { try peer.write(RawPeer.frame(0, 0, stream, [UInt8](repeating: 1, count: 16_384))) }
            }
            let refusal = peer.read { $0.type == 1 && $0.flags & 1 == 1 }
            #expect(refusal != nil)
            #expect(server.events.all.contains("Echo RESOURCE_EXHAUSTED"))
        }
    }

    @Test("more connections than are allowed are closed at once")
    func connections() async throws {
        var limits = ServerLimits()
        limits.connectionsPerLoop = 5
        try await withControl(limits: limits) { server, _ in
            let peers = try (0..<10).map { _ in try RawPeer(server.address) }
            for peer in peers { try peer.greet() }
            let closed = peers.suffix(5).filter { $0.waitForClose() }
            #expect(closed.count == 5)
            #expect(server.server.counts().refusedConnections == 5)
            #expect(peers[0].read { $0.type == 4 } != nil)
        }
    }
}

/// The memory of this process that is in use, in bytes.
/// Always 0 under a sanitizer (scripts/sanitize), which keeps what was freed: bounds of memory are not checked there.
func residentBytes() -> Int {
    guard getenv("TRELLIS_SANITIZE") == nil else { return 0 }
    guard let file = fopen("/proc/self/statm", "r") else { return 0 }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 128)
    guard fgets(&line, 128, file) != nil else { return 0 }
    let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return (Int(text.split(separator: " ")[1]) ?? 0) * Int(getpagesize())
}

/// Numbers that are the same in every run.
struct SplitMix: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
