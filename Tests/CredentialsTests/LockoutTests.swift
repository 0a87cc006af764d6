import Domain
import Primitives
import Testing

@testable import Credentials

@Suite("Lockout")
struct LockoutTests {
    static let start = Instant(microseconds: 1_800_000_000_000_000)

    static func after(_ seconds: Int64) -> Instant { start.advanced(byMicroseconds: seconds * 1_000_000) }

    static func wait(
        network: Int,
        account: Int = 0,
        trusted: Instant? = nil,
        after seconds: Int64 = 0
    ) -> Duration {
        Lockout.wait(
            network: .init(failures: network, last: start, trusted: trusted),
            account: .init(failures: account, last: start),
            now: after(seconds)
        )
    }

    @Test(
        "a network waits from its fifth failure, twice as long each time, up to a quarter of an hour",
        arguments: [
            (0, 0), (1, 0), (4, 0), (5, 5), (6, 10), (7, 20), (8, 40), (9, 80), (10, 160), (11, 320), (12, 640),
            (13, 900), (14, 900), (1000, 900), (Int(Int32.max), 900),
        ]
    )
    func network(failures: Int, seconds: Int) {
        #expect(Self.wait(network: failures) == .seconds(seconds))
    }

    @Test(
        "the account waits from its tenth failure, for half a minute at most",
        arguments: [(9, 0), (10, 1), (11, 2), (12, 4), (14, 16), (15, 30), (16, 30), (1_000_000, 30)]
    )
    func account(failures: Int, seconds: Int) {
        #expect(Self.wait(network: 0, account: failures) == .seconds(seconds))
    }

    @Test("the clock lets them go on: when the wait is over, and when failures are old")
    func clock() {
        #expect(Self.wait(network: 6, after: 9) == .seconds(1))
        #expect(Self.wait(network: 6, after: 10) == .zero)
        #expect(Self.wait(network: 1000, after: 899) == .seconds(1))
        #expect(Self.wait(network: 1000, after: 900) == .zero)
        #expect(Self.wait(network: 0, account: 50, after: 29) == .seconds(1))
        #expect(Self.wait(network: 0, account: 50, after: 30) == .zero)
        let old = Lockout.Counter(failures: 7, last: Self.start)
        #expect(old.counted(Self.after(86_399), within: Lockout.networkMicroseconds) == 7)
        #expect(old.counted(Self.after(86_400), within: Lockout.networkMicroseconds) == 0)
        #expect(old.counted(Self.after(3_600), within: Lockout.accountMicroseconds) == 0)
    }

    @Test("from where somebody has signed in, only that network's own failures count")
    func trust() {
        #expect(Self.wait(network: 0, account: 1_000_000, trusted: Self.after(-3600)) == .zero)
        #expect(Self.wait(network: 5, account: 1_000_000, trusted: Self.after(-3600)) == .seconds(5))
        // Not for ever.
        let day: Int64 = 86_400
        #expect(Self.wait(network: 0, account: 1_000_000, trusted: Self.after(-89 * day)) == .zero)
        #expect(Self.wait(network: 0, account: 1_000_000, trusted: Self.after(-90 * day)) == .seconds(30))
    }

    @Test("nobody waits longer than half a minute for what others do, whatever they do")
    func lockingOut() {
        for failures in stride(from: 0, to: 100_000, by: 997) {
            #expect(Self.wait(network: 0, account: failures) <= .seconds(30))
        }
    }

    @Test(
        "a network is /24 of IPv4 and /64 of IPv6, also where IPv4 travels as IPv6",
        arguments: [
            ("203.0.113.7", "203.0.113.250", true), ("203.0.113.7", "203.0.114.7", false),
            ("2001:db8::1", "2001:db8:0:0:ffff::9", true), ("2001:db8::1", "2001:db8:0:1::1", false),
            ("::ffff:203.0.113.7", "203.0.113.9", true), ("203.0.113.7", "::1", false),
            ("fe80::1%eth0", "fe80::2", true),
        ]
    )
    func networks(one: String, other: String, isSame: Bool) {
        #expect((NetworkAddress.network(of: one) == NetworkAddress.network(of: other)) == isSame)
    }

    @Test(
        "the host of a peer is without its port",
        arguments: [("127.0.0.1:50312", "127.0.0.1"), ("[2001:db8::1]:7", "2001:db8::1"), ("?", "?")]
    )
    func hosts(peer: String, host: String) {
        #expect(NetworkAddress.host(of: peer) == host)
    }
}
