import Glibc
import HTTP2
import RPC
import RPCClient
import RPCServer
import Testing

/// Every limit is reached by a peer that means to, does what its documentation says, and is counted. A limit that is
/// added does not compile here until it has its attack.
@Suite("Limits", .timeLimit(.minutes(2)))
struct LimitTests {
    @Test("a limit of HTTP/2 that is reached is counted", arguments: HTTP2Limit.allCases)
    func http2(limit: HTTP2Limit) async throws {
        switch limit {
        case .concurrentStreams:
            try await reach(limit, { $0.http2.concurrentStreams = 4 }) { peer in
                for index in 0..<8 { try peer.open(index, "Wait") }
                #expect(peer.read { $0.type == 3 && $0.errorCode == 7 } != nil)
            }
        case .headerList:
            try await reach(limit, { $0.http2.headerFields = 10 }) { peer in
                let fields = (0..<20).map { ("name-\($0)", "v") }
                try peer.write(RawPeer.frame(1, 4, 1, RawPeer.callHeaders("Echo", more: fields)))
                #expect(peer.read { $0.type == 1 && $0.flags & 1 == 1 } != nil)
            }
        case .headerBomb:
            try await reachHostile(limit, { $0.http2.hostileHeaderListBytes = 100_000 }) { peer in
                let entry = [0x40] + RawPeer.headerBlock([("bomb", String(repeating: "b", count: 3_900))]).dropFirst()
                try peer.write(RawPeer.frame(1, 0, 1, RawPeer.callHeaders("Echo") + entry))
                try peer.write(RawPeer.frame(9, 0, 1, [UInt8](repeating: 0x80 | 62, count: 1_000)))
            }
        case .continuationFrames:
            try await reachHostile(limit, { $0.http2.continuationFrames = 8 }) { peer in
                try peer.write(RawPeer.frame(1, 0, 1, RawPeer.callHeaders("Echo")))
                for _ in 0..<10 { try peer.write(RawPeer.frame(9, 0, 1, RawPeer.headerBlock([("a", "b")]))) }
            }
        case .headerTime:
            try await reach(limit, { $0.http2.headerSeconds = 1 }) { peer in
                try peer.write(RawPeer.frame(1, 0, 1, RawPeer.callHeaders("Echo")))
                #expect(peer.waitForClose())
            }
        case .brokenStreams:
            try await reachHostile(limit, { $0.http2.brokenStreamBurst = 10 }) { peer in
                for index in 0..<20 {
                    try peer.open(index, "Wait")
                    try peer.write(RawPeer.frame(3, 0, RawPeer.stream(index), [0, 0, 0, 8]))
                }
            }
        case .idleFrames:
            try await reachHostile(limit, { $0.http2.idleFrameBurst = 10 }) { peer in
                for _ in 0..<50 { try peer.write(RawPeer.frame(2, 0, 1, [0, 0, 0, 0, 1])) }
            }
        case .queuedAcknowledgements:
            let setup: (inout ServerLimits) -> Void = {
                $0.http2.queuedAcknowledgements = 10
                $0.http2.idleFrameBurst = 100_000
            }
            try await reachHostile(limit, setup) { peer in
                try peer.write((0..<1000).flatMap { _ in RawPeer.frame(6, 0, 0, [UInt8](repeating: 0, count: 8)) })
            }
        case .stalledWrite:
            let setup: (inout ServerLimits) -> Void = {
                $0.http2.stalledWriteSeconds = 1
                $0.http2.streamOutputBytes = 64 << 20
            }
            try await reach(limit, setup) { peer in
                // The windows are wide open, and nobody reads what comes through them.
                try peer.write(RawPeer.frame(4, 0, 0, [0, 4, 0x7F, 0xFF, 0xFF, 0xFF]))
                try peer.write(RawPeer.frame(8, 0, 0, [0x7F, 0, 0, 0]))
                try peer.call(0, "Count", "64 1000000")
            }
        case .stalledStream:
            try await reach(limit, { $0.http2.stalledStreamSeconds = 1 }) { peer in
                try peer.write(RawPeer.frame(4, 0, 0, [0, 4, 0, 0, 0, 0]))
                try peer.call(0, "Count", "10 100")
                #expect(peer.read { $0.type == 3 }?.errorCode == 8)
            }
        case .handshake:
            try await reach(limit, { $0.http2.handshakeSeconds = 1 }, greets: false) { peer in
                #expect(peer.waitForClose())
            }
        case .keepalive:
            let setup: (inout ServerLimits) -> Void = {
                $0.http2.keepaliveSeconds = 1
                $0.http2.keepaliveTimeoutSeconds = 1
            }
            try await reach(limit, setup) { peer in #expect(peer.waitForClose()) }
        case .idle:
            try await reach(limit, { $0.http2.idleSeconds = 1 }) { peer in
                #expect(peer.read { $0.type == 7 }?.errorCode == 0)
                #expect(peer.waitForClose())
            }
        case .connectionAge:
            try await reach(limit, { $0.http2.connectionAgeSeconds = 1 }) { peer in
                try peer.call(0, "Pause", "2500")
                #expect(peer.read { $0.type == 7 }?.errorCode == 0)
                #expect(peer.read { $0.type == 1 && $0.flags & 1 == 1 } != nil, "the call under way was not answered")
                #expect(peer.waitForClose())
            }
        case .connectionAgeGrace:
            let setup: (inout ServerLimits) -> Void = {
                $0.http2.connectionAgeSeconds = 1
                $0.http2.connectionAgeGraceSeconds = 1
            }
            try await reach(limit, setup) { peer in
                try peer.call(0, "Wait", "")
                #expect(peer.waitForClose())
            }
        }
    }

    @Test("a limit of the server that is reached is counted", arguments: ServerLimit.allCases)
    func server(limit: ServerLimit) async throws {
        switch limit {
        case .messageBytes:
            try await reach(limit, { $0.messageBytes = 100 }) { peer in
                try peer.call(0, "Echo", String(repeating: "x", count: 101))
                #expect(peer.read { $0.type == 1 && $0.flags & 1 == 1 } != nil)
            }
        case .requestBytes:
            try await reach(limit, { $0.requestBytesPerConnection = 100 }) { peer in
                try peer.open(0, "Echo")
                try peer.write(RawPeer.frame(0, 0, 1, [0, 0, 1, 0, 0] + [UInt8](repeating: 1, count: 200)))
                #expect(peer.read { $0.type == 1 && $0.flags & 1 == 1 } != nil)
            }
        case .requestTime:
            try await reach(limit, { $0.requestSeconds = 1 }) { peer in
                try peer.open(0, "Echo")
                #expect(peer.read { $0.type == 1 && $0.flags & 1 == 1 } != nil)
            }
        case .responseBytes:
            try await reach(limit, { $0.responseBytesPerConnection = 1_000 }) { peer in
                try peer.write(RawPeer.frame(4, 0, 0, [0, 4, 0, 0, 0, 0]))
                for index in 0..<4 { try peer.call(index, "Echo", String(repeating: "x", count: 400)) }
                #expect(peer.read { $0.type == 1 && $0.flags & 1 == 1 } != nil)
            }
        case .connections: try await crowd(limit) { $0.connectionsPerLoop = 3 }
        case .connectionsPerAddress: try await crowd(limit) { $0.connectionsPerAddress = 3 }
        case .hostileAddress:
            let setup: (inout ServerLimits) -> Void = {
                $0.hostileConnectionsPerAddress = 2
                $0.hostilitySeconds = 3
                $0.http2.idleFrameBurst = 10
            }
            try await withControl(limits: limits(setup)) { server, channel in
                let _: Note = try await channel.unary("/test.Control/Echo", Note("a good caller, before"))
                for _ in 0..<2 {
                    let peer = try RawPeer(server.address)
                    try peer.greet()
                    for _ in 0..<50 { try peer.write(RawPeer.frame(6, 0, 0, [UInt8](repeating: 0, count: 8))) }
                    #expect(peer.waitForClose())
                }
                let refused = try RawPeer(server.address)
                #expect(refused.waitForClose())
                #expect(hits(server, limit.rawValue) >= 1)
                // Who is connected stays so, and the address is forgiven.
                let _: Note = try await channel.unary("/test.Control/Echo", Note("a good caller, during"))
                var isForgiven = false
                for _ in 0..<20 where !isForgiven {
                    usleep(500_000)
                    let peer = try RawPeer(server.address)
                    try peer.greet()
                    isForgiven = peer.read { $0.type == 4 } != nil
                }
                #expect(isForgiven)
            }
        }
    }

    // MARK: What is no abuse

    @Test("a client that pings and opens windows as it takes data is never too much")
    func goodReader() async throws {
        var limits = ServerLimits()
        limits.http2.idleFrameBurst = 50
        limits.http2.idleFramesPerSecond = 1
        try await withControl(limits: limits) { server, _ in
            let peer = try RawPeer(server.address)
            try peer.greet()
            try peer.call(0, "Count", "2000 1000")
            var taken = 0
            while taken < 2000 * 1005 {
                guard let frame = peer.read(until: { $0.type == 0 }) else {
                    Issue.record("the connection was given up")
                    return
                }
                taken += frame.payload.count
                // What gRPC's own clients do: a ping that measures, and an update for the stream and the connection.
                try peer.write(
                    RawPeer.frame(6, 0, 0, [UInt8](repeating: 2, count: 8)) + RawPeer.frame(8, 0, 1, [0, 0, 64, 0])
                        + RawPeer.frame(8, 0, 0, [0, 0, 64, 0])
                )
            }
            #expect(peer.read { $0.type == 1 && $0.flags & 1 == 1 } != nil)
            #expect(hits(server, HTTP2Limit.idleFrames.rawValue) == 0)
        }
    }

    @Test("a client that cancels all its calls at once is never too much")
    func goodCanceller() async throws {
        try await withControl { server, _ in
            let peer = try RawPeer(server.address)
            try peer.greet()
            for index in 0..<200 { try peer.open(index, "Wait") }
            for index in 0..<200 { try peer.write(RawPeer.frame(3, 0, RawPeer.stream(index), [0, 0, 0, 8])) }
            try peer.call(200, "Echo", "still here")
            #expect(peer.read { $0.type == 0 && $0.stream == RawPeer.stream(200) } != nil)
        }
    }

    @Test(
        "every kind of frame that does no work counts, and pings are called by their name",
        arguments: [
            (RawPeer.frame(6, 0, 0, [1, 2, 3, 4, 5, 6, 7, 8]), "too_many_pings"),
            (RawPeer.frame(4, 0, 0, []), "frames"), (RawPeer.frame(2, 0, 1, [0, 0, 0, 0, 1]), "frames"),
            (RawPeer.frame(8, 0, 0, [0, 0, 0, 1]), "frames"), (RawPeer.frame(0xEE, 0, 0, [1]), "frames"),
            (RawPeer.frame(0, 0, 1, []), "frames"), (RawPeer.frame(0, 8, 1, [3, 0, 0, 0]), "frames"),
            (RawPeer.frame(8, 0, 1, [0, 0, 0, 1]), "frames"), (RawPeer.frame(1, 5, 3, []), "frames"),
            (RawPeer.frame(0, 1, 3, []), "frames"), (RawPeer.frame(3, 0, 3, [0, 0, 0, 8]), "frames"),
        ]
    )
    func idleFrames(frame: [UInt8], word: String) async throws {
        let setup: (inout ServerLimits) -> Void = {
            $0.http2.idleFrameBurst = 50
            $0.http2.queuedAcknowledgements = 100_000
        }
        try await reachHostile(.idleFrames, setup, saying: word) { peer in
            try peer.open(0, "Wait")
            // Stream 3 has been closed, so that a reset of it is late and no offence.
            try peer.call(1, "Echo", "")
            #expect(peer.read { $0.type == 1 && $0.stream == 3 && $0.flags & 1 == 1 } != nil)
            try peer.write([UInt8]([[UInt8]](repeating: frame, count: 2000).joined()))
        }
    }

    @Test("streams that we have to reset for a peer's errors count like those that it resets")
    func madeToReset() async throws {
        try await reachHostile(HTTP2Limit.brokenStreams, { $0.http2.brokenStreamBurst = 10 }) { peer in
            for index in 0..<20 {
                try peer.open(index, "Wait")
                try peer.write(RawPeer.frame(8, 0, RawPeer.stream(index), [0x7F, 0xFF, 0xFF, 0xFF]))
            }
        }
    }

    // MARK: Inside

    private func limits(_ setup: (inout ServerLimits) -> Void) -> ServerLimits {
        var limits = ServerLimits()
        setup(&limits)
        return limits
    }

    private func hits(_ server: ControlServer, _ name: String) -> Int { server.server.counts().limitHits[name] ?? -1 }

    /// Runs an attack, and waits until the limit counts it; a good caller is served all the while.
    private func reach(
        _ limit: some RawRepresentable<String>,
        _ setup: (inout ServerLimits) -> Void,
        greets: Bool = true,
        _ attack: (RawPeer) throws -> Void
    ) async throws {
        try await withControl(limits: limits(setup)) { server, _ in
            #expect(hits(server, limit.rawValue) == 0)
            let peer = try RawPeer(server.address)
            if greets { try peer.greet() }
            try attack(peer)
            for _ in 0..<500 where hits(server, limit.rawValue) == 0 { usleep(10_000) }
            #expect(hits(server, limit.rawValue) >= 1, "\(limit.rawValue) was not counted")
        }
    }

    /// The same, and the connection is ended with ENHANCE_YOUR_CALM.
    private func reachHostile(
        _ limit: HTTP2Limit,
        _ setup: (inout ServerLimits) -> Void,
        saying word: String = "",
        _ attack: (RawPeer) throws -> Void
    ) async throws {
        #expect(limit.isHostile)
        try await reach(limit, setup) { peer in
            try attack(peer)
            let goaway = peer.read { $0.type == 7 }
            #expect(goaway?.errorCode == 0xb)
            let said = String(decoding: goaway?.payload.dropFirst(8) ?? [], as: UTF8.self)
            #expect(word.isEmpty ? !said.isEmpty : said.contains(word))
            #expect(peer.waitForClose())
        }
    }

    /// Opens more connections than three.
    private func crowd(_ limit: ServerLimit, _ setup: (inout ServerLimits) -> Void) async throws {
        try await withControl(limits: limits(setup)) { server, _ in
            let peers = try (0..<6).map { _ in try RawPeer(server.address) }
            for peer in peers { try peer.greet() }
            #expect(peers.suffix(3).filter { $0.waitForClose() }.count == 3)
            #expect(hits(server, limit.rawValue) == 3)
            #expect(peers[0].read { $0.type == 4 } != nil)
        }
    }
}

extension RawPeer {
    /// The number of a client's stream, counted from 0.
    static func stream(_ index: Int) -> UInt32 { UInt32(index * 2 + 1) }

    /// Opens a call.
    func open(_ index: Int, _ method: String) throws {
        try write(Self.frame(1, 4, Self.stream(index), Self.callHeaders(method)))
    }

    /// Makes a whole call with a text for its message.
    func call(_ index: Int, _ method: String, _ text: String) throws {
        try open(index, method)
        let bytes = Array(text.utf8)
        let prefix = [0, 0, 0, UInt8(bytes.count >> 8), UInt8(bytes.count & 255)]
        try write(Self.frame(0, 1, Self.stream(index), prefix + bytes))
    }
}
