import EventLoop
import Glibc
import HTTP2
import RPC
import RPCClient
import RPCServer
import Testing

/// How a channel finds its servers, keeps to them and leaves them.
@Suite("Connectivity", .timeLimit(.minutes(1)))
struct ConnectivityTests {
    /// A port on which nobody listens, for now.
    private static func freePort() async throws -> UInt16 {
        let server = RawServer { _, _ in }
        server.stop()
        return try #require(server.address.split(separator: ":").last.flatMap { UInt16($0) })
    }

    private static func echo(_ channel: Channel, _ options: CallOptions = .init()) async throws -> String {
        let note: Note = try await channel.unary("/test.Control/Echo", Note("hello"), options)
        return note.text
    }

    private static func expectEcho(_ channel: Channel, _ options: CallOptions = .init()) async throws {
        let answer = try await echo(channel, options)
        #expect(answer == "hello")
    }

    private static let answering: @Sendable (RawPeer, Int) -> Void = { peer, _ in
        peer.welcome()
        while let stream = peer.nextCall() { peer.answer(stream, "here") }
    }

    @Test("a channel is idle, connects for its first call, is ready, and is shut down")
    func states() async throws {
        let server = RawServer(Self.answering)
        let channel = try Channel(address: server.address)
        #expect(channel.state == .idle)
        let states = Task { await channel.states().reduce(into: []) { $0.append($1) } }
        // It is watched before it is asked for anything.
        while await channel.keepaliveTime() == nil {}
        _ = try await channel.unaryBytes("/a.B/C", [])
        #expect(channel.state == .ready)
        await channel.close()
        #expect(channel.state == .shutdown)
        #expect(await states.value.suffix(3) == [.connecting, .ready, .shutdown])
        let late = await #expect(throws: RPCError.self) { try await channel.unaryBytes("/a.B/C", []) }
        #expect(late?.code == .unavailable && late?.message.contains("closed") == true)
        server.stop()
    }

    @Test("a call that waits for a server gets through when there is one, and says why when its time is over")
    func waitForReady() async throws {
        let port = try await Self.freePort()
        let channel = try Channel(address: "127.0.0.1:\(port)")
        var options = CallOptions(timeout: .milliseconds(300))
        options.waitForReady = true
        let error = await #expect(throws: RPCError.self) { try await channel.unaryBytes("/a.B/C", [], options) }
        #expect(error?.code == .deadlineExceeded && error?.message.contains("refused") == true)
        options.timeout = .seconds(30)
        let waiting = Task { [options] in try await channel.unaryBytes("/a.B/C", [], options) }
        for await state in channel.states() where state == .transientFailure { break }
        let server = RawServer(port: port, Self.answering)
        #expect(try await waiting.value.message == Array("here".utf8))
        await channel.close()
        server.stop()
    }

    @Test(
        "a port that is none of gRPC is UNAVAILABLE and says so",
        arguments: [
            ("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "gRPC server"),
            ("\u{15}\u{3}\u{1}\0\u{2}\u{2}\n", "connect with TLS"), ("", "gRPC server"),
        ]
    )
    func notGRPC(answer: String, advice: String) async throws {
        let server = RawServer { peer, _ in
            if !answer.isEmpty { peer.put(Array(answer.utf8)) }
            if answer.utf8.count > 9 { _ = peer.waitForClose() }
        }
        var configuration = ChannelConfiguration()
        configuration.serviceConfig = ServiceConfig()
        let channel = try Channel(address: server.address, configuration: configuration)
        let error = await #expect(throws: RPCError.self) { try await channel.unaryBytes("/a.B/C", []) }
        #expect(
            error?.code == .unavailable && error?.message.contains(advice) == true,
            "\(error.debugDescription)"
        )
        await channel.close()
        server.stop()
    }

    @Test("a server that says nothing is given up after the connect timeout")
    func silent() async throws {
        let server = RawServer { peer, _ in _ = peer.waitForClose() }
        var configuration = ChannelConfiguration()
        configuration.serviceConfig = ServiceConfig()
        configuration.connectTimeout = .milliseconds(200)
        let channel = try Channel(address: server.address, configuration: configuration)
        let error = await #expect(throws: RPCError.self) { try await channel.unaryBytes("/a.B/C", []) }
        #expect(error?.code == .unavailable && error?.message.contains("SETTINGS".lowercased()) == true)
        await channel.close()
        server.stop()
    }

