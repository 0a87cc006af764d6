internal import COpenSSL
public import HTTP2
internal import Synchronization

/// What a client's TLS is made of.
public struct ClientTLSConfiguration: Sendable, Equatable {
    /// The CAs that are trusted, in PEM; nil trusts those of the system.
    public var caFile: String?
    /// The client's certificate and those between it and its CA, in PEM, its own first; nil shows none.
    public var certificateFile: String?
    /// The private key of that certificate, in PEM, without a password.
    public var keyFile: String?
    /// The name or address that the server's certificate has to bear; nil takes the host that is dialled.
    public var serverName: String?
    /// The oldest version that is taken.
    public var minimumVersion = TLSVersion.v1_3

    /// A configuration that trusts the system's CAs and shows no certificate.
    public init() {}
}

/// TLS for a client's connections: verifies the server and its name, asks for HTTP/2 by ALPN, and takes up earlier
/// sessions with the same server again. Any thread; share one among channels to share its sessions.
public final class ClientTLS: ClientTransportSecurity, TLSOwner {
    private let configuration: ClientTLSConfiguration
    private let context: TLSContext
    private let sessions = Mutex(Sessions())

    /// Reads the files.
    ///
    /// - Throws: ``TLSConfigurationError`` when a file cannot be used, or one of certificate and key is missing.
    public init(_ configuration: ClientTLSConfiguration = .init()) throws(TLSConfigurationError) {
        self.configuration = configuration
        context = try TLSContext(server: false, minimumVersion: configuration.minimumVersion, owner: nil)
        switch (configuration.certificateFile, configuration.keyFile) {
        case (nil, nil): break
        case (let certificate?, let key?): try context.use(certificateFile: certificate, keyFile: key)
        case (let certificate?, nil):
            throw TLSConfigurationError(description: "the certificate '\(certificate)' needs its key: give both")
        case (nil, let key?):
            throw TLSConfigurationError(description: "the key '\(key)' needs its certificate: give both")
        }
        if let file = configuration.caFile {
            _ = try context.trust(caFile: file)
        } else if SSL_CTX_set_default_verify_paths(context.pointer) != 1 {
            throw TLSConfigurationError(description: "the system's CAs cannot be used: \(Failure.queued())")
        }
        SSL_CTX_set_verify(context.pointer, SSL_VERIFY_PEER, nil)
        trellis_ctx_set_session_cache_mode(context.pointer, trellis_cache_client_external)
        SSL_CTX_sess_set_new_cb(context.pointer, keepSession)
        guard SSL_CTX_set_alpn_protos(context.pointer, TLSContext.protocols, UInt32(TLSContext.protocols.count)) == 0
        else { throw TLSConfigurationError(description: "OpenSSL takes no ALPN: \(Failure.queued())") }
    }

    /// A transport that shakes hands as a client. Takes the socket over.
    public func transport(over socket: Int32, serverName: String) -> any ByteTransport {
        var name = configuration.serverName ?? serverName
        // A name in a certificate does not end with the dot of the root.
        if name.hasSuffix("."), name.count > 1 { name.removeLast() }
        return TLSTransport(socket: socket, context: context, owner: self, isServer: false, serverName: name)
    }

    // MARK: What its transports ask

    func makeConnection(_ transport: TLSTransport) -> OpaquePointer? {
        guard let ssl = SSL_new(context.pointer) else { return nil }
        SSL_set_connect_state(ssl)
        let name = transport.serverName ?? ""
        let parameters = SSL_get0_param(ssl)
        X509_VERIFY_PARAM_set_hostflags(parameters, UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
        // An address is looked for among the certificate's addresses, and is never sent as a name (RFC 6066, section 3).
        if X509_VERIFY_PARAM_set1_ip_asc(parameters, name) != 1 {
            guard !name.isEmpty, X509_VERIFY_PARAM_set1_host(parameters, name, name.utf8.count) == 1,
                trellis_ssl_set_server_name(ssl, name) == 1
            else {
                SSL_free(ssl)
                return nil
            }
        }
        ERR_clear_error()
        if let session = sessions.withLock({ $0.take(name) }) {
            SSL_set_session(ssl, session.pointer)
        }
        return ssl
    }

    func established(_ ssl: OpaquePointer, _ transport: TLSTransport) -> String? {
        var bytes: UnsafePointer<UInt8>?
        var count: UInt32 = 0
        SSL_get0_alpn_selected(ssl, &bytes, &count)
        let selected = UnsafeBufferPointer(start: bytes, count: Int(count))
        return selected.elementsEqual("h2".utf8) ? nil : "the server does not agree to the protocol h2 (ALPN)"
    }

    func failed(_ transport: TLSTransport, _ reason: String) {
        // The connection tells the channel.
    }

    func keep(_ session: OpaquePointer, _ transport: TLSTransport) -> Bool {
        sessions.withLock { $0.put(Session(session), transport.serverName ?? "") }
        return true
    }
}

/// A session of OpenSSL's, released with its last user.
private final class Session: @unchecked Sendable {
    // @unchecked: immutable, and OpenSSL counts references to it with atomics.
    let pointer: OpaquePointer

    init(_ pointer: OpaquePointer) { self.pointer = pointer }

    deinit { SSL_SESSION_free(pointer) }
}

/// The newest session with each server. Each is used once (RFC 8446, appendix C.4): the connection brings a new one.
private struct Sessions {
    private var byName: [String: Session] = [:]
    private var names: [String] = []

    mutating func take(_ name: String) -> Session? {
        guard let session = byName.removeValue(forKey: name) else { return nil }
        names.removeAll { $0 == name }
        return session
    }

    mutating func put(_ session: Session, _ name: String) {
        if byName.updateValue(session, forKey: name) == nil { names.append(name) }
        if names.count > TLSLimits.rememberedSessions { byName[names.removeFirst()] = nil }
    }
}

/// Told by OpenSSL of a session that can be taken up again; 1 takes it over.
private func keepSession(_ ssl: OpaquePointer?, _ session: OpaquePointer?) -> Int32 {
    guard let session, let owner = trellis_ssl_owner(ssl) else { return 0 }
    return Unmanaged<TLSTransport>.fromOpaque(owner)._withUnsafeGuaranteedRef { $0.keep(session) ? 1 : 0 }
}
