internal import Glibc

/// The network that an address belongs to, as far as one customer of a provider commonly has all of it: /24 of IPv4,
/// /64 of IPv6.
enum NetworkAddress {
    /// The host of a peer such as `127.0.0.1:50312` or `[::1]:50312`.
    static func host(of peer: String) -> String {
        guard let colon = peer.lastIndex(of: ":") else { return peer }
        let host = peer[..<colon]
        return String(host.hasPrefix("[") && host.hasSuffix("]") ? host.dropFirst().dropLast() : host)
    }

    /// The network of a host, in bytes that are the same for all of it; of what is no address, the text.
    static func network(of host: String) -> [UInt8] {
        var four = in_addr()
        if inet_pton(AF_INET, host, &four) == 1 { return network(withUnsafeBytes(of: four) { Array($0) }) }
        var six = in6_addr()
        // A zone (`fe80::1%eth0`) is this machine's business.
        guard inet_pton(AF_INET6, String(host.prefix { $0 != "%" }), &six) == 1 else { return Array(host.utf8) }
        let bytes = withUnsafeBytes(of: six) { Array($0) }
        // An IPv4 address that travels as IPv6 (RFC 4291, section 2.5.5.2).
        let mapped: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]
        return bytes.starts(with: mapped) ? network(Array(bytes[12...])) : [6] + bytes[..<8]
    }

    private static func network(_ four: [UInt8]) -> [UInt8] { [4] + four[..<3] }
}
