import Primitives
import Testing

@Suite("Addresses and networks")
struct IPNetworkTests {
    @Test(
        "addresses are read and written in their usual forms",
        arguments: [
            ("192.0.2.7", "192.0.2.7"), ("0.0.0.0", "0.0.0.0"), ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"), ("::1", "::1"),
            ("::", "::"), ("::ffff:192.0.2.7", "192.0.2.7"), ("::ffff:c000:207", "192.0.2.7"),
        ]
    )
    func addresses(text: String, written: String) throws {
        #expect(try #require(IPAddress(text)).description == written)
    }

    @Test(
        "what is no address is none",
        arguments: [
            "", "192.0.2", "192.0.2.256", "192.0.2.07 ", "2001:db8::1::2", "host", "192.0.2.7/32", "[::1]",
            "fe80::1%eth0",
        ]
    )
    func noAddress(text: String) {
        #expect(IPAddress(text) == nil)
    }

    @Test(
        "the address of a peer is read without its port",
        arguments: [
            ("192.0.2.7:50312", "192.0.2.7"), ("[2001:db8::1]:443", "2001:db8::1"), ("[fe80::1%eth0]:443", "fe80::1"),
            ("[::ffff:192.0.2.7]:443", "192.0.2.7"),
        ]
    )
    func peers(text: String, written: String) throws {
        #expect(try #require(IPAddress(peer: text)).description == written)
        #expect(IPAddress(peer: "unknown") == nil && IPAddress(peer: "in the process") == nil)
    }

    @Test(
        "networks are written with their first address",
        arguments: [
            ("192.0.2.0/24", "192.0.2.0/24"), ("192.0.2.77/24", "192.0.2.0/24"), ("192.0.2.7", "192.0.2.7/32"),
            ("0.0.0.0/0", "0.0.0.0/0"), ("2001:db8::/32", "2001:db8::/32"),
            ("2001:db8:ffff::1/33", "2001:db8:8000::/33"),
            ("2001:db8::1:2:3:4/65", "2001:db8::/65"), ("::1", "::1/128"), ("::/0", "::/0"),
            ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
        ]
    )
    func networks(text: String, written: String) throws {
        #expect(try #require(IPNetwork(text)).description == written)
    }

    @Test(
        "what is no network is none",
        arguments: [
            "", "/", "192.0.2.0/", "192.0.2.0/33", "192.0.2.0/-1", "192.0.2.0/+8", "192.0.2.0/08", "192.0.2.0/8/8",
            "2001:db8::/129", "::ffff:192.0.2.0/24", "192.0.2.0/ 8", "192.0.2.0/0008", "host/8",
        ]
    )
    func noNetwork(text: String) {
        #expect(IPNetwork(text) == nil)
    }

    @Test(
        "a network holds the addresses of its family that begin as it does",
        arguments: [
            ("192.0.2.0/24", "192.0.2.255", true), ("192.0.2.0/24", "192.0.3.0", false),
            ("192.0.2.128/25", "192.0.2.127", false), ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.6", false),
            ("0.0.0.0/0", "255.255.255.255", true), ("0.0.0.0/0", "::1", false), ("::/0", "192.0.2.7", false),
            ("::/0", "2001:db8::1", true), ("192.0.2.0/24", "::ffff:192.0.2.9", true),
            ("2001:db8::/64", "2001:db8::ffff:ffff:ffff:ffff", true), ("2001:db8::/64", "2001:db8:0:1::", false),
            ("2001:db8::/65", "2001:db8::8000:0:0:0", false), ("2001:db8::/127", "2001:db8::1", true),
            ("2001:db8::/127", "2001:db8::2", false),
        ]
    )
    func holds(network: String, address: String, isHeld: Bool) throws {
        #expect(try #require(IPNetwork(network)).contains(try #require(IPAddress(address))) == isHeld)
    }
}
