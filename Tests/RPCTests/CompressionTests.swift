import HTTP2
import RPC
import RPCServer
import Testing

/// gRPC's compression of each message (PROTOCOL-HTTP2, "Message-Encoding"), as a foreign peer meets it.
@Suite("Compression of calls", .timeLimit(.minutes(1)))
struct CompressionTests {
    private static let text = [UInt8](repeating: 65, count: 5000)
    private static let noise: [UInt8] = {
        var random = SplitMix(seed: 3)
        return (0..<5000).map { _ in UInt8.random(in: 0...254, using: &random) }
    }()

    private static func frame(_ bytes: [UInt8], isCompressed: Bool = false) -> [UInt8] {
        var framed = [UInt8](repeating: 0, count: 5) + bytes
        MessageFraming.seal(&framed, isCompressed: isCompressed)
        return framed
    }

    private static func compressed(_ bytes: [UInt8]) throws -> [UInt8] {
        frame(try #require(GzipCodec().compress(bytes)), isCompressed: true)
    }

    /// The messages of a body, and whether each was compressed.
    private static func messages(_ body: [UInt8]) throws -> [(bytes: [UInt8], isCompressed: Bool)] {
        var rest = body[...]
        var messages: [(bytes: [UInt8], isCompressed: Bool)] = []
        while !rest.isEmpty {
            let next = rest.withUnsafeBytes { MessageFraming.next(in: $0, limit: .max) }
            guard case .message(let length, let isCompressed) = next else {
                Issue.record("no message: \(next)")
                break
            }
            let bytes = Array(rest.dropFirst(5).prefix(length))
            messages.append(
                (
                    isCompressed ? try bytes.withUnsafeBytes { try GzipCodec().decompress($0, limit: 1 << 24) } : bytes,
                    isCompressed
                )
            )
            rest = rest.dropFirst(5 + length)
        }
        return messages
    }

    private static let mirrored = ["grpc-encoding": "gzip", "grpc-accept-encoding": "identity,deflate, gzip"]

    private func answer(
        _ method: String,
        _ fields: [String: String],
        body: [UInt8],
        limits: ServerLimits = .init()
    ) async throws -> PlainClient.Answer {
        let server = try await ControlServer(limits: limits)
        let client = try await PlainClient(server.address)
        let answer = await client.request(method, fields, body: body)
        await client.close()
        await server.stop()
        return answer
    }

    @Test("a caller who compresses and takes it gets compressed answers, and is told before the first")
    func mirrored() async throws {
        let answer = try await answer("Echo", Self.mirrored, body: Self.compressed(Self.text))
        let messages = try Self.messages(answer.body)
        #expect(answer.status == .ok && answer.headers.first("grpc-encoding") == "gzip")
        #expect(messages.count == 1 && messages[0].bytes == Self.text && messages[0].isCompressed)
        #expect(answer.body.count < 200)
    }

    @Test(
        "a caller who does not take gzip gets none, whatever it sends and the handler wishes",
        arguments: [nil, "", "identity", "deflate,identity", "x-gzip", "gzip;q=0"]
    )
    func notTaken(accepted: String?) async throws {
        var fields = ["grpc-encoding": "gzip", "wish-compression": "gzip"]
        if let accepted { fields["grpc-accept-encoding"] = accepted }
        let answer = try await answer("Echo", fields, body: Self.compressed(Self.text))
        #expect(answer.status == .ok && answer.headers.first("grpc-encoding") == nil)
        #expect(answer.body == Self.frame(Self.text))
    }

    @Test("a caller who takes gzip and does not send it gets it when the handler wishes", arguments: [nil, "gzip"])
    func wished(wish: String?) async throws {
        var fields = ["grpc-accept-encoding": "gzip"]
        if let wish { fields["wish-compression"] = wish }
        let answer = try await answer("Echo", fields, body: Self.frame(Self.text))
        let message = try #require(try Self.messages(answer.body).first)
        #expect(message.bytes == Self.text && message.isCompressed == (wish != nil))
        #expect(answer.headers.first("grpc-encoding") == wish)
    }

    @Test("a handler who refuses is obeyed")
    func refused() async throws {
        let fields = Self.mirrored.merging(["wish-compression": "none"]) { $1 }
        let answer = try await answer("Echo", fields, body: Self.compressed(Self.text))
        #expect(answer.headers.first("grpc-encoding") == nil && answer.body == Self.frame(Self.text))
    }

    @Test("what is small or would not shrink goes out as it is")
    func notWorthIt() async throws {
        for bytes in [Self.noise, [UInt8](repeating: 65, count: ServerConfiguration().compressedBytesMin - 1)] {
            let answer = try await answer("Echo", Self.mirrored, body: Self.frame(bytes))
            #expect(answer.status == .ok && answer.headers.first("grpc-encoding") == "gzip")
            #expect(answer.body == Self.frame(bytes))
        }
        let least = [UInt8](repeating: 65, count: ServerConfiguration().compressedBytesMin)
        let answer = try await answer("Echo", Self.mirrored, body: Self.frame(least))
        #expect(try Self.messages(answer.body).first?.isCompressed == true)
    }

    @Test("each message of a stream says for itself whether it is compressed, in all kinds of calls")
    func streams() async throws {
        let requests = try Self.compressed(Self.text) + Self.frame(Self.noise) + Self.compressed(Self.text)
        let sum = try await answer("Sum", Self.mirrored, body: requests)
        #expect(try Self.messages(sum.body).map { $0.bytes } == [Array("3 15000".utf8)])
        let chat = try Self.messages(try await answer("Chat", Self.mirrored, body: requests).body)
        #expect(chat.map(\.bytes) == [Self.text, Self.noise, Self.text])
        #expect(chat.map(\.isCompressed) == [true, false, true])
        let ask = Array("3 4000".utf8)
        let count = try await answer("Count", Self.mirrored, body: Self.frame(ask))
        #expect(count.headers.first("grpc-encoding") == "gzip")
        #expect(try Self.messages(count.body).map { $0.bytes.count } == [4000, 4000, 4000])
        #expect(try Self.messages(count.body).allSatisfy(\.isCompressed))
    }

    @Test("the limit counts decompressed bytes, and a bomb ends at it", arguments: ["Echo", "Sum", "Chat", "Count"])
    func bomb(method: String) async throws {
        var limits = ServerLimits()
        limits.messageBytes = 100_000
        let bomb = try Self.compressed([UInt8](repeating: 0, count: 16 << 20))
        #expect(bomb.count < 100_000)
        let answer = try await answer(method, Self.mirrored, body: bomb, limits: limits)
        #expect(answer.status == .resourceExhausted)
        #expect(
            answer.message == "a request message is larger than the limit of 100000 bytes when it is decompressed"
        )
        let least = try Self.compressed([UInt8](repeating: 0, count: 100_000))
        if method != "Count" {
            #expect(try await self.answer(method, Self.mirrored, body: least, limits: limits).status == .ok)
        }
    }

