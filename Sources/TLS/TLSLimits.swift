/// The limits of the TLS layer, each with its unit.
enum TLSLimits {
    /// Bytes that one read takes from the socket, so that a peer that sends fast does not hold up its loop.
    static let readBytes = 64 * 1024

    /// Bytes that OpenSSL reads at once, whole records and the beginning of the next, and holds while they are not
    /// complete.
    static let recordBufferBytes = 17 * 1024

    /// Steps of OpenSSL's state machine, about three a message, that a peer may cause after the handshake (KeyUpdate,
    /// NewSessionTicket) for each ``messageAllowanceBytes`` of data before it is given up.
    static let stepsAfterHandshake = 128

    /// Bytes of data after which a peer may send as many messages again.
    static let messageAllowanceBytes = 1024 * 1024

    /// How long a ticket key makes new tickets, in seconds.
    static let ticketKeySeconds = 3600

    /// How long a session can be taken up again, in seconds; its ticket key is kept that much longer.
    static let sessionSeconds = 7200

    /// Servers whose sessions a client remembers, one session each.
    static let rememberedSessions = 64

    /// Bytes of a certificate, key or CA file.
    static let fileBytes = 4 * 1024 * 1024
}

/// A version of TLS.
public enum TLSVersion: String, CaseIterable, Sendable {
    /// RFC 8446.
    case v1_3 = "1.3"
    /// RFC 5246, with forward-secret AEAD suites only.
    case v1_2 = "1.2"
}

/// Certificates, keys or CAs that cannot be used: which file, what is wrong with it, and what would be right.
public struct TLSConfigurationError: Error, Equatable, CustomStringConvertible {
    /// What is wrong.
    public let description: String
}