    @Test("of several addresses the first that answers is used; a silent one does not hold up the next")
    func pickFirst() async throws {
        let nobody = try await Self.freePort()
        let silent = RawServer { peer, _ in _ = peer.waitForClose() }
        try await withControl { server, _ in
            var configuration = ChannelConfiguration()
            configuration.connectTimeout = .seconds(3600)
            let channel = try Channel(
                addresses: ["127.0.0.1:\(nobody)", silent.address, server.address],
                configuration: configuration
            )
            for _ in 0..<10 { try await Self.expectEcho(channel) }
            #expect(server.server.counts().connections == 1)
            await channel.close()
        }
        silent.stop()
        #expect(throws: ChannelError.self) { try Channel(addresses: ["127.0.0.1:1", "x"]) }
        #expect(throws: ChannelError.self) { try Channel(addresses: []) }
        let many = (1...257).map { "127.0.0.1:\($0)" }
        #expect(throws: ChannelError.self) { try Channel(addresses: many) }
    }

    @Test("a name that has several addresses, or none, is looked up")
    func names() async throws {
        try await withControl { server, _ in
            let port = try #require(server.address.split(separator: ":").last)
            // Where it is ::1 first, that is refused.
            let channel = try Channel(address: "localhost:\(port)")
            try await Self.expectEcho(channel)
            await channel.close()
        }
        var configuration = ChannelConfiguration()
        configuration.serviceConfig = ServiceConfig()
        let channel = try Channel(address: "no-such-host.invalid:1", configuration: configuration)
        let error = await #expect(throws: RPCError.self) { try await channel.unaryBytes("/a.B/C", []) }
        #expect(error?.code == .unavailable && error?.message.contains("no-such-host.invalid") == true)
        await channel.close()
    }

    @Test("round_robin gives every server its share, and goes on without one that is gone")
    func roundRobin() async throws {
        try await withControl { one, _ in
            try await withControl { two, _ in
                var configuration = ChannelConfiguration()
                configuration.serviceConfig.loadBalancing = .roundRobin
                let channel = try Channel(addresses: [one.address, two.address], configuration: configuration)
                while one.server.counts().started < 1 || two.server.counts().started < 1 {
                    try await Self.expectEcho(channel)
                }
                let before = [one.server.counts().started, two.server.counts().started]
                for _ in 0..<100 { _ = try await Self.echo(channel) }
                #expect(one.server.counts().started - before[0] == 50)
                #expect(two.server.counts().started - before[1] == 50)
                await one.server.shutdown(grace: .seconds(5))
                for _ in 0..<20 { try await Self.expectEcho(channel, CallOptions(isIdempotent: true)) }
                await channel.close()
            }
        }
    }

