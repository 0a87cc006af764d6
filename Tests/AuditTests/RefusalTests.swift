import Domain
import Primitives
import Testing

@testable import Audit

@Suite("Refusals gathered")
struct RefusalTests {
    static let minute = RefusalGathering.window
    static let tenant = UUID.v7()

    static func refusal(_ method: String = "m", actor: Actor? = .service(key: .zero), call: String = "c") -> Refusal {
        Refusal(
            tenant: tenant,
            actor: actor,
            namedKey: nil,
            method: method,
            outcome: "PERMISSION_DENIED",
            reason: "PERMISSION_DENIED",
            callID: call,
            address: "127.0.0.1"
        )
    }

    @Test("the first is written at once, the rest of its minute as one, and then it begins anew")
    func flood() {
        var gathering = RefusalGathering()
        gathering.add(Self.refusal(call: "first"), now: 5)
        let first = gathering.take(now: 5)
        #expect(first.map(\.calls) == [1] && first.map(\.refusal.callID) == ["first"])
        for index in 0..<1000 { gathering.add(Self.refusal(call: "\(index)"), now: 6) }
        #expect(gathering.take(now: Self.minute).isEmpty)
        let rest = gathering.take(now: Self.minute + 5)
        #expect(rest.map(\.calls) == [1000] && rest.map(\.refusal.callID) == ["0"])
        // A minute without one, and the next is a first again.
        #expect(gathering.take(now: 2 * Self.minute + 5).isEmpty)
        gathering.add(Self.refusal(call: "later"), now: 2 * Self.minute + 6)
        #expect(gathering.take(now: 2 * Self.minute + 6).map(\.refusal.callID) == ["later"])
    }

    @Test("what differs in method or actor is counted by itself; made-up keys make no kinds of their own")
    func kinds() {
        var gathering = RefusalGathering()
        gathering.add(Self.refusal("a"), now: 0)
        gathering.add(Self.refusal("b"), now: 0)
        gathering.add(Self.refusal("a", actor: .service(key: .v7())), now: 0)
        for _ in 0..<5 {
            var unproven = Self.refusal("a", actor: nil)
            unproven.namedKey = .v7()
            gathering.add(unproven, now: 0)
        }
        #expect(gathering.take(now: 0).map(\.calls).sorted() == [1, 1, 1, 5])
    }

    @Test("only so many kinds are known at a time, and what is not counted is told")
    func bounded() {
        var gathering = RefusalGathering()
        for index in 0..<(RefusalGathering.capacity + 10) { gathering.add(Self.refusal("\(index)"), now: 0) }
        #expect(gathering.uncounted == 10)
        #expect(gathering.take(now: 0).count == RefusalGathering.capacity)
        #expect(gathering.uncounted == 0)
    }

    @Test("what could not be written is tried again, with what came meanwhile")
    func putBack() {
        var gathering = RefusalGathering()
        for _ in 0..<3 { gathering.add(Self.refusal(call: "first"), now: 0) }
        let taken = gathering.take(now: 0)
        gathering.add(Self.refusal(call: "meanwhile"), now: 1)
        gathering.putBack(taken)
        let again = gathering.take(now: 2)
        #expect(again.map(\.calls) == [4] && again.map(\.refusal.callID) == ["first"])
    }

    @Test("when a server stops, everything is written")
    func stopping() {
        var gathering = RefusalGathering()
        gathering.add(Self.refusal(), now: 0)
        _ = gathering.take(now: 0)
        gathering.add(Self.refusal(), now: 1)
        #expect(gathering.take(now: 2, everything: true).map(\.calls) == [1])
    }
}
