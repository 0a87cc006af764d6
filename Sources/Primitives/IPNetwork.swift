internal import Glibc

/// An IPv4 or IPv6 address. An IPv4 address that travels as IPv6 (RFC 4291, section 2.5.5.2) is the one of IPv4.
public struct IPAddress: Hashable, Sendable, CustomStringConvertible {
    // IPv4 is kept as IPv6 has it, ::ffff:a.b.c.d.
    fileprivate let high: UInt64
    fileprivate let low: UInt64

    fileprivate init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// Reads an address in its usual text form; nil for anything else.
    public init?(_ text: some StringProtocol) {
        guard text.utf8.count <= 64 else { return nil }
        let text = String(text)
        var v4 = in_addr()
        if inet_pton(AF_INET, text, &v4) == 1 {
            self.init(high: 0, low: Self.mapping | UInt64(UInt32(bigEndian: v4.s_addr)))
            return
        }
        var v6 = in6_addr()
        guard inet_pton(AF_INET6, text, &v6) == 1 else { return nil }
        self = withUnsafeBytes(of: v6) { bytes in
            IPAddress(
                high: UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)),
                low: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            )
        }
    }

    /// Reads the address of one end of a connection, `host:port` or `[host]:port`, without its port and without the
    /// interface that a link-local address may name; nil for anything else.
    public init?(peer: String) {
        guard let colon = peer.lastIndex(of: ":") else { return nil }
        var host = peer[..<colon]
        if host.first == "[", host.last == "]" { host = host.dropFirst().dropLast() }
        self.init(host.prefix { $0 != "%" })
    }

    private static let mapping: UInt64 = 0xFFFF_0000_0000

    /// Whether this is an address of IPv4.
    public var isIPv4: Bool { high == 0 && low >> 32 == 0xFFFF }

    /// The address in its usual text form (RFC 5952 for IPv6).
    public var description: String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { text in
            text.initialize(repeating: 0)
            if isIPv4 {
                var v4 = in_addr(s_addr: UInt32(truncatingIfNeeded: low).bigEndian)
                inet_ntop(AF_INET, &v4, text.baseAddress, 64)
            } else {
                var v6 = (high.bigEndian, low.bigEndian)
                inet_ntop(AF_INET6, &v6, text.baseAddress, 64)
            }
            return text.baseAddress.map { String(cString: $0) } ?? ""
        }
    }
}

/// A block of addresses (CIDR, RFC 4632): those that begin with the same bits. One of IPv4 holds no address of IPv6, and the
/// other way round.
public struct IPNetwork: Hashable, Sendable, CustomStringConvertible {
    /// Its first address.
    public let first: IPAddress
    /// How many leading bits its addresses share, as text forms of its family count them.
    public let prefix: Int

    /// The network of an address: those with which it shares `prefix` bits; nil when its family has not so many.
    public init?(_ address: IPAddress, prefix: Int) {
        let bits = address.isIPv4 ? 32 : 128
        guard (0...bits).contains(prefix) else { return nil }
        self.prefix = prefix
        let mask = Self.mask(prefix + 128 - bits)
        first = IPAddress(high: address.high & mask.high, low: address.low & mask.low)
    }

    /// Reads an address, or an address and a number of bits, such as "192.0.2.0/24" or "2001:db8::/32"; nil for anything
    /// else. Bits of the address after these do not count: see ``first``.
    public init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let host = parts.first, let address = IPAddress(host) else { return nil }
        guard parts.count == 2 else {
            self.init(address, prefix: address.isIPv4 ? 32 : 128)
            return
        }
        let digits = parts[1]
        guard (1...3).contains(digits.utf8.count), digits.utf8.allSatisfy({ (48...57).contains($0) }),
            digits.utf8.count == 1 || digits.first != "0", var prefix = Int(digits)
        else { return nil }
        if address.isIPv4, host.contains(":") {
            // ::ffff:192.0.2.0/120, which counts the bits as IPv6 does.
            guard prefix >= 96 else { return nil }
            prefix -= 96
        }
        self.init(address, prefix: prefix)
    }

    /// Whether an address belongs to it.
    public func contains(_ address: IPAddress) -> Bool {
        guard address.isIPv4 == first.isIPv4 else { return false }
        let mask = Self.mask(first.isIPv4 ? prefix + 96 : prefix)
        return address.high & mask.high == first.high && address.low & mask.low == first.low
    }

    /// The network as it is written, such as "192.0.2.0/24".
    public var description: String { "\(first)/\(prefix)" }

    private static func mask(_ bits: Int) -> (high: UInt64, low: UInt64) {
        // Shifting by 64 and more gives zero in Swift.
        (bits >= 64 ? .max : ~(UInt64.max >> UInt64(bits)), bits <= 64 ? 0 : ~(UInt64.max >> UInt64(bits - 64)))
    }
}
