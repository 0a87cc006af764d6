import HTTP2
import RPC
import Testing

@Suite("What travels beside messages")
struct VocabularyTests {
    @Test("a framed message is found, byte by byte")
    func framing() {
        var framed = [UInt8](repeating: 9, count: 5 + 300)
        MessageFraming.seal(&framed)
        #expect(Array(framed[..<5]) == [0, 0, 0, 1, 44])
        for count in 0..<framed.count {
            let next = framed[..<count].withUnsafeBytes { MessageFraming.next(in: $0, limit: 1000) }
            #expect(next == .incomplete)
        }
        #expect(
            framed.withUnsafeBytes { MessageFraming.next(in: $0, limit: 300) }
                == .message(length: 300, isCompressed: false)
        )
        #expect(framed.withUnsafeBytes { MessageFraming.next(in: $0, limit: 299) } == .tooLarge(length: 300))
        framed[0] = 1
        #expect(
            framed.withUnsafeBytes { MessageFraming.next(in: $0, limit: 300) }
                == .message(length: 300, isCompressed: true)
        )
        framed[0] = 2
        #expect(framed.withUnsafeBytes { MessageFraming.next(in: $0, limit: 300) } == .invalidFlag(2))
        let huge: [UInt8] = [0, 255, 255, 255, 255]
        #expect(
            huge.withUnsafeBytes { MessageFraming.next(in: $0, limit: 300) } == .tooLarge(length: 4_294_967_295)
        )
    }

    @Test(
        "a timeout is read",
        arguments: [
            ("1H", Duration.seconds(3600)), ("2M", .seconds(120)), ("3S", .seconds(3)), ("4m", .milliseconds(4)),
            ("5u", .microseconds(5)), ("6n", .nanoseconds(6)), ("99999999H", .seconds(99_999_999 * 3600)),
            ("0S", .zero),
        ]
    )
    func timeout(text: String, duration: Duration) {
        #expect(Array(text.utf8).withUnsafeBytes(Timeout.parse) == duration)
    }

    @Test("what is no timeout is refused", arguments: ["", "S", "1", "1s", "-1S", "123456789S", "1.5S", "1 S", "١S"])
    func badTimeout(text: String) {
        #expect(Array(text.utf8).withUnsafeBytes(Timeout.parse) == nil)
    }

    @Test("a timeout is written so that it is not shorter when it is read, and hardly longer")
    func timeoutRoundTrip() throws {
        #expect(Timeout.format(.zero) == "0n")
        #expect(Timeout.format(.seconds(-1)) == "0n")
        var duration = Duration.nanoseconds(1)
        while duration < .seconds(90_000_000 * 3600) {
            let read = try #require(Array(Timeout.format(duration).utf8).withUnsafeBytes(Timeout.parse))
            #expect(read >= duration && read - duration <= duration / 10_000 + .nanoseconds(1))
            duration = duration * 3 + .nanoseconds(7)
        }
    }

    @Test("a status message survives its way", arguments: ["", "plain", "100%", "%41", "größe\n→", "\u{0}\u{7f}"])
    func percent(text: String) {
        let encoded = PercentCoding.encode(text)
        #expect(encoded.utf8.allSatisfy { $0 >= 0x20 && $0 <= 0x7e })
        #expect(Array(encoded.utf8).withUnsafeBytes(PercentCoding.decode) == text)
    }

    @Test("a broken escape stands for itself", arguments: ["%", "%4", "%zz", "a%"])
    func brokenEscape(text: String) {
        #expect(Array(text.utf8).withUnsafeBytes(PercentCoding.decode) == text)
    }

    @Test("metadata keeps order and repeats, hides the protocol's own, and copies do not share changes")
    func metadata() {
        var fields = HeaderFields()
        for (name, value) in [("a", "1"), ("b", "2"), ("a", "3"), ("grpc-status", "0"), ("content-type", "x")] {
            fields.append(name, value)
        }
        var metadata = Metadata(fields)
        let copy = metadata
        metadata.append("c d", "tab\there")
        #expect(metadata.all("A") == ["1", "3"])
        #expect(metadata.map(\.name) == ["a", "b", "a", "c-d"])
        #expect(metadata["c-d"] == "tab?here")
        #expect(metadata["grpc-status"] == "0")
        #expect(copy["c-d"] == nil)
        #expect(copy != metadata)
        #expect(Metadata()["a"] == nil)
    }

    @Test("bytes travel as base64, with padding or without, and joined values are taken apart")
    func binary() {
        var fields = HeaderFields()
        fields.append("padded-bin", "AAE=")
        fields.append("bare-bin", "AAE")
        fields.append("joined-bin", "AAE,AgM")
        fields.append("broken-bin", "!!")
        let metadata = Metadata(fields)
        #expect(metadata.bytes("padded-bin") == [0, 1])
        #expect(metadata.bytes("bare-bin") == [0, 1])
        #expect(metadata.bytes("joined-bin") == [0, 1])
        #expect(metadata.bytes("broken-bin") == nil)
        #expect(metadata.bytes("none-bin") == nil)
        #expect(metadata.allBytes("joined-bin") == [[0, 1], [2, 3]])
        #expect(metadata.allBytes("broken-bin") == nil)
        #expect(metadata.allBytes("none-bin") == [])
    }

    @Test("every code has gRPC's number and name")
    func codes() {
        #expect(StatusCode.allCases.map(\.rawValue) == Array(0...16))
        #expect(StatusCode.deadlineExceeded.name == "DEADLINE_EXCEEDED")
        #expect(Set(StatusCode.allCases.map(\.name)).count == 17)
    }
}
