// CUV, too: which of the two modules owns the socket headers depends on the order in which they are built.
internal import CUV
internal import Glibc

/// The address of one end of a TCP connection, printed as `host:port` or `[host]:port`.
public struct SocketAddress: Sendable, CustomStringConvertible {
    private var storage: sockaddr_storage
    private var length: socklen_t

    /// AF_INET or AF_INET6.
    public var family: UInt16 { storage.ss_family }

    /// Every address that `host` stands for, in the system's order of preference. Blocks while a name is looked up.
    ///
    /// - Throws: `EventLoopError.address` with the resolver's reason.
    public static func resolve(
        host: String,
        port: UInt16,
        toListen: Bool = false
    ) throws(EventLoopError) -> [SocketAddress] {
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_NUMERICSERV | (toListen ? AI_PASSIVE : 0)
        var list: UnsafeMutablePointer<addrinfo>?
        let failure = getaddrinfo(host.isEmpty ? nil : host, String(port), &hints, &list)
        guard failure == 0 else {
            throw .address("cannot resolve \(host): \(String(cString: gai_strerror(failure)))")
        }
        defer { freeaddrinfo(list) }
        var addresses: [SocketAddress] = []
        var next = list
        while let entry = next {
            addresses.append(SocketAddress(entry.pointee.ai_addr, entry.pointee.ai_addrlen))
            next = entry.pointee.ai_next
        }
        return addresses
    }

    /// The address of this side of a connected or listening socket; nil when it has none.
    public init?(localOf descriptor: Int32) { self.init(descriptor, getsockname) }

    /// The address of the other side of a connected socket; nil when it is not connected.
    public init?(peerOf descriptor: Int32) { self.init(descriptor, getpeername) }

    private init?(
        _ descriptor: Int32,
        _ get: (Int32, UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int32
    ) {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let result = withUnsafeMutableBytes(of: &storage) { bytes in
            get(descriptor, bytes.assumingMemoryBound(to: sockaddr.self).baseAddress.unsafelyUnwrapped, &length)
        }
        guard result == 0 else { return nil }
        self.storage = storage
        self.length = length
    }

    private init(_ address: UnsafePointer<sockaddr>, _ length: socklen_t) {
        storage = sockaddr_storage()
        self.length = length
        withUnsafeMutableBytes(of: &storage) {
            $0.copyMemory(from: UnsafeRawBufferPointer(start: address, count: Int(length)))
        }
    }

    /// Binds a socket to the address: 0, or -1 with the reason in errno.
    public func bind(_ descriptor: Int32) -> Int32 { withSockAddr { Glibc.bind(descriptor, $0, $1) } }

    /// Connects a socket to the address, or begins to: 0, or -1 with the reason in errno.
    public func connect(_ descriptor: Int32) -> Int32 { withSockAddr { Glibc.connect(descriptor, $0, $1) } }

    private func withSockAddr<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        withUnsafeBytes(of: storage) {
            body($0.assumingMemoryBound(to: sockaddr.self).baseAddress.unsafelyUnwrapped, length)
        }
    }

    /// The port, or 0 where the family has none.
    public var port: UInt16 {
        withUnsafeBytes(of: storage) { bytes in
            switch Int32(family) {
            case AF_INET: UInt16(bigEndian: bytes.load(as: sockaddr_in.self).sin_port)
            case AF_INET6: UInt16(bigEndian: bytes.load(as: sockaddr_in6.self).sin6_port)
            default: 0
            }
        }
    }

    /// The part of an address that one customer of a network provider has: all of IPv4, the first 64 bits of IPv6.
    public struct Network: Hashable, Sendable {
        private let family: UInt16
        private let bits: UInt64

        fileprivate init(family: UInt16, bits: UInt64) {
            self.family = family
            self.bits = bits
        }
    }

    /// The network of the address, to count callers by; nil where the family has none. An IPv4 address that travels as
    /// IPv6 (RFC 4291, section 2.5.5.2) is the one of IPv4.
    public var network: Network? {
        withUnsafeBytes(of: storage) { bytes in
            switch Int32(family) {
            case AF_INET:
                return Network(family: family, bits: UInt64(bytes.load(as: sockaddr_in.self).sin_addr.s_addr))
            case AF_INET6:
                let start = MemoryLayout<sockaddr_in6>.offset(of: \.sin6_addr) ?? 8
                let high = bytes.loadUnaligned(fromByteOffset: start, as: UInt64.self)
                let low = bytes.loadUnaligned(fromByteOffset: start + 8, as: UInt64.self)
                guard high == 0, UInt32(truncatingIfNeeded: low) == UInt32(0xFFFF).bigEndian else {
                    return Network(family: family, bits: high)
                }
                return Network(family: UInt16(AF_INET), bits: low >> 32)
            default: return nil
            }
        }
    }

    /// Whether only this machine reaches it: 127.0.0.0/8, ::1, and the former written as IPv6.
    public var isLoopback: Bool {
        let host = host
        return host.hasPrefix("127.") || host == "::1" || host.hasPrefix("::ffff:127.")
    }

    /// The numeric host.
    public var host: String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { text in
            let failure = withSockAddr { address, length in
                getnameinfo(address, length, text.baseAddress, 64, nil, 0, NI_NUMERICHOST)
            }
            return failure == 0 ? String(cString: text.baseAddress.unsafelyUnwrapped) : "?"
        }
    }

    /// `host:port`, an IPv6 host in brackets.
    public var description: String {
        Int32(family) == AF_INET6 ? "[\(host)]:\(port)" : "\(host):\(port)"
    }
}
