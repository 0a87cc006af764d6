import EventLoop
import RPC
import RPCClient
import RPCServer
import Testing

/// Typed streams in both directions, and what calls take over from the call that they are made in.
@Suite("Streams of a client", .timeLimit(.minutes(1)))
struct ClientStreamTests {
    @Test("a client's stream is sent message by message, and has one answer")
    func clientStreaming() async throws {
        try await withControl { _, channel in
            let answer: Note = try await channel.clientStreaming("/test.Control/Sum") {
                (requests: RequestWriter<Note>) in
                for size in 1...100 { try await requests.send(Note([UInt8](repeating: 1, count: size * 1000))) }
            }
            #expect(answer.text == "100 5050000")
            let none: Note = try await channel.clientStreaming("/test.Control/Sum") { (_: RequestWriter<Note>) in }
            #expect(none.text == "0 0")
        }
    }

    @Test("what a client's stream throws gives the call up, and is thrown")
    func producerFails() async throws {
        struct Broken: Error {}
        try await withControl { server, channel in
            await #expect(throws: Broken.self) {
                let _: Note = try await channel.clientStreaming("/test.Control/Sum") {
                    (requests: RequestWriter<Note>) in
                    try await requests.send(Note("one"))
                    // A call that has not left yet would be given up without a word to the server.
                    while server.server.counts().started == 0 { try await Task.sleep(for: .milliseconds(5)) }
                    throw Broken()
                }
            }
            try await server.events.wait(for: "Sum CANCELLED")
        }
    }

    @Test("requests and responses go past each other; metadata and trailers can be read")
    func bidirectional() async throws {
        try await withControl { _, channel in
            let call = channel.bidirectional("/test.Control/Chat", sending: Note.self, returning: Note.self)
            async let sent: Void = {
                for index in 0..<500 { try await call.requests.send(Note("\(index)")) }
                call.requests.finish()
            }()
            var count = 0
            for try await note in call.responses {
                #expect(note.text == "\(count)")
                count += 1
            }
            try await sent
            #expect(count == 500)
            #expect(await call.metadata().first("content-type") == "application/grpc")
            #expect(await call.trailers().first("grpc-status") == "0")
            await #expect(throws: RPCError.self) { try await call.requests.send(Note("late")) }
        }
    }

    @Test("cancelling the task that reads a stream reaches the server")
    func cancelled() async throws {
        try await withControl { server, channel in
            let call = channel.bidirectional("/test.Control/Chat", sending: Note.self, returning: Note.self)
            try await call.requests.send(Note("one"))
            let reader = Task {
                var responses = call.responses.makeAsyncIterator()
                let first = try await responses.next()
                server.events.add("read \(first?.text ?? "")")
                return try await responses.next()
            }
            try await server.events.wait(for: "read one")
            reader.cancel()
            let error = await #expect(throws: RPCError.self) { try await reader.value }
            #expect(error?.code == .cancelled)
            try await server.events.wait(for: "Chat CANCELLED")
        }
    }

    @Test("requests and responses are compressed as they are told to")
    func compression() async throws {
        try await withControl { _, channel in
            var options = CallOptions(metadata: ["wish-compression": "gzip"])
            options.compression = .gzip
            let note = Note([UInt8](repeating: 65, count: 100_000))
            let answer: Response<Note> = try await channel.unaryResponse("/test.Control/Echo", note, options)
            #expect(answer.message == note)
            #expect(answer.metadata.first("grpc-encoding") == "gzip")
            // What is small when it travels can be large when it has arrived.
            options.messageBytes = 99_999
            let error = await #expect(throws: RPCError.self) {
                let _: Note = try await channel.unary("/test.Control/Echo", note, options)
            }
            #expect(error?.code == .resourceExhausted)
            let call = channel.bidirectional("/test.Control/Chat", options, sending: Note.self, returning: Note.self)
            try await call.requests.send(Note([UInt8](repeating: 65, count: 5000)), compresses: false)
            try await call.requests.send(Note([UInt8](repeating: 65, count: 6000)))
            call.requests.finish()
            var sizes: [Int] = []
            for try await note in call.responses { sizes.append(note.bytes.count) }
            #expect(sizes == [5000, 6000])
        }
    }

    /// A server whose one method calls another server's.
    private func withRelay(
        _ target: ControlServer,
        _ method: String,
        _ body: (Channel) async throws -> Void
    ) async throws {
        let group = try EventLoopGroup(count: 1, name: "relay")
        let onward = try Channel(address: target.address)
        let router = Router()
        router.unary("/test.Relay/Call") { (request: Note, context) -> Note in
            try await onward.unary("/test.Control/\(method)", request, CallOptions(inheriting: context.scope))
        }
        let server = RPCServer(group: group, configuration: ServerConfiguration(), router: router)
        try await server.start()
        let channel = try Channel(address: try server.listen(host: "127.0.0.1", port: 0).description)
        let outcome: Result<Void, any Error>
        do {
            outcome = .success(try await body(channel))
        } catch {
            outcome = .failure(error)
        }
        await channel.close()
        await onward.close()
        await server.shutdown(grace: .zero)
        group.shutdown()
        try outcome.get()
    }

    @Test("a call made in a handler has its deadline, its cancellation and its trace")
    func scope() async throws {
        try await withControl { target, _ in
            try await withRelay(target, "Remaining") { channel in
                let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
                let options = CallOptions(metadata: ["traceparent": trace], timeout: .seconds(1000))
                let answer: Note = try await channel.unary("/test.Relay/Call", Note("x"), options)
                let parts = answer.text.split(separator: " ")
                #expect(parts.last.map(String.init) == trace)
                #expect(parts.first.flatMap { Int($0) }.map { (900...1000).contains($0) } == true, "\(answer.text)")
            }
            try await withRelay(target, "Wait") { channel in
                let task = Task { () throws -> Note in try await channel.unary("/test.Relay/Call", Note("x")) }
                try await target.events.wait(for: "waiting")
                task.cancel()
                try await target.events.wait(for: "cancelled")
                _ = await task.result
            }
        }
    }
}
