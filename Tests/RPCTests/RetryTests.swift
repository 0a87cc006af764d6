import RPC
import RPCClient
import RPCServer
import Testing

/// gRFC A6, against servers that fail as the test tells them to.
@Suite("Retries and hedges", .timeLimit(.minutes(1)))
struct RetryTests {
    /// A channel to a server that hands every connection to `serve`.
    private func with(
        _ sending: MethodConfig.Sending,
        _ configure: (inout ChannelConfiguration) -> Void = { _ in },
        serve: @escaping @Sendable (RawPeer, Int) -> Void,
        _ body: (Channel, RawServer) async throws -> Void
    ) async throws {
        let server = RawServer { peer, number in
            peer.welcome()
            serve(peer, number)
        }
        var configuration = ChannelConfiguration()
        configuration.serviceConfig = ServiceConfig()
        configuration.serviceConfig.methods = [MethodConfig(names: [.every], sending: sending)]
        configure(&configuration)
        let channel = try Channel(address: server.address, configuration: configuration)
        do {
            try await body(channel, server)
        } catch {
            await channel.close()
            throw error
        }
        await channel.close()
        server.stop()
    }

    private static func policy(_ attempts: Int = 4, wait: Duration = .milliseconds(1)) -> MethodConfig.Sending {
        .retry(
            RetryPolicy(
                maxAttempts: attempts,
                initialBackoff: wait,
                maxBackoff: wait,
                backoffMultiplier: 1,
                retryableStatusCodes: [.unavailable]
            )
        )
    }

    /// Refuses so many calls, and answers the next with how many there were.
    private static func flaky(_ failures: Int, _ more: [(String, String)] = []) -> @Sendable (RawPeer, Int) -> Void {
        { peer, _ in
            var count = 0
            while let stream = peer.nextCall() {
                count += 1
                if count <= failures { peer.refuse(stream, 14, more) } else { peer.answer(stream, "\(count)") }
            }
        }
    }

    private func text(_ channel: Channel, _ options: CallOptions = .init()) async throws -> String {
        String(decoding: try await channel.unaryBytes("/a.B/C", [1], options).message, as: UTF8.self)
    }

    private func expectAnswer(_ channel: Channel, _ wanted: String) async throws {
        try await expectAnswer(channel, CallOptions(), wanted)
    }

    private func expectAnswer(_ channel: Channel, _ options: CallOptions, _ wanted: String) async throws {
        let answer = try await text(channel, options)
        #expect(answer == wanted)
    }

    @Test("a call is sent again after a status of its policy, as often as that says")
    func policy() async throws {
        try await with(Self.policy(), serve: Self.flaky(3)) { channel, _ in
            try await expectAnswer(channel, "4")
        }
        try await with(Self.policy(3), serve: Self.flaky(3)) { channel, _ in
            let error = await #expect(throws: RPCError.self) { try await channel.unaryBytes("/a.B/C", [1]) }
            #expect(error?.code == .unavailable)
            // The fourth one is answered: three were made before.
            try await expectAnswer(channel, "4")
        }
    }

    @Test("a channel's maximum goes before a policy's")
    func cap() async throws {
        try await with(Self.policy(100), serve: Self.flaky(5)) { channel, _ in
            _ = await #expect(throws: RPCError.self) { try await channel.unaryBytes("/a.B/C", [1]) }
            try await expectAnswer(channel, "6")
        }
    }

    @Test("by default only calls that may be repeated are sent again")
    func trellis() async throws {
        let sending = try #require(ServiceConfig.trellis.methods.first?.sending)
        try await with(sending, serve: Self.flaky(1)) { channel, _ in
            let error = await #expect(throws: RPCError.self) { try await channel.unaryBytes("/a.B/C", [1]) }
            #expect(error?.code == .unavailable)
        }
        try await with(sending, serve: Self.flaky(1)) { channel, _ in
            let options = CallOptions(isIdempotent: true)
            try await expectAnswer(channel, options, "2")
        }
    }

