import EventLoop
import HTTP2
import RPC
import RPCClient
import RPCServer
import Testing

@Suite("Calls over a socket", .timeLimit(.minutes(1)))
struct CallTests {
    @Test(
        "a unary call brings its message there and back, whatever its size",
        arguments: [0, 1, 16, 70_000, 3_000_000]
    )
    func unary(size: Int) async throws {
        try await withControl { _, channel in
            let note = Note((0..<size).map { UInt8($0 % 251) })
            let answer: Note = try await channel.unary("/test.Control/Echo", note)
            #expect(answer == note)
        }
    }

    @Test("many calls share a connection, and each gets its own answer")
    func concurrent() async throws {
        try await withControl(loops: 2) { server, channel in
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for index in 0..<1000 {
                    group.addTask {
                        let note = Note("note \(index)")
                        let answer: Note = try await channel.unary("/test.Control/Echo", note)
                        return answer == note
                    }
                }
                for try await isRight in group { #expect(isRight) }
            }
            let counts = server.server.counts()
            #expect(counts.started == 1000)
            #expect(counts.finished[0] == 1000)
            #expect(counts.connections == 1)
        }
    }

    @Test("text and bytes travel both ways as metadata and trailers")
    func metadata() async throws {
        try await withControl { _, channel in
            var options = CallOptions()
            options.metadata.append("echo-text", "héllo\u{1}")
            options.metadata.append("Echo-Case", "UPPER")
            options.metadata.appendBytes("echo-data-bin", [0, 255, 1, 254])
            options.metadata.appendBytes("trail-data-bin", [7])
            options.metadata.append("trail-end", "a")
            options.metadata.append("trail-end", "b")
            let answer = try await channel.unaryResponse(
                "/test.Control/Echo",
                Note("x"),
                options,
                returning: Note.self
            )
            #expect(answer.metadata["echo-text"] == "h??llo?")
            #expect(answer.metadata["echo-case"] == "UPPER")
            #expect(answer.metadata.bytes("echo-data-bin") == [0, 255, 1, 254])
            #expect(answer.trailers.bytes("trail-data-bin") == [7])
            #expect(answer.trailers.all("trail-end") == ["a", "b"])
            #expect(answer.trailers.map(\.name) == ["trail-data-bin", "trail-end", "trail-end"])
        }
    }

