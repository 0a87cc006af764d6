import FixtureAPI
import Primitives
import Testing

@testable import Protobuf

@Suite("The wire check refuses what protobuf-c would trust")
struct WireCheckTests {
    /// What decoding the bytes as `type` fails with.
    private func failure<M: GeneratedMessage>(
        _ type: M.Type,
        _ bytes: [UInt8],
        limits: WireLimits = .standard
    ) -> WireError? {
        let arena = Arena()
        let result = bytes.withUnsafeBytes { raw in
            Result { () throws(WireError) in try M(serialized: raw, limits: limits, arena: arena) }
        }
        guard case .failure(let error) = result else { return nil }
        return error
    }

    /// `count` trees, each inside the other.
    private func nested(_ count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        for _ in 1..<count {
            var length = bytes.count
            var prefix: [UInt8] = [0x12]
            repeat {
                prefix.append(UInt8(length & 0x7F) | (length > 0x7F ? 0x80 : 0))
                length >>= 7
            } while length > 0
            bytes = prefix + bytes
        }
        return bytes
    }

    @Test("10,000-deep nesting, and one level more than allowed")
    func depth() throws {
        let error = try #require(failure(Tree.self, nested(10_000)))
        #expect(error.reason == "messages are nested more than 64 deep; nest them less")
        #expect(error.field.utf8.count <= 256)
        #expect(failure(Tree.self, nested(64)) == nil)
        #expect(failure(Tree.self, nested(65)) != nil)
    }

    @Test("a NUL in a string, with the path of the field and its offset")
    func nul() throws {
        // children[...] { name: "a\0b" }
        let error = try #require(failure(Tree.self, [0x12, 5, 10, 3, 97, 0, 98]))
        #expect(
            error == WireError(reason: "a NUL character; text may not hold U+0000", field: "children.name", offset: 5)
        )
        #expect(failure(Tree.self, [10, 9] + Array("12345678".utf8) + [0])?.offset == 10)
        #expect(failure(Scalars.self, [0x7A, 1, 0]) == nil, "bytes may hold NUL")
    }

    @Test(
        "invalid UTF-8",
        arguments: [
            [0x80], [0xC0, 0x80], [0xC1, 0xBF], [0xC3], [0xE0, 0x80, 0x80], [0xE0, 0x9F, 0xBF], [0xED, 0xA0, 0x80],
            [0xED, 0xBF, 0xBF], [0xE2, 0x82], [0xF0, 0x80, 0x80, 0x80], [0xF0, 0x8F, 0xBF, 0xBF],
            [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xFF], [0xF0, 0x9F, 0x98], [0xC3, 0x28],
        ] as [[UInt8]]
    )
    func brokenText(_ text: [UInt8]) throws {
        for padding in [0, 3, 7, 8, 9, 20] {
            let value = [UInt8](repeating: 97, count: padding) + text
            let error = try #require(failure(Tree.self, [10, UInt8(value.count)] + value))
            #expect(error.reason == "not valid UTF-8; text must be UTF-8" && error.field == "name")
            #expect(error.offset == 2 + padding)
        }
    }

    @Test("all of Unicode passes")
    func validText() {
        for value in stride(from: UInt32(1), through: 0x10FFFF, by: 101) {
            guard let scalar = Unicode.Scalar(value) else { continue }
            let text = Array("abc\(scalar)defghijkl".utf8)
            #expect(text.withUnsafeBufferPointer { findTextFault($0.baseAddress!, count: text.count) } == nil)
        }
    }

    @Test("every prefix of a message is either whole or refused, never read past its end")
    func truncated() throws {
        for vector in Vector.all where vector.name == Lists.fullName || vector.name == Scalars.fullName {
            let whole = try bytes(vector)
            for count in 0..<whole.count {
                // Copied out, so that the sanitizer or the allocator would notice a read past the end.
                let cut = Array(whole[..<count])
                if vector.name == Lists.fullName {
                    _ = failure(Lists.self, cut)
                } else {
                    _ = failure(Scalars.self, cut)
                }
            }
        }
        #expect(
            failure(Scalars.self, [9, 0, 0])?.reason
                == "8 bytes wanted where 2 are left; the message is cut or malformed"
        )
        #expect(failure(Scalars.self, [0x18])?.reason == "a varint is cut off by the end of the message")
        #expect(failure(Scalars.self, [0x72, 5, 97])?.field == "a_string")
        #expect(failure(Scalars.self, [0x72, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F])?.field == "a_string")
        #expect(failure(Scalars.self, [0x72])?.reason == "a length is cut off by the end of the message")
    }

    @Test("tags that are no tags, groups and wrong wire types")
    func tags() {
        #expect(failure(Tree.self, [0])?.reason == "field number 0; they begin at 1")
        #expect(failure(Tree.self, [0x80, 0])?.reason == "field number 0; they begin at 1")
        #expect(failure(Tree.self, [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1])?.reason == "a tag is longer than five bytes")
        #expect(failure(Tree.self, [0xF8, 0xFF, 0xFF, 0xFF, 0x7F])?.reason.hasSuffix("they end at 536870911") == true)
        #expect(failure(Tree.self, [0xA3, 6])?.reason == "field 100 is a group, which proto3 does not have")
        #expect(failure(Tree.self, [0xA4, 6])?.reason == "field 100 is a group, which proto3 does not have")
        #expect(failure(Tree.self, [0xA6, 6])?.reason == "field 100 has wire type 6; there are 0, 1, 2 and 5")
        #expect(failure(Tree.self, [8, 1])?.field == "name", "a varint where a string is right")
        #expect(failure(Scalars.self, [0x1A, 0])?.field == "an_int32", "a packed list where one number is right")
        #expect(
            failure(Scalars.self, [0x18] + [UInt8](repeating: 0x80, count: 10) + [1])?.reason
                == "a varint longer than ten bytes"
        )
        #expect(
            failure(Lists.self, [0x0A, 7] + [UInt8](repeating: 0, count: 7))?.reason
                == "7 bytes of packed elements, which are 8 bytes each"
        )
        #expect(failure(Lists.self, [0x12, 2, 1, 0x80])?.field == "int32s", "a packed list that ends inside a number")
    }

    @Test("a singular message that occurs twice, which protobuf-c would merge at the price of a square")
    func twice() {
        #expect(failure(Presence.self, [0x32, 0]) == nil)
        let error = failure(Presence.self, [0x32, 0, 0x32, 0])
        #expect(
            error?.field == "message" && error?.reason == "the field occurs twice; a singular message may occur once"
        )
    }

    /// `count` empty fields of that tag.
    private func flood(_ tag: UInt8, _ count: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: 2 * count) { buffer, used in
            for index in 0..<count { (buffer[2 * index], buffer[2 * index + 1]) = (tag, 0) }
            used = 2 * count
        }
    }

    @Test("4 MiB of empty submessages, of unknown fields and of empty strings cost no gigabytes")
    func amplification() {
        let twoMillion = 2 << 20
        for tag: UInt8 in [0x12, 0x1A, 0x0A] {
            #expect(
                failure(Tree.self, flood(tag, twoMillion))?.reason.hasPrefix(
                    "the message would take more than 67108864 bytes"
                ) == true
            )
        }
        let packed: [UInt8] = [0x2A, 0x80, 0x80, 0x80, 2] + [UInt8](repeating: 1, count: 4 << 20)
        #expect(failure(Lists.self, packed) == nil, "four million packed numbers are fine")
    }

    @Test("a message that passes the check never meets the arena's limit")
    func checkIsStricterThanArena() throws {
        // What costs most memory a byte, as much of it as the check lets through.
        for tag: UInt8 in [0x12, 0x1A, 0x0A] {
            var count = 1 << 20
            while count > 1 << 10 {
                if let error = failure(Tree.self, flood(tag, count)) {
                    #expect(error.reason.hasPrefix("the message would take"))
                    count = count * 7 / 8
                } else {
                    break
                }
            }
            #expect(count > 1 << 16)
        }
    }

    @Test("random bytes and random changes never crash, and what is accepted encodes again")
    func random() throws {
        var generator = SystemRandomNumberGenerator()
        let lists = try bytes(.lists)
        for round in 0..<4000 {
            var input = lists
            if round % 4 == 0 {
                input = (0..<Int.random(in: 0..<40, using: &generator)).map { _ in
                    .random(in: 0...255, using: &generator)
                }
            } else {
                for _ in 0..<Int.random(in: 1...4, using: &generator) {
                    input[.random(in: 0..<input.count, using: &generator)] = .random(in: 0...255, using: &generator)
                }
            }
            if let message = try? Lists(serialized: input) {
                // Not compared: NaN is not equal to itself.
                #expect(throws: Never.self) { try Lists(serialized: message.serialized()) }
            }
        }
    }
}