    @Test("the server is told how often a call was sent before")
    func previousAttempts() async throws {
        var configuration = ChannelConfiguration()
        configuration.serviceConfig.methods = [MethodConfig(names: [.every], sending: Self.policy())]
        try await withControl(channel: configuration) { _, channel in
            let answer: Note = try await channel.unary("/test.Control/Flaky", Note("2"))
            #expect(answer.text == "2")
        }
    }

    @Test("a refused stream is sent again at once, whatever the call; a second time is UNAVAILABLE")
    func refused() async throws {
        try await with(
            .once,
            serve: { peer, _ in
                var count = 0
                while let stream = peer.nextCall() {
                    count += 1
                    if count == 1 || count == 3 || count == 4 {
                        peer.reset(stream, 7)
                    } else {
                        peer.answer(stream, "\(count)")
                    }
                }
            }
        ) { channel, _ in
            try await expectAnswer(channel, "2")
            let error = await #expect(throws: RPCError.self) { try await channel.unaryBytes("/a.B/C", [1]) }
            #expect(error?.code == .unavailable)
        }
    }

    @Test("a call beyond a GOAWAY's last stream goes to the next connection, the one before it ends where it is")
    func goAway() async throws {
        try await with(
            .once,
            serve: { peer, number in
                guard number == 1 else {
                    while let stream = peer.nextCall() { peer.answer(stream, "second") }
                    return
                }
                guard let first = peer.nextCall(), peer.nextCall() != nil else { return }
                peer.goAway(UInt8(first))
                peer.answer(first, "first")
                _ = peer.waitForClose()
            }
        ) { channel, server in
            async let one = text(channel)
            async let two = text(channel)
            let answers = [try await one, try await two].sorted()
            #expect(answers == ["first", "second"])
            #expect(server.connections == 2)
        }
    }

    @Test("a server's pushback is the wait, and a negative or unreadable one the end")
    func pushback() async throws {
        let never = Self.policy(wait: .seconds(3600))
        try await with(never, serve: Self.flaky(1, [("grpc-retry-pushback-ms", "5")])) { channel, _ in
            try await expectAnswer(channel, "2")
        }
        for value in ["-1", "soon"] {
            try await with(Self.policy(), serve: Self.flaky(1, [("grpc-retry-pushback-ms", value)])) { channel, _ in
                let error = await #expect(throws: RPCError.self) { try await channel.unaryBytes("/a.B/C", [1]) }
                #expect(error?.code == .unavailable)
            }
        }
    }

    @Test("response headers settle a call: it is not sent again")
    func committed() async throws {
        try await with(
            Self.policy(),
            serve: { peer, _ in
                while let stream = peer.nextCall() {
                    peer.head(stream, [("x-said", "something")])
                    peer.trailers(stream, 14)
                }
            }
        ) { channel, _ in
            let call = channel.serverStreamingBytes("/a.B/C", [1])
            #expect(await call.metadata()["x-said"] == "something")
            let error = await #expect(throws: RPCError.self) { for try await _ in call {} }
            #expect(error?.code == .unavailable)
        }
    }

    @Test("streams are sent again, with all that was sent before, until they are settled")
    func streams() async throws {
        try await with(
            Self.policy(),
            serve: { peer, _ in
                guard let first = peer.nextCall(), peer.read(until: { $0.type == 0 }) != nil else { return }
                peer.refuse(first, 14)
                guard let second = peer.nextCall() else { return }
                let request = peer.read { $0.type == 0 && $0.stream == second }
                peer.head(second)
                peer.message(second, request.map { String(decoding: $0.payload.dropFirst(5), as: UTF8.self) } ?? "none")
                while let more = peer.read(until: { $0.type == 0 && $0.stream == second }) {
                    guard more.flags & 1 == 0 else { return peer.trailers(second) }
                    peer.message(second, String(decoding: more.payload.dropFirst(5), as: UTF8.self))
                }
            }
        ) { channel, _ in
            let call = channel.bidirectional("/a.B/C", sending: Note.self, returning: Note.self)
            try await call.requests.send(Note("one"))
            var responses = call.responses.makeAsyncIterator()
            #expect(try await responses.next()?.text == "one")
            try await call.requests.send(Note("two"))
            #expect(try await responses.next()?.text == "two")
            call.requests.finish()
            #expect(try await responses.next() == nil)
        }
    }