    @Test("no call is lost when a server says goodbye while calls are under way")
    func goodbye() async throws {
        let one = try await ControlServer()
        let two = try await ControlServer()
        let channel = try Channel(addresses: [one.address, two.address])
        try await Self.expectEcho(channel)
        try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    var count = 0
                    while two.server.counts().started < 100 {
                        try await Self.expectEcho(channel)
                        count += 1
                    }
                    return count
                }
            }
            group.addTask {
                while one.server.counts().started < 100 { try await Task.sleep(for: .milliseconds(1)) }
                await one.stop(grace: .seconds(10))
                return 0
            }
            var total = 1
            for try await count in group { total += count }
            let counts = [one.server.counts().started, two.server.counts().started]
            #expect(total == Int(counts[0] + counts[1]), "\(total) answers, \(counts) calls")
        }
        await channel.close()
        await two.stop()
    }

    @Test("calls beyond a server's MAX_CONCURRENT_STREAMS wait in line; deadlines and cancellation end them there")
    func queue() async throws {
        var limits = ServerLimits()
        limits.http2.concurrentStreams = 2
        try await withControl(limits: limits) { server, channel in
            let busy = (0..<2).map { _ in
                Task { () throws -> Note in try await channel.unary("/test.Control/Wait", Note("x")) }
            }
            try await server.events.wait(for: "waiting", times: 2)
            let late = await #expect(throws: RPCError.self) {
                _ = try await Self.echo(channel, CallOptions(timeout: .milliseconds(50)))
            }
            #expect(late?.code == .deadlineExceeded && late?.message.contains("room") == true)
            let cancelled = Task { try await Self.echo(channel) }
            cancelled.cancel()
            let error = await #expect(throws: RPCError.self) { try await cancelled.value }
            #expect(error?.code == .cancelled)
            let waiting = (0..<200).map { _ in Task { try await Self.echo(channel) } }
            busy[0].cancel()
            for task in waiting { #expect(try await task.value == "hello") }
            busy[1].cancel()
            #expect(server.server.counts().started == 202)
            #expect(server.server.counts().connections == 1)
        }
    }

    @Test("a call that no server takes, though each connects, is given up after eight more tries")
    func sentAway() async throws {
        let server = RawServer { peer, _ in
            // Settings and goodbye in one piece: the call is submitted and can never leave.
            peer.put(RawPeer.frame(4, 0, 0, []) + RawPeer.frame(7, 0, 0, [0, 0, 0, 0, 0, 0, 0, 0]))
            _ = peer.waitForClose()
        }
        var configuration = ChannelConfiguration()
        configuration.serviceConfig = ServiceConfig()
        let channel = try Channel(address: server.address, configuration: configuration)
        let error = await #expect(throws: RPCError.self) { try await channel.unaryBytes("/a.B/C", []) }
        #expect(error?.code == .unavailable)
        #expect(server.connections == 9)
        await channel.close()
        server.stop()
    }

    @Test("calls that wait for room go when the server admits more streams")
    func moreRoom() async throws {
        let server = RawServer { peer, _ in
            // SETTINGS_MAX_CONCURRENT_STREAMS is 0 at first; the answer to a PING says that the client has read that.
            peer.welcome([0, 3, 0, 0, 0, 0])
            peer.put(RawPeer.frame(6, 0, 0, [UInt8](repeating: 7, count: 8)))
            let early = peer.read { $0.type == 1 || $0.type == 6 }?.type == 1
            peer.put(RawPeer.frame(4, 0, 0, [0, 3, 0, 0, 0, 1]))
            while let stream = peer.nextCall() { peer.answer(stream, early ? "early" : "in time") }
        }
        let channel = try Channel(address: server.address)
        let answers = (0..<3).map { _ in Task { try await channel.unaryBytes("/a.B/C", []).message } }
        for task in answers { #expect(try await task.value == Array("in time".utf8)) }
        await channel.close()
        server.stop()
    }

    @Test("closing with grace lets calls end, takes no new ones, and does not wait longer than it was told to")
    func grace() async throws {
        try await withControl { server, channel in
            let slow = Task { () throws -> Note in try await channel.unary("/test.Control/Pause", Note("500")) }
            try await server.events.wait(for: "pausing")
            async let closed: Void = channel.close(grace: .seconds(30))
            while (try? await Self.echo(channel)) != nil {}
            #expect(try await slow.value.text == "500")
            await closed
            #expect(channel.state == .shutdown)
            let other = try Channel(address: server.address)
            let endless = Task { () throws -> Note in try await other.unary("/test.Control/Wait", Note("x")) }
            try await server.events.wait(for: "waiting")
            await other.close(grace: .milliseconds(50))
            let error = await #expect(throws: RPCError.self) { _ = try await endless.value }
            #expect(error?.code == .unavailable)
        }
    }

    @Test("a server that finds pings too many is asked half as often")
    func tooManyPings() async throws {
        let server = RawServer { peer, number in
            peer.welcome()
            while let stream = peer.nextCall() {
                if number == 1 { peer.goAway(UInt8(stream), 11, "too_many_pings") }
                peer.answer(stream, "\(number)")
            }
        }
        var configuration = ChannelConfiguration()
        configuration.keepalive = Keepalive(time: .seconds(40))
        let channel = try Channel(address: server.address, configuration: configuration)
        _ = try await channel.unaryBytes("/a.B/C", [])
        #expect(try await channel.unaryBytes("/a.B/C", []).message == Array("2".utf8))
        #expect(await channel.keepaliveTime() == .seconds(80))
        await channel.close()
        server.stop()
    }

    @Test("a server that is silent while a call is under way is asked for a sign of life, and left")
    func keepalive() async throws {
        let server = RawServer { peer, _ in
            peer.welcome()
            _ = peer.nextCall()
            // It takes the PING and does not answer.
            _ = peer.read { $0.type == 6 }
            _ = peer.waitForClose()
        }
        var configuration = ChannelConfiguration()
        configuration.serviceConfig = ServiceConfig()
        configuration.keepalive = Keepalive(time: .seconds(1), timeout: .seconds(1))
        let channel = try Channel(address: server.address, configuration: configuration)
        let error = await #expect(throws: RPCError.self) { try await channel.unaryBytes("/a.B/C", []) }
        #expect(error?.code == .unavailable && error?.message.contains("PING") == true)
        await channel.close()
        server.stop()
    }
}
