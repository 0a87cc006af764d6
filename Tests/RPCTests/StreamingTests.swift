import EventLoop
import HTTP2
import RPC
import RPCClient
import RPCServer
import Testing

@Suite("Streams of messages", .timeLimit(.minutes(1)))
struct StreamingTests {
    @Test("a server's stream arrives whole and in order")
    func serverStreaming() async throws {
        try await withControl { _, channel in
            let stream = channel.serverStreaming(
                "/test.Control/Count",
                Note("2000 1000"),
                returning: Note.self
            )
            var count = 0
            for try await note in stream {
                #expect(note.bytes == [UInt8](repeating: UInt8(count & 127), count: 1000))
                count += 1
            }
            #expect(count == 2000)
        }
    }

    @Test("a server's stream goes at the speed of its reader")
    func backPressure() async throws {
        try await withControl { server, channel in
            let stream = channel.serverStreaming(
                "/test.Control/Count",
                Note("1000 100000"),
                returning: Note.self
            )
            var iterator = stream.makeAsyncIterator()
            _ = try await iterator.next()
            // Wait until the server stands still: it has sent what fits and is suspended.
            var sent = -1
            while sent != server.events.all.count {
                sent = server.events.all.count
                try await Task.sleep(for: .milliseconds(100))
            }
            // A window of 256 KiB, 64 KiB in the writer, and a message in each hand.
            #expect(sent <= 6, "\(sent) messages of 100 kB were sent ahead")
            var count = 1
            while try await iterator.next() != nil { count += 1 }
            #expect(count == 1000)
        }
    }

    @Test("letting go of a server's stream stops its handler")
    func letGo() async throws {
        try await withControl { server, channel in
            do {
                let stream = channel.serverStreaming(
                    "/test.Control/Count",
                    Note("1000000 1000"),
                    returning: Note.self
                )
                var iterator = stream.makeAsyncIterator()
                _ = try await iterator.next()
            }
            try await server.events.wait(for: "stopped CANCELLED")
        }
    }

    @Test("a deadline ends a stream whose reader is slow")
    func streamDeadline() async throws {
        try await withControl { server, channel in
            // A busy machine may let the shorter ones pass before the handler has begun.
            for timeout in [Duration.milliseconds(200), .seconds(1), .seconds(10)] {
                let stream = channel.serverStreaming(
                    "/test.Control/Count",
                    Note("1000000 1000"),
                    CallOptions(timeout: timeout),
                    returning: Note.self
                )
                let error = await #expect(throws: RPCError.self) {
                    for try await _ in stream { try await Task.sleep(for: .milliseconds(1)) }
                }
                #expect(error?.code == .deadlineExceeded)
                if server.events.all.contains("sent") { break }
            }
            #expect(server.events.all.contains("sent"))
        }
    }

    @Test("a client's stream is summed up, also when one message is larger than the window")
    func clientStreaming() async throws {
        try await withControl { _, channel in
            let call = channel.call("/test.Control/Sum")
            for size in [0, 1, 100_000, 2_000_000, 5] { await call.send([UInt8](repeating: 1, count: size)) }
            call.finishSending()
            let answer = try await call.next() ?? []
            #expect(String(decoding: answer, as: UTF8.self) == "5 2100006")
            let end = try await call.next()
            #expect(end == nil)
        }
    }

    @Test("both sides talk in turn")
    func bidirectional() async throws {
        try await withControl { _, channel in
            let call = channel.call("/test.Control/Chat")
            for index in 0..<100 {
                let message = Array("message \(index)".utf8)
                await call.send(message)
                let answer = try await call.next()
                #expect(answer == message)
            }
            call.finishSending()
            let end = try await call.next()
            #expect(end == nil)
        }
    }

    @Test("small messages of many streams go on beyond the windows of their streams and of the connection, both ways")
    func windows() async throws {
        try await withControl { _, channel in
            let limits = HTTP2Limits()
            let (streams, size) = (16, 300)
            let count = Int(limits.streamWindowBytes) * 2 / size
            #expect(streams * count * size > Int(limits.connectionWindowBytes) * 4)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for stream in 0..<streams {
                    group.addTask {
                        let call = channel.call("/test.Control/Chat")
                        let message = [UInt8](repeating: UInt8(stream + 1), count: size)
                        for _ in 0..<count {
                            await call.send(message)
                            let answer = try await call.next()
                            #expect(answer == message)
                        }
                        call.finishSending()
                        let end = try await call.next()
                        #expect(end == nil)
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test("a handler that ends early answers early, and the rest of the request is not waited for")
    func earlyEnd() async throws {
        try await withControl { server, channel in
            let call = channel.call("/test.Control/Chat")
            await call.send([0xFF])
            let error = await #expect(throws: RPCError.self) { _ = try await call.next() }
            #expect(error?.code == .invalidArgument)
            // The connection is as good as before.
            let _: Note = try await channel.unary("/test.Control/Echo", Note("x"))
            #expect(server.server.counts().connections == 1)
        }
    }

    @Test("a drained server finishes the calls that it has and takes no new ones")
    func drain() async throws {
        try await withControl { server, channel in
            let slow = Task { () throws -> Note in try await channel.unary("/test.Control/Pause", Note("500")) }
            try await server.events.wait(for: "pausing")
            // A server that waited for its whole grace would be ended by the suite's limit.
            await server.server.shutdown(grace: .seconds(3600))
            let answer = try await slow.value
            #expect(answer.text == "500")
            let error = await #expect(throws: RPCError.self) {
                let _: Note = try await channel.unary("/test.Control/Echo", Note("x"))
            }
            #expect(error?.code == .unavailable)
        }
    }

    @Test("what is not done when the grace time is over is cut off")
    func cutOff() async throws {
        try await withControl { server, channel in
            let stuck = Task { () throws -> Note in try await channel.unary("/test.Control/Wait", Note("x")) }
            try await server.events.wait(for: "waiting")
            await server.server.shutdown(grace: .milliseconds(200))
            let error = await #expect(throws: RPCError.self) { _ = try await stuck.value }
            #expect(error?.code == .unavailable)
            try await server.events.wait(for: "cancelled")
        }
    }
}
