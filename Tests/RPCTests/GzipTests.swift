import RPC
import Testing

@Suite("Gzip", .timeLimit(.minutes(1)))
struct GzipTests {
    /// "hello, hello, hello, hello" as Python's gzip writes it, with a file name in the header.
    private static let hello: [UInt8] = [
        31, 139, 8, 8, 0, 0, 0, 0, 2, 255, 110, 97, 109, 101, 0, 203, 72, 205, 201, 201, 215, 81, 200, 192, 164, 0,
        85, 163, 130, 119, 26, 0, 0, 0,
    ]

    private static func read(_ bytes: [UInt8], limit: Int = 1 << 20, _ codec: GzipCodec = GzipCodec())
        throws(GzipError) -> [UInt8]
    {
        try bytes.span.withUnsafeBytes { (raw) throws(GzipError) in try codec.decompress(raw, limit: limit) }
    }

    /// A message that repeats itself more or less.
    private static func message(_ count: Int, alphabet: UInt8, _ random: inout SplitMix) -> [UInt8] {
        (0..<count).map { _ in UInt8.random(in: 0...alphabet, using: &random) }
    }

    @Test("what one codec compresses, it decompresses, one message after another")
    func roundTrips() throws {
        var random = SplitMix(seed: 7)
        let codec = GzipCodec()
        var shrunk = 0
        for round in 0..<200 {
            let message = Self.message(
                Int.random(in: 0...(round % 10 == 0 ? 200_000 : 5_000), using: &random),
                alphabet: [0, 1, 15, 63, 255][round % 5],
                &random
            )
            let prefix = round % 7
            let framed = [UInt8](repeating: 9, count: prefix) + message
            guard let compressed = codec.compress(framed, prefix: prefix) else { continue }
            shrunk += 1
            #expect(compressed.count < framed.count)
            #expect(compressed.prefix(prefix).allSatisfy { $0 == 0 })
            #expect(try Self.read(Array(compressed.dropFirst(prefix)), codec) == message)
        }
        #expect(shrunk > 140)
    }

    @Test("what does not become smaller is not compressed")
    func incompressible() {
        var random = SplitMix(seed: 1)
        let codec = GzipCodec()
        #expect(codec.compress([]) == nil)
        #expect(codec.compress([1, 2, 3]) == nil)
        #expect(codec.compress(Self.message(100_000, alphabet: 255, &random)) == nil)
        // The state that was left in the middle is as good as new.
        #expect(codec.compress([UInt8](repeating: 0, count: 10_000)).map(\.count) ?? .max < 100)
    }

    @Test("another program's gzip is read, with the optional parts of its header")
    func foreign() throws {
        #expect(try Self.read(Self.hello) == Array("hello, hello, hello, hello".utf8))
    }

    @Test("members that follow each other are one message, of which some may be empty")
    func members() throws {
        let once = Array("hello, hello, hello, hello".utf8)
        #expect(try Self.read(Self.hello + Self.hello) == once + once)
        let empty: [UInt8] = [31, 139, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        #expect(try Self.read(empty) == [])
        #expect(try Self.read(empty + Self.hello + empty) == once)
    }

    @Test("what follows the last member and is none is damage", arguments: [[0], [1, 2, 3], [31, 139, 9, 0]])
    func garbage(tail: [UInt8]) {
        #expect { try Self.read(Self.hello + tail) } throws: { error in
            switch error as? GzipError {
            case .corrupt, .truncated: true
            default: false
            }
        }
    }

    @Test("a message that is cut anywhere is cut")
    func truncated() {
        for count in 0..<Self.hello.count {
            #expect(throws: GzipError.truncated) { try Self.read(Array(Self.hello[..<count])) }
        }
        for count in 1..<Self.hello.count {
            #expect(throws: GzipError.truncated) { try Self.read(Self.hello + Self.hello[..<count]) }
        }
    }

    @Test("a bit that has fallen over is noticed, or stood where it says nothing of the message")
    func damage() {
        let message = Array("hello, hello, hello, hello".utf8)
        var noticed = 0
        let codec = GzipCodec()
        for bit in 0..<Self.hello.count * 8 {
            var damaged = Self.hello
            damaged[bit / 8] ^= 1 << UInt8(bit % 8)
            do {
                #expect(try Self.read(damaged, codec) == message, "bit \(bit)")
            } catch {
                noticed += 1
            }
        }
        // Time, system and file name are not the message's.
        #expect(noticed > 150)
        #expect(throws: GzipError.self) { try Self.read(Array("not gzip at all".utf8), codec) }
        #expect((try? Self.read(Self.hello, codec)) == message, "the state is as good as new")
    }

    @Test("a bomb goes off at the limit, whatever it claims, and costs no more memory")
    func bomb() throws {
        let codec = GzipCodec()
        let bomb = try #require(codec.compress([UInt8](repeating: 0, count: 256 << 20)))
        #expect(bomb.count < 2 << 20)
        let before = residentBytes()
        for _ in 0..<8 {
            #expect(throws: GzipError.tooLarge(limit: 1 << 20)) { try Self.read(bomb, limit: 1 << 20, codec) }
        }
        #expect(residentBytes() - before < 16 << 20)
    }

    @Test("a message of just the limit is taken", arguments: [64, 16_383, 16_384, 16_385, 100_000])
    func limit(count: Int) throws {
        let codec = GzipCodec()
        let message = [UInt8](repeating: 5, count: count)
        let compressed = try #require(codec.compress(message))
        #expect(try Self.read(compressed, limit: count, codec) == message)
        #expect(throws: GzipError.tooLarge(limit: count - 1)) { try Self.read(compressed, limit: count - 1, codec) }
    }
}
