import HTTP2
import RPC
import RPCServer
import Testing

/// The words of gRPC's PROTOCOL-HTTP2 that implementations get wrong; docs/protocol.md says what was chosen.
@Suite("gRPC over HTTP/2 to the letter", .timeLimit(.minutes(1)))
struct ProtocolTests {
    private static func frame(_ bytes: [UInt8]) -> [UInt8] {
        var framed = [UInt8](repeating: 0, count: 5) + bytes
        MessageFraming.seal(&framed)
        return framed
    }

    private func answer(
        _ method: String = "Echo",
        _ fields: [String: String] = [:],
        more: [(String, String)] = [],
        body: [UInt8] = frame([65])
    ) async throws -> PlainClient.Answer {
        let server = try await ControlServer()
        let client = try await PlainClient(server.address)
        let answer = await client.request(method, fields, more: more, body: body)
        await client.close()
        await server.stop()
        return answer
    }

    @Test("a status is sent when it is OK, too, once, and without leading zeros")
    func status() async throws {
        let ok = try await answer()
        #expect(Metadata(ok.trailers).all("grpc-status") == ["0"])
        #expect(ok.headers.first("grpc-status") == nil)
        for code in 1...16 {
            let failed = try await answer("Fail", body: Self.frame(Array("\(code) x".utf8)))
            #expect(Metadata(failed.headers).all("grpc-status") == ["\(code)"])
            #expect(failed.trailers.isEmpty && failed.headers.first(":status") == "200")
            #expect(failed.headers.first("content-type") == "application/grpc")
        }
    }

    @Test("a call without te is taken, because what a proxy drops is the proxy's fault")
    func withoutTE() async throws {
        #expect(try await answer("Echo", ["te": ""]).status == .ok)
    }

    @Test("te other than trailers is no HTTP/2, and the stream ends")
    func otherTE() async throws {
        #expect(try await answer("Echo", ["te": "gzip"]).error == .protocolError)
    }

    @Test("binary metadata come back unpadded, each value by itself, however they were sent")
    func binary() async throws {
        let more = [
            ("echo-a-bin", "AAE="), ("echo-a-bin", "AgM,BAUG, Bw=="), ("trail-a-bin", "////,"), ("echo-b-bin", ""),
        ]
        let answer = try await answer(more: more)
        #expect(Metadata(answer.headers).all("echo-a-bin") == ["AAE", "AgM", "BAUG", "Bw"])
        #expect(Metadata(answer.headers).all("echo-b-bin") == [""])
        #expect(Metadata(answer.trailers).all("trail-a-bin") == ["////", ""])
    }

    @Test("metadata that repeat stay apart and in order")
    func duplicates() async throws {
        let values = (0..<20).map { ($0 % 3 == 0 ? "echo-x" : "echo-y", "v\($0), w") }
        let answer = try await answer(more: values)
        let back = Metadata(answer.headers).filter { $0.name.hasPrefix("echo-") }
        #expect(back.map(\.name) == values.map(\.0) && back.map(\.value) == values.map(\.1))
    }

    @Test("a handler cannot say what is the protocol's to say")
    func reserved() async throws {
        let answer = try await answer("Echo", ["forge": "yes"])
        #expect(answer.status == .ok && answer.body == Self.frame([65]))
        #expect((0..<answer.headers.count).map { answer.headers.field(at: $0).name } == [":status", "content-type"])
        #expect(Metadata(answer.trailers).all("grpc-status") == ["0"])
        #expect(answer.trailers.first("grpc-message") == nil && answer.trailers.first("-status") == "500")
    }

    @Test("a message in any language goes out percent-encoded, byte by byte of its UTF-8")
    func message() async throws {
        let answer = try await answer("Fail", body: Self.frame(Array("3 größer als 100 % → нет\n~".utf8)))
        #expect(answer.message == "gr%C3%B6%C3%9Fer als 100 %25 %E2%86%92 %D0%BD%D0%B5%D1%82%0A~")
    }

    @Test("earlier attempts can be read", arguments: [("3", "3"), ("0", nil), ("-1", nil), ("x", nil), ("", nil)])
    func attempts(value: String, expected: String?) async throws {
        let answer = try await answer(more: [("grpc-previous-rpc-attempts", value)])
        #expect(answer.status == .ok && answer.trailers.first("attempts") == expected)
    }

    @Test("messages cut at any places into DATA frames are the same messages")
    func splits() async throws {
        let server = try await ControlServer()
        let peer = try RawPeer(server.address)
        try peer.greet()
        var random = SplitMix(seed: 11)
        for round in 0..<40 {
            let stream = UInt32(round * 2 + 1)
            let messages = (0..<Int.random(in: 1...4, using: &random)).map { _ in
                (0..<Int.random(in: 0...400, using: &random)).map { _ in UInt8.random(in: 0...254, using: &random) }
            }
            let body = messages.flatMap(Self.frame)
            try peer.write(RawPeer.frame(1, 4, stream, RawPeer.callHeaders("Chat")))
            var rest = body[...]
            while !rest.isEmpty {
                let part = rest.prefix(Int.random(in: 1...(round % 2 == 0 ? 7 : 300), using: &random))
                rest = rest.dropFirst(part.count)
                try peer.write(RawPeer.frame(0, rest.isEmpty ? 1 : 0, stream, Array(part)))
            }
            var back: [UInt8] = []
            while let frame = peer.read(until: { $0.stream == stream && $0.type != 8 }) {
                if frame.type == 0 { back += frame.payload }
                if frame.flags & 1 == 1 { break }
            }
            #expect(back == body)
        }
        await server.stop()
    }

