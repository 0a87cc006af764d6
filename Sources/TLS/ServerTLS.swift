internal import COpenSSL
public import HTTP2
internal import Synchronization

/// What a server's TLS is made of.
public struct ServerTLSConfiguration: Sendable, Equatable {
    /// What is asked of clients, where a CA for them is given.
    public enum ClientCertificates: String, CaseIterable, Sendable {
        /// A client without a certificate is refused.
        case required
        /// A client may come without one; one that it shows has to be valid.
        case optional
    }

    /// The server's certificate and those between it and its CA, in PEM, its own first.
    public var certificateFile: String
    /// The private key of the first certificate, in PEM, without a password.
    public var keyFile: String
    /// The CAs of clients, in PEM; nil asks clients for no certificate.
    public var clientCAFile: String?
    /// Whether a client needs a certificate, where ``clientCAFile`` is given.
    public var clientCertificates = ClientCertificates.required
    /// The oldest version that is taken.
    public var minimumVersion = TLSVersion.v1_3

    /// A configuration with the defaults for the rest.
    public init(certificateFile: String, keyFile: String) {
        self.certificateFile = certificateFile
        self.keyFile = keyFile
    }
}

/// TLS for the connections that a server accepts: HTTP/2 by ALPN, TLS 1.3 or 1.2, client certificates where they are
/// asked for, sessions taken up again by tickets. Any thread.
public final class ServerTLS: ServerTransportSecurity, TLSOwner {
    private let configuration: ServerTLSConfiguration
    private let onFailure: @Sendable (_ peer: String, _ reason: String) -> Void
    private let tickets: TicketKeys
    private let current: Mutex<(context: TLSContext, expiry: Int64?)>

    private let handshakes = Atomic<Int>(0)
    private let resumed = Atomic<Int>(0)
    private let failures = Atomic<Int>(0)
    private let reloads = Atomic<Int>(0)
    private let failedReloads = Atomic<Int>(0)

    /// Reads the files.
    ///
    /// - Parameter onFailure: told of each handshake that fails, with the client's address and why; on its loop.
    /// - Throws: ``TLSConfigurationError`` when a file cannot be used.
    public convenience init(
        _ configuration: ServerTLSConfiguration,
        onFailure: @escaping @Sendable (_ peer: String, _ reason: String) -> Void = { _, _ in }
    ) throws(TLSConfigurationError) {
        try self.init(configuration, now: TicketKeys.bootSeconds, onFailure: onFailure)
    }

    /// The same with a clock of its own for the ticket keys, in seconds.
    init(
        _ configuration: ServerTLSConfiguration,
        now: @escaping @Sendable () -> UInt64,
        onFailure: @escaping @Sendable (_ peer: String, _ reason: String) -> Void
    ) throws(TLSConfigurationError) {
        self.configuration = configuration
        self.onFailure = onFailure
        tickets = TicketKeys(now: now)
        current = Mutex(try Self.load(configuration, tickets))
    }

    /// Reads the files again, for the connections that are accepted from now on. Those that are open stay as they are.
    /// Blocks for as long as reading takes.
    ///
    /// - Throws: ``TLSConfigurationError`` when a file cannot be used; what was read before stays in use then.
    public func reload() throws(TLSConfigurationError) {
        do throws(TLSConfigurationError) {
            let loaded = try Self.load(configuration, tickets)
            current.withLock { $0 = loaded }
            reloads.wrappingAdd(1, ordering: .relaxed)
        } catch {
            failedReloads.wrappingAdd(1, ordering: .relaxed)
            throw error
        }
    }

    /// When the certificate expires, in seconds since the Unix epoch.
    public var certificateExpiry: Int64? { current.withLock { $0.expiry } }

    /// Whether clients that dial this host, a DNS name or an IP address, find it in the certificate.
    public func isFor(host: String) -> Bool {
        let context = current.withLock { $0.context }
        guard let certificate = SSL_CTX_get0_certificate(context.pointer) else { return false }
        return X509_check_ip_asc(certificate, host, 0) == 1
            || X509_check_host(certificate, host, host.utf8.count, 0, nil) == 1
    }

    /// The first DNS name in the certificate.
    public var firstName: String? {
        let context = current.withLock { $0.context }
        return SSL_CTX_get0_certificate(context.pointer).flatMap { Certificate.dnsNames($0).first }
    }

    /// A transport that shakes hands as a server. Takes the socket over.
    public func transport(over socket: Int32) -> any ByteTransport {
        let context = current.withLock { $0.context }
        return TLSTransport(socket: socket, context: context, owner: self, isServer: true, serverName: nil)
    }

    /// What its transports have done so far, and the certificate's expiry.
    public func counts() -> TransportSecurityCounts {
        var counts = TransportSecurityCounts()
        counts.handshakes = handshakes.load(ordering: .relaxed)
        counts.resumed = resumed.load(ordering: .relaxed)
        counts.failed = failures.load(ordering: .relaxed)
        counts.reloads = reloads.load(ordering: .relaxed)
        counts.failedReloads = failedReloads.load(ordering: .relaxed)
        counts.certificateExpiry = certificateExpiry
        return counts
    }