    @Test("what is not gzip, or only part of it, is INTERNAL", arguments: ["Echo", "Sum", "Chat", "Count"])
    func damaged(method: String) async throws {
        for bytes in [Array("plain".utf8), Array(try Self.compressed(Self.text)[5..<30]), []] {
            let body = Self.frame(bytes, isCompressed: true)
            let answer = try await answer(method, Self.mirrored, body: body)
            #expect(answer.status == .internal && answer.message?.hasPrefix("a request message") == true)
        }
    }

    @Test("a compressed message where none was announced is INTERNAL in streams, too", arguments: ["Sum", "Chat"])
    func unannounced(method: String) async throws {
        for encoding in ["identity", ""] {
            let fields = ["grpc-encoding": encoding, "grpc-accept-encoding": "gzip"]
            let answer = try await answer(method, fields, body: Self.compressed(Self.text))
            #expect(answer.status == .internal)
            #expect(answer.message == "a message is marked as compressed, but grpc-encoding names no compression")
        }
    }

    @Test("a call that fails is told so as ever, though its messages would have been compressed")
    func failure() async throws {
        let answer = try await answer("Fail", Self.mirrored, body: Self.frame(Array("5 gone".utf8)))
        #expect(answer.status == .notFound && answer.message == "gone" && answer.body.isEmpty)
    }
}
