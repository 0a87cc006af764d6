import FixtureAPI
import Primitives
import Testing
import TrellisAPI

@testable import Protobuf

/// The bytes of a vector.
func bytes(_ vector: Vector) throws -> [UInt8] { try #require(Hex.decode(vector.hex)) }

@Suite("Messages and Google's protobuf agree")
struct RoundTripTests {
    /// Decodes, and encodes to the same bytes.
    private func roundTrip<M: Message>(_ type: M.Type, _ vector: Vector) throws -> M {
        #expect(M.fullName == vector.name)
        let encoded = try bytes(vector)
        let message = try M(serialized: encoded)
        #expect(message.serialized() == encoded)
        #expect(try M(serialized: message.serialized(prefix: 0)) == message)
        return message
    }

    @Test("every scalar type at the ends of its range")
    func scalars() throws {
        #expect(try roundTrip(Scalars.self, .emptyScalars) == Scalars())
        let high = try roundTrip(Scalars.self, .highScalars)
        #expect(high.aDouble == 1.5e300 && high.aFloat == 0.25)
        #expect(high.anInt32 == .max && high.anInt64 == .max && high.aUint32 == .max && high.aUint64 == .max)
        #expect(high.aSint32 == .max && high.aSint64 == .max && high.aFixed32 == .max && high.aFixed64 == .max)
        #expect(high.anSfixed32 == .max && high.anSfixed64 == .max && high.aBool && high.color == .deepBlue)
        #expect(high.aString == "Ahoj, 世界 \u{1F600}" && high.someBytes == Array(0...255))
        let low = try roundTrip(Scalars.self, .lowScalars)
        #expect(low.anInt32 == .min && low.anInt64 == .min && low.aSint32 == .min && low.aSint64 == .min)
        #expect(low.anSfixed32 == .min && low.anSfixed64 == .min && low.color == .black)
    }

    @Test("lists, maps and numbers without a name")
    func lists() throws {
        let lists = try roundTrip(Lists.self, .lists)
        #expect(lists.doubles == [0, 1.5, -2] && lists.int32s == [0, -1, 300] && lists.sint64s == [-1, 1 << 62])
        #expect(lists.fixed32s == [7, 8] && lists.bools == [true, false, true] && lists.strings == ["", "two", "三"])
        #expect(lists.byteStrings == [[], [0, 255]])
        #expect(lists.colors == [.unspecified, .red, .black, .unrecognized(77)])
        #expect(lists.messages.count == 2 && lists.messages[0] == Scalars() && lists.messages[1].anInt64 == .max)
        #expect(lists.counts == ["one": 1, "two": -5] && lists.named == ["x": Scalars(aString: "named")])
    }

    @Test("the entry of a map may leave its key or its value out, and the last of a key counts")
    func mapEntries() throws {
        #expect(try Lists(serialized: [0x52, 0]).counts == ["": 0])
        #expect(try Lists(serialized: [0x52, 3, 10, 1, 97, 0x52, 5, 10, 1, 97, 16, 2]).counts == ["a": 2])
        #expect(try Lists(serialized: [0x5A, 3, 10, 1, 97]).named == ["a": Scalars()])
        #expect(try Lists(serialized: Lists(counts: ["": 7]).serialized()).counts == ["": 7])
    }

    @Test("absence is told from a default")
    func presence() throws {
        let none = try roundTrip(Presence.self, .noPresence)
        #expect(none == Presence() && none.number == nil && none.choice == nil)
        let zeros = try roundTrip(Presence.self, .zeroPresence)
        #expect(zeros.number == 0 && zeros.text == "" && zeros.flag == false && zeros.data == [])
        #expect(zeros.color == .unspecified && zeros.message == Scalars() && zeros.choice == .name(""))
        let set = try roundTrip(Presence.self, .scalarsPresence)
        #expect(set.choice == .scalars(Scalars(aBool: true)) && set.data == [100] && set.color == .red)
        #expect(try roundTrip(Presence.self, .rawPresence).choice == .raw([1, 0]))
        #expect(try roundTrip(Presence.self, .shadePresence).choice == .shade(.black))
        #expect(try roundTrip(Presence.self, .idPresence).choice == .id(1 << 53 + 1))
    }

    @Test("trees, odd names and well-known types")
    func odd() throws {
        let tree = try roundTrip(Tree.self, .tree)
        #expect(tree.children.map(\.name) == ["a", ""] && tree.children[0].children == [Tree(name: "a1")])
        let odd = try roundTrip(Odd.self, .odd)
        #expect(odd.default == "d" && odd.in == 3 && odd.tenantID == "t" && odd.apiKeyURL == "u")
        #expect(odd.createTime?.instant == Instant(microseconds: -995_000))
        #expect(odd.timeout?.duration == .milliseconds(-3500) && odd.inner?.kind == .good)
    }

    @Test("room for a prefix is left, and zero")
    func prefix() {
        #expect(Tree(name: "x").serialized(prefix: 5) == [0, 0, 0, 0, 0, 10, 1, 120])
        #expect(Tree().serialized(prefix: 5) == [0, 0, 0, 0, 0])
        #expect(Tree().serialized().isEmpty)
    }

    @Test("a NUL that we send becomes U+FFFD instead of cutting the text")
    func outgoingNUL() throws {
        let sent = Tree(name: "a\0b\0").serialized()
        #expect(try Tree(serialized: sent).name == "a\u{FFFD}b\u{FFFD}")
    }

    @Test("fields that we do not know are skipped")
    func unknownFields() throws {
        // Field 100 as varint, 101 as 64 bits, 102 as bytes, 103 as 32 bits, then the name.
        let known: [UInt8] = [10, 1, 120]
        let unknown: [UInt8] =
            [0xA0, 6, 1] + [0xA9, 6, 1, 2, 3, 4, 5, 6, 7, 8] + [0xB2, 6, 2, 0, 255] + [0xBD, 6, 1, 2, 3, 4]
        #expect(try Tree(serialized: unknown + known) == Tree(name: "x"))
    }

    @Test("the last of several singular values counts, packed and unpacked lists are read alike")
    func otherEncodings() throws {
        #expect(try Tree(serialized: [10, 1, 120, 10, 1, 121]).name == "y")
        #expect(try Lists(serialized: [0x10, 1, 0x12, 2, 2, 3, 0x10, 4]).int32s == [1, 2, 3, 4])
        #expect(try Lists(serialized: [0x25, 1, 0, 0, 0, 0x22, 4, 2, 0, 0, 0]).fixed32s == [1, 2])
    }

    @Test("instants before 1970 keep nanoseconds that are not negative")
    func instants() {
        #expect(Timestamp(Instant(microseconds: -1)) == Timestamp(seconds: -1, nanos: 999_999_000))
        #expect(Timestamp(Instant(microseconds: 1_500_000)) == Timestamp(seconds: 1, nanos: 500_000_000))
        #expect(Timestamp(seconds: -1, nanos: 999_999_000).instant == Instant(microseconds: -1))
        #expect(ProtoDuration(.milliseconds(-1500)) == ProtoDuration(seconds: -1, nanos: -500_000_000))
    }
}
