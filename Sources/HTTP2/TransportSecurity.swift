/// Makes a client's transport of a socket that has just been connected: TLS, where a channel is to have it.
///
/// The handshake happens inside the transport, as the connection reads and writes; until it is done, reads bring nothing
/// and writes take nothing. A failed handshake is a failed read or write.
public protocol ClientTransportSecurity: Sendable {
    /// Takes over a connected, non-blocking socket, also when it throws. On the loop that the connection will live on.
    ///
    /// - Parameter serverName: the host that was dialled, whose name or address the server's certificate has to bear.
    /// - Throws: ``HTTP2Error`` when there can be no transport.
    func transport(over socket: Int32, serverName: String) throws(HTTP2Error) -> any ByteTransport
}

/// Makes a server's transport of a socket that has just been accepted: TLS, where a listener is to have it.
public protocol ServerTransportSecurity: Sendable {
    /// Takes over an accepted, non-blocking socket, also when it throws. On the loop that the connection will live on.
    ///
    /// - Throws: ``HTTP2Error`` when there can be no transport.
    func transport(over socket: Int32) throws(HTTP2Error) -> any ByteTransport

    /// What its transports have done so far. Any thread.
    func counts() -> TransportSecurityCounts
}

/// What a listener's TLS has done so far. Counts never fall.
public struct TransportSecurityCounts: Sendable, Equatable {
    /// Handshakes that were completed.
    public var handshakes = 0
    /// Of these, how many took up an earlier session.
    public var resumed = 0
    /// Handshakes that were begun and failed.
    public var failed = 0
    /// How often the certificate was read again and taken.
    public var reloads = 0
    /// How often it was read again and could not be used.
    public var failedReloads = 0
    /// When the certificate expires, in seconds since the Unix epoch; of several the first to do so.
    public var certificateExpiry: Int64?

    /// Nothing counted.
    public init() {}

    /// Adds what another listener has counted.
    public mutating func add(_ other: TransportSecurityCounts) {
        handshakes += other.handshakes
        resumed += other.resumed
        failed += other.failed
        reloads += other.reloads
        failedReloads += other.failedReloads
        if let expiry = other.certificateExpiry { certificateExpiry = min(certificateExpiry ?? expiry, expiry) }
    }
}

/// Who a peer has proved to be, with a certificate that was verified.
public struct PeerIdentity: Sendable, Equatable {
    /// The subject's distinguished name as of RFC 2253, such as "CN=billing,O=Example".
    public var subject: String
    /// The DNS names of its subjectAltName.
    public var dnsNames: [String]
    /// The URIs of its subjectAltName, such as "spiffe://example.org/billing".
    public var uris: [String]
    /// The SHA-256 of the certificate, 64 lower-case hexadecimal digits.
    public var fingerprint: String

    /// An identity.
    public init(subject: String, dnsNames: [String], uris: [String], fingerprint: String) {
        self.subject = subject
        self.dnsNames = dnsNames
        self.uris = uris
        self.fingerprint = fingerprint
    }
}