    @Test("a call that has sent more than is kept is not sent again")
    func buffer() async throws {
        try await with(
            Self.policy(),
            { $0.retryBufferBytes = 1000 },
            serve: { peer, _ in
                while let stream = peer.nextCall() {
                    guard peer.read(until: { $0.type == 0 && $0.flags & 1 != 0 }) != nil else { return }
                    if stream == 1 { peer.refuse(stream, 14) } else { peer.answer(stream, "again") }
                }
            }
        ) { channel, server in
            let error = await #expect(throws: RPCError.self) {
                try await channel.unaryBytes("/a.B/C", [UInt8](repeating: 0, count: 1000))
            }
            #expect(error?.code == .unavailable)
            try await expectAnswer(channel, "again")
        }
    }

    @Test("a channel whose tokens are used up sends nothing again, and says why the call failed")
    func throttled() async throws {
        try await with(
            Self.policy(),
            { $0.serviceConfig.retryThrottling = RetryThrottling(maxTokens: 4, tokenRatio: 0.1) },
            serve: Self.flaky(2)
        ) { channel, _ in
            _ = await #expect(throws: RPCError.self) { try await channel.unaryBytes("/a.B/C", [1]) }
            // Two failures are half of the tokens: the third try was not made, or it would have been this answer.
            try await expectAnswer(channel, "3")
        }
    }

    private static func hedging(_ delay: Duration, _ codes: Set<StatusCode> = [.unavailable]) -> MethodConfig.Sending {
        .hedge(HedgingPolicy(maxAttempts: 3, hedgingDelay: delay, nonFatalStatusCodes: codes))
    }

    @Test("a hedged call is sent again while there is no answer; the first answer ends the others")
    func hedged() async throws {
        try await with(
            Self.hedging(.milliseconds(5)),
            serve: { peer, _ in
                let streams = (0..<3).compactMap { _ in peer.nextCall() }
                guard streams.count == 3 else { return }
                peer.answer(streams[1], "the second")
                let reset = [streams[0], streams[2]].allSatisfy { stream in
                    peer.read { $0.type == 3 && $0.stream == stream }?.errorCode == 8
                }
                guard let next = peer.nextCall() else { return }
                peer.answer(next, "\(reset)")
            }
        ) { channel, _ in
            let options = CallOptions(isIdempotent: true)
            try await expectAnswer(channel, options, "the second")
            try await expectAnswer(channel, "true")
        }
    }

    @Test("a hedge's failure that is not fatal sends the next one at once, another one is the call's")
    func hedgeFailures() async throws {
        let options = CallOptions(isIdempotent: true)
        try await with(Self.hedging(.seconds(3600)), serve: Self.flaky(2)) { channel, _ in
            try await expectAnswer(channel, options, "3")
        }
        try await with(Self.hedging(.seconds(3600)), serve: Self.flaky(3)) { channel, _ in
            let error = await #expect(throws: RPCError.self) { try await channel.unaryBytes("/a.B/C", [1], options) }
            #expect(error?.code == .unavailable)
        }
        try await with(Self.hedging(.seconds(3600), [.internal]), serve: Self.flaky(1)) { channel, _ in
            let error = await #expect(throws: RPCError.self) { try await channel.unaryBytes("/a.B/C", [1], options) }
            #expect(error?.code == .unavailable)
        }
    }

    @Test("a call that may not be repeated is not hedged")
    func noHedge() async throws {
        try await with(
            Self.hedging(.zero),
            serve: { peer, _ in
                guard let first = peer.nextCall() else { return }
                // What the client sends next is the answer to this, and not another call.
                peer.put(RawPeer.frame(6, 0, 0, [UInt8](repeating: 7, count: 8)))
                let next = peer.read { $0.type == 1 || $0.type == 6 }
                peer.answer(first, next?.type == 6 ? "once" : "twice")
            }
        ) { channel, _ in
            try await expectAnswer(channel, "once")
        }
    }
}
