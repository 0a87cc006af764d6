/// A host and a port as they were given.
struct Target: Sendable, Hashable {
    var host: String
    var port: UInt16

    /// What stands in a call's :authority.
    var authority: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// Addresses of one channel at most.
    static let countMax = 256

    /// The targets of "host:port" or "[IPv6]:port", or of several with commas between them.
    static func parse(_ text: String) throws(ChannelError) -> [Target] {
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
        guard parts.count <= countMax else { throw .tooManyAddresses(parts.count) }
        var targets: [Target] = []
        for part in parts {
            guard let target = one(part.drop { $0 == " " }) else { throw .address(String(part)) }
            if !targets.contains(target) { targets.append(target) }
        }
        return targets
    }

    private static func one(_ address: Substring) -> Target? {
        guard let colon = address.lastIndex(of: ":"), let port = UInt16(address[address.index(after: colon)...]),
            port > 0
        else { return nil }
        var host = address[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            return nil
        }
        return host.isEmpty ? nil : Target(host: String(host), port: port)
    }
}

/// Why there can be no channel.
public enum ChannelError: Error, CustomStringConvertible {
    /// The address is not "host:port" or "[IPv6]:port".
    case address(String)
    /// There are more addresses than a channel takes.
    case tooManyAddresses(Int)

    /// What is wrong, and what would be right.
    public var description: String {
        switch self {
        case .address(let text):
            "the address is \"\(text)\"; it must be HOST:PORT, such as 127.0.0.1:7443 or [::1]:7443"
        case .tooManyAddresses(let count):
            "there are \(count) addresses; there may be \(Target.countMax) at most"
        }
    }
}
