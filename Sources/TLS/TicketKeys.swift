internal import COpenSSL
internal import Glibc
internal import Synchronization

/// The keys that seal the tickets of a server's sessions (RFC 5077, RFC 8446 section 4.6.1).
///
/// They belong to no context, so that a session made on one loop and before a reload can be taken up on another and after
/// it. A new one is made each ``TLSLimits/ticketKeySeconds``; an old one opens tickets until those that it has made are
/// over. They are never written down: after a restart clients shake hands in full.
final class TicketKeys: Sendable {
    private struct Key {
        var name: [UInt8]
        var cipher: [UInt8]
        var mac: [UInt8]
        var made: UInt64
    }

    private let keys = Mutex<[Key]>([])
    private let now: @Sendable () -> UInt64

    /// - Parameter now: seconds of a clock that does not jump.
    init(now: @escaping @Sendable () -> UInt64) {
        self.now = now
    }

    /// Seconds since the machine started, those asleep among them.
    @Sendable static func bootSeconds() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return UInt64(time.tv_sec)
    }

    /// Prepares the sealing of a ticket.
    ///
    /// - Returns: whether it can be.
    func seal(
        _ name: UnsafeMutablePointer<UInt8>,
        _ vector: UnsafeMutablePointer<UInt8>,
        _ cipher: OpaquePointer,
        _ mac: OpaquePointer
    ) -> Bool {
        guard let key = current(), RAND_bytes(vector, 16) == 1 else { return false }
        name.update(from: key.name, count: 16)
        return EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), nil, key.cipher, vector) == 1
            && trellis_mac_set_key(mac, key.mac, key.mac.count) == 1
    }

    /// Prepares the opening of a ticket.
    ///
    /// - Returns: nil when there is no such key any more, else whether the ticket is to be replaced by a newer one.
    func open(
        _ name: UnsafePointer<UInt8>,
        _ vector: UnsafePointer<UInt8>,
        _ cipher: OpaquePointer,
        _ mac: OpaquePointer
    ) -> (isOld: Bool, isReady: Bool)? {
        let wanted = UnsafeBufferPointer(start: name, count: 16)
        let current = current()
        let found = keys.withLock { $0.first { $0.name.elementsEqual(wanted) } }
        guard let found else { return nil }
        let isReady =
            EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), nil, found.cipher, vector) == 1
            && trellis_mac_set_key(mac, found.mac, found.mac.count) == 1
        return (found.name != current?.name, isReady)
    }

    /// The key that makes tickets now; nil when there is no randomness to make one of.
    private func current() -> Key? {
        let now = now()
        return keys.withLock { keys in
            if let newest = keys.first, now < newest.made + UInt64(TLSLimits.ticketKeySeconds) { return newest }
            var random = [UInt8](repeating: 0, count: 80)
            guard RAND_bytes(&random, 80) == 1 else { return nil }
            let key = Key(
                name: Array(random[..<16]),
                cipher: Array(random[16..<48]),
                mac: Array(random[48...]),
                made: now
            )
            let life = UInt64(TLSLimits.ticketKeySeconds + TLSLimits.sessionSeconds)
            keys = [key] + keys.filter { now < $0.made + life }
            return key
        }
    }
}

/// Asked by OpenSSL when it seals or opens a ticket (SSL_CTX_set_tlsext_ticket_key_evp_cb(3)).
func tlsTicketKey(
    _ ssl: OpaquePointer?,
    _ name: UnsafeMutablePointer<UInt8>?,
    _ vector: UnsafeMutablePointer<UInt8>?,
    _ cipher: OpaquePointer?,
    _ mac: OpaquePointer?,
    _ seals: Int32
) -> Int32 {
    guard let ssl, let name, let vector, let cipher, let mac, let owner = trellis_ctx_owner(SSL_get_SSL_CTX(ssl)) else {
        return -1
    }
    return Unmanaged<TicketKeys>.fromOpaque(owner)._withUnsafeGuaranteedRef { keys in
        if seals == 1 { return keys.seal(name, vector, cipher, mac) ? 1 : -1 }
        guard let (isOld, isReady) = keys.open(name, vector, cipher, mac) else { return 0 }
        // A ticket of TLS 1.3 is for one use (RFC 8446, appendix C.4), so that its user gets another.
        return !isReady ? -1 : isOld || SSL_version(ssl) == TLS1_3_VERSION ? 2 : 1
    }
}