    @Test("a server that answers before the request has ended says all, then ends the stream without an error")
    func early() async throws {
        let server = try await ControlServer()
        let peer = try RawPeer(server.address)
        try peer.greet()
        // No END_STREAM, and a window that is smaller than the answer.
        try peer.write(RawPeer.frame(1, 4, 1, RawPeer.callHeaders("First")))
        try peer.write(RawPeer.frame(0, 0, 1, Self.frame([1])))
        var bytes = 0
        while bytes < 65_535, let frame = peer.read(until: { $0.stream == 1 }) {
            #expect(frame.type == 1 || frame.type == 0)
            if frame.type == 0 { bytes += frame.payload.count }
        }
        #expect(bytes == 65_535)
        try peer.write(RawPeer.frame(8, 0, 1, [0, 1, 0, 0]) + RawPeer.frame(8, 0, 0, [0, 1, 0, 0]))
        var kinds: [UInt8] = []
        var end: RawPeer.Frame?
        while let frame = peer.read(until: { $0.stream == 1 }) {
            if frame.type == 0 { bytes += frame.payload.count }
            kinds.append(frame.type)
            end = frame
            if frame.type == 3 { break }
        }
        #expect(bytes == 100 * 1005)
        #expect(kinds.suffix(2) == [1, 3] && end?.errorCode == 0)
        // What the peer still sends is taken and dropped, and the connection is as good as before.
        try peer.write(RawPeer.frame(0, 1, 1, Self.frame([2])))
        try peer.write(RawPeer.frame(1, 4, 3, RawPeer.callHeaders("Echo")) + RawPeer.frame(0, 1, 3, Self.frame([7])))
        #expect(peer.read { $0.stream == 3 && $0.type == 0 }?.payload == Self.frame([7]))
        await server.stop()
    }

    @Test("a stream whose caller has said all goes on until the server has")
    func halfClosed() async throws {
        let answer = try await answer("Count", body: Self.frame(Array("200 1000".utf8)))
        #expect(answer.status == .ok && answer.body.count == 200 * 1005 && answer.error == .noError)
    }
}

/// Round trips of what a call says beside its messages, on values that nobody thought of.
@Suite("Round trips of random values")
struct RoundTripTests {
    @Test("percent-coding gives back every text, and is ASCII on the way")
    func percent() {
        var random = SplitMix(seed: 5)
        for _ in 0..<500 {
            let text = String(
                String.UnicodeScalarView(
                    (0..<Int.random(in: 0...40, using: &random)).compactMap { _ in
                        Unicode.Scalar(
                            UInt32.random(in: 0...(Bool.random(using: &random) ? 0x7F : 0x10FFFF), using: &random)
                        )
                    }
                )
            )
            let encoded = PercentCoding.encode(text)
            #expect(encoded.utf8.allSatisfy { (0x20...0x7e).contains($0) })
            #expect(Array(encoded.utf8).withUnsafeBytes(PercentCoding.decode) == text)
        }
    }

    @Test("any bytes decode to some text, without a crash")
    func percentOfAnything() {
        var random = SplitMix(seed: 6)
        for _ in 0..<500 {
            let bytes = (0..<Int.random(in: 0...20, using: &random)).map { _ in
                Bool.random(using: &random) ? UInt8(ascii: "%") : UInt8.random(in: 0...255, using: &random)
            }
            #expect(bytes.withUnsafeBytes(PercentCoding.decode).utf8.count <= bytes.count * 3)
        }
    }

    @Test("a timeout is at most eight digits and a unit, and never becomes shorter")
    func timeout() throws {
        var random = SplitMix(seed: 8)
        for _ in 0..<2000 {
            let duration = Duration.nanoseconds(
                Int64.random(in: 1...Int64.max, using: &random) >> Int64.random(in: 0...62, using: &random)
            )
            let text = Array(Timeout.format(duration).utf8)
            #expect(text.count <= 9 && "HMSmun".utf8.contains(text[text.count - 1]))
            #expect(text.dropLast().allSatisfy { (48...57).contains($0) })
            let read = try #require(text.withUnsafeBytes(Timeout.parse))
            #expect(read >= duration)
        }
    }

    @Test("binary metadata give back their bytes, in order, joined or not, padded or not")
    func metadata() {
        var random = SplitMix(seed: 9)
        for _ in 0..<300 {
            let values = (0..<Int.random(in: 1...6, using: &random)).map { _ in
                (0..<Int.random(in: 0...9, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
            }
            var sent = Metadata()
            for value in values { sent.appendBytes("X-bin", value) }
            #expect(sent.allBytes("x-BIN") == values && sent.bytes("x-bin") == values[0])
            #expect(sent.all("x-bin").allSatisfy { !$0.contains("=") })
            var joined = HeaderFields()
            let padded = sent.all("x-bin").map { text in
                text + String(repeating: "=", count: Bool.random(using: &random) ? (4 - text.count % 4) % 4 : 0)
            }
            joined.append("x-bin", padded.joined(separator: Bool.random(using: &random) ? "," : " , "))
            #expect(Metadata(joined).allBytes("x-bin") == values)
            #expect(Metadata(joined).bytes("x-bin") == values[0])
        }
    }
}