@Suite("The arena")
struct ArenaTests {
    @Test("an allocation that fails, whichever it is, is an error and nothing else")
    func failingAllocation() throws {
        for vector in [Vector.lists, .odd] {
            let input = try bytes(vector)
            var attempt = 0
            while true {
                let arena = Arena()
                arena.failingAllocation = attempt
                let result = input.withUnsafeBytes { raw in
                    Result { () throws(WireError) in
                        if vector.name == Lists.fullName {
                            _ = try Lists(serialized: raw, limits: .standard, arena: arena)
                        } else {
                            _ = try Odd(serialized: raw, limits: .standard, arena: arena)
                        }
                    }
                }
                if case .success = result { break }
                attempt += 1
                try #require(attempt < 1000)
            }
            #expect(attempt > 5, "the message took \(attempt) allocations")
        }
    }

    @Test("memory is aligned, apart, reused after a reset and bounded")
    func memory() throws {
        let arena = Arena(firstBlockBytes: 64, limitBytes: 4096)
        let first = try #require(arena.allocate(1))
        let second = try #require(arena.allocate(20))
        #expect(second - first == 16 && Int(bitPattern: first) % 16 == 0)
        let big = try #require(arena.allocate(2000))
        big.initializeMemory(as: UInt8.self, repeating: 1, count: 2000)
        #expect(arena.allocate(4000) == nil && arena.allocate(.max) == nil)
        arena.reset()
        #expect(arena.allocate(1) == first)
        #expect(arena.allocate(0) != nil)
    }
}