    // MARK: What its transports ask

    func makeConnection(_ transport: TLSTransport) -> OpaquePointer? {
        guard let ssl = SSL_new(transport.context.pointer) else { return nil }
        SSL_set_accept_state(ssl)
        return ssl
    }

    func established(_ ssl: OpaquePointer, _ transport: TLSTransport) -> String? {
        let isResumed = SSL_session_reused(ssl) == 1
        // A session lives on while its certificate expires.
        if isResumed, let certificate = SSL_get0_peer_certificate(ssl), Certificate.hasExpired(certificate) {
            let reason = "the client's certificate has expired"
            failed(transport, reason)
            return reason
        }
        handshakes.wrappingAdd(1, ordering: .relaxed)
        if isResumed { resumed.wrappingAdd(1, ordering: .relaxed) }
        return nil
    }

    func failed(_ transport: TLSTransport, _ reason: String) {
        failures.wrappingAdd(1, ordering: .relaxed)
        onFailure(transport.peer, reason)
    }

    func keep(_ session: OpaquePointer, _ transport: TLSTransport) -> Bool { false }

    // MARK: Loading

    private static func load(
        _ configuration: ServerTLSConfiguration,
        _ tickets: TicketKeys
    ) throws(TLSConfigurationError) -> (TLSContext, Int64?) {
        let context = try TLSContext(server: true, minimumVersion: configuration.minimumVersion, owner: tickets)
        let pointer = context.pointer
        try context.use(certificateFile: configuration.certificateFile, keyFile: configuration.keyFile)
        // Tickets hold the session, and with it who the client is: one sealed for other CAs or other rules is not taken.
        var rules = Array("trellis \(configuration.clientCertificates.rawValue) ".utf8)
        if let file = configuration.clientCAFile {
            rules += try context.trust(caFile: file)
            guard let names = SSL_load_client_CA_file(file) else {
                throw TLSConfigurationError(description: "'\(file)' has no CA certificate: \(Failure.queued())")
            }
            SSL_CTX_set_client_CA_list(pointer, names)
            let isRequired = configuration.clientCertificates == .required
            SSL_CTX_set_verify(pointer, SSL_VERIFY_PEER | (isRequired ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), nil)
        }
        var digest = [UInt8](repeating: 0, count: 32)
        guard EVP_Digest(rules, rules.count, &digest, nil, EVP_sha256(), nil) == 1,
            SSL_CTX_set_session_id_context(pointer, digest, 32) == 1,
            trellis_ctx_set_ticket_callback(pointer, tlsTicketKey) == 1, SSL_CTX_set_num_tickets(pointer, 1) == 1
        else { throw TLSConfigurationError(description: "OpenSSL makes no sessions: \(Failure.queued())") }
        // Sessions are in their tickets, not here.
        trellis_ctx_set_session_cache_mode(pointer, trellis_cache_off)
        SSL_CTX_set_alpn_select_cb(pointer, selectProtocol, nil)
        SSL_CTX_set_client_hello_cb(pointer, requireProtocols, nil)
        return (context, SSL_CTX_get0_certificate(pointer).flatMap { Certificate.expiry($0) })
    }
}

/// Chooses h2 among what the client offers (RFC 7301), or ends the handshake with no_application_protocol.
private func selectProtocol(
    _: OpaquePointer?,
    _ selected: UnsafeMutablePointer<UnsafePointer<UInt8>?>?,
    _ selectedCount: UnsafeMutablePointer<UInt8>?,
    _ offered: UnsafePointer<UInt8>?,
    _ offeredCount: UInt32,
    _: UnsafeMutableRawPointer?
) -> Int32 {
    guard let offered else { return SSL_TLSEXT_ERR_ALERT_FATAL }
    var position = 0
    let count = Int(offeredCount)
    while position < count {
        let length = Int(offered[position])
        guard position + 1 + length <= count else { break }
        if length == 2, offered[position + 1] == UInt8(ascii: "h"), offered[position + 2] == UInt8(ascii: "2") {
            selected?.pointee = offered + position + 1
            selectedCount?.pointee = 2
            return SSL_TLSEXT_ERR_OK
        }
        position += 1 + length
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL
}

/// Ends the handshake of a client that offers no protocols at all, for which OpenSSL does not ask ``selectProtocol``.
private func requireProtocols(
    _ ssl: OpaquePointer?,
    _ alert: UnsafeMutablePointer<Int32>?,
    _: UnsafeMutableRawPointer?
) -> Int32 {
    var bytes: UnsafePointer<UInt8>?
    var count = 0
    if SSL_client_hello_get0_ext(ssl, trellis_extension_alpn, &bytes, &count) == 1 { return SSL_CLIENT_HELLO_SUCCESS }
    alert?.pointee = trellis_alert_no_application_protocol
    if let owner = trellis_ssl_owner(ssl) {
        Unmanaged<TLSTransport>.fromOpaque(owner)._withUnsafeGuaranteedRef {
            $0.refusal = "the client does not offer the protocol h2 (ALPN)"
        }
    }
    return SSL_CLIENT_HELLO_ERROR
}