    @Test("a thrown status arrives whole: code, message in any script, details, metadata", arguments: 1...16)
    func failure(code: Int) async throws {
        try await withControl { _, channel in
            let error = await #expect(throws: RPCError.self) {
                let _: Note = try await channel.unary("/test.Control/Fail", Note("\(code) 100% größer → 限制\nline"))
            }
            #expect(error?.code.rawValue == code)
            #expect(error?.message == "100% größer → 限制\nline")
            #expect(error?.details == [8, 5])
            #expect(error?.metadata["why"] == "as asked")
        }
    }

    @Test("an error that is not for the caller shows the request id and nothing else, and is reported")
    func fault() async throws {
        try await withControl { server, channel in
            let error = await #expect(throws: RPCError.self) {
                let options = CallOptions(metadata: ["x-request-id": "abc-123"])
                let _: Note = try await channel.unary("/test.Control/Crash", Note("x"), options)
            }
            #expect(error?.code == .internal)
            #expect(error?.message == "internal error; request id abc-123")
            try await server.events.wait(for: "fault Unspeakable() abc-123")
            let converted = await #expect(throws: RPCError.self) {
                let _: Note = try await channel.unary("/test.Control/Crash", Note("convertible"))
            }
            #expect(converted?.code == .failedPrecondition)
        }
    }

    @Test("an interceptor's refusal is the answer, and every interceptor hears of it")
    func refusal() async throws {
        try await withControl { server, channel in
            let error = await #expect(throws: RPCError.self) {
                let _: Note = try await channel.unary(
                    "/test.Control/Echo",
                    Note("x"),
                    CallOptions(metadata: ["refuse": "1"])
                )
            }
            #expect(error?.code == .unauthenticated)
            #expect(server.events.all == ["Echo UNAUTHENTICATED"])
        }
    }

    @Test("a malformed request is INVALID_ARGUMENT and names the field")
    func malformed() async throws {
        try await withControl { _, channel in
            let error = await #expect(throws: RPCError.self) {
                _ = try await channel.unaryBytes("/test.Control/Echo", [0xFF])
            }
            #expect(error?.code == .invalidArgument)
            #expect(error?.message.contains("first") == true)
        }
    }

    @Test(
        "an unknown method or service is UNIMPLEMENTED and is named",
        arguments: ["/test.Control/No", "/no.No/No", "/"]
    )
    func unknown(path: String) async throws {
        try await withControl { server, channel in
            let error = await #expect(throws: RPCError.self) { _ = try await channel.unaryBytes(path, []) }
            #expect(error?.code == .unimplemented)
            #expect(error?.message.contains(path) == true)
            #expect(server.server.counts().refused == 1)
        }
    }

    @Test("a message over the limit is RESOURCE_EXHAUSTED on either side")
    func tooLarge() async throws {
        var limits = ServerLimits()
        limits.messageBytes = 1000
        try await withControl(limits: limits) { _, channel in
            let _: Note = try await channel.unary("/test.Control/Echo", Note([UInt8](repeating: 1, count: 1000)))
            let error = await #expect(throws: RPCError.self) {
                let _: Note = try await channel.unary("/test.Control/Echo", Note([UInt8](repeating: 1, count: 1001)))
            }
            #expect(error?.code == .resourceExhausted)
            #expect(error?.message.contains("1001") == true)
            var options = CallOptions()
            options.messageBytes = 10
            let own = await #expect(throws: RPCError.self) {
                let _: Note = try await channel.unary("/test.Control/Echo", Note("more than ten bytes"), options)
            }
            #expect(own?.code == .resourceExhausted)
        }
    }

    @Test("a deadline stops the handler and is the answer, once")
    func deadline() async throws {
        try await withControl { server, channel in
            // A busy machine may let the shorter ones pass before the handler has begun.
            for timeout in [Duration.milliseconds(100), .seconds(1), .seconds(10)] {
                let error = await #expect(throws: RPCError.self) {
                    let _: Note = try await channel.unary(
                        "/test.Control/Wait",
                        Note("x"),
                        CallOptions(timeout: timeout)
                    )
                }
                #expect(error?.code == .deadlineExceeded)
                if server.events.all.contains("waiting") { break }
            }
            try await server.events.wait(for: "cancelled")
            #expect(server.events.all.count { $0 == "waiting" } == 1)
            // Whose clock rang first is chance: the server's, or the client's, whose reset the server then saw.
            let last = server.events.all.last { $0.hasPrefix("Wait ") }
            #expect(last == "Wait DEADLINE_EXCEEDED" || last == "Wait CANCELLED")
            let late = await #expect(throws: RPCError.self) {
                let _: Note = try await channel.unary("/test.Control/Echo", Note("x"), CallOptions(timeout: .zero))
            }
            #expect(late?.code == .deadlineExceeded)
        }
    }

    @Test("cancelling the caller's task stops the handler")
    func cancellation() async throws {
        try await withControl { server, channel in
            let task = Task { () throws -> Note in try await channel.unary("/test.Control/Wait", Note("x")) }
            try await server.events.wait(for: "waiting")
            task.cancel()
            let error = await #expect(throws: RPCError.self) { _ = try await task.value }
            #expect(error?.code == .cancelled)
            try await server.events.wait(for: "cancelled")
            #expect(server.events.all.contains("Wait CANCELLED"))
        }
    }

    @Test("losing the connection stops the handler, and is UNAVAILABLE to the caller")
    func lostConnection() async throws {
        try await withControl { server, channel in
            let other = try Channel(address: server.address)
            let task = Task { () throws -> Note in try await other.unary("/test.Control/Wait", Note("x")) }
            try await server.events.wait(for: "waiting")
            await other.close()
            let error = await #expect(throws: RPCError.self) { _ = try await task.value }
            #expect(error?.code == .unavailable)
            try await server.events.wait(for: "cancelled")
        }
    }

    @Test("nobody there is UNAVAILABLE and says why")
    func nobody() async throws {
        let channel = try Channel(address: "127.0.0.1:1")
        let error = await #expect(throws: RPCError.self) { _ = try await channel.unaryBytes("/a.B/C", []) }
        #expect(error?.code == .unavailable)
        #expect(error?.message.contains("127.0.0.1:1") == true)
        #expect(error?.message.contains("refused") == true)
        await channel.close()
        #expect(throws: ChannelError.self) { try Channel(address: "nowhere") }
    }

    @Test("a channel connects again after its connection was lost")
    func reconnect() async throws {
        var limits = ServerLimits()
        limits.http2.idleSeconds = 1
        try await withControl(limits: limits) { server, channel in
            let _: Note = try await channel.unary("/test.Control/Echo", Note("one"))
            while server.server.counts().openConnections > 0 { try await Task.sleep(for: .milliseconds(20)) }
            let answer: Note = try await channel.unary("/test.Control/Echo", Note("two"))
            #expect(answer.text == "two")
            #expect(server.server.counts().connections == 2)
        }
    }
}
