internal import COpenSSL
internal import Glibc

/// OpenSSL's settings for connections, complete: certificates, CAs, versions. Immutable once made; any thread.
final class TLSContext: @unchecked Sendable {
    // @unchecked: immutable after it was made, and OpenSSL counts references to it with atomics.
    let pointer: OpaquePointer
    /// What the pointer's callbacks find in it; held here.
    private let owner: AnyObject?

    /// Protocols in the form of RFC 7301: a length and a name.
    static let protocols: [UInt8] = [2, UInt8(ascii: "h"), UInt8(ascii: "2")]

    /// The suites of TLS 1.2: forward-secret and authenticated (RFC 9113, section 9.2.2, forbids the others).
    private static let suitesOf12 =
        "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
        + "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
    private static let suitesOf13 = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
    private static let groups = "X25519:P-256:P-384"

    /// OpenSSL made ready, once. Without its own clean-up at exit, which would take things away from under loops that still
    /// close their connections on other threads while the main thread leaves; the process ends all the same.
    private static let isReady = OPENSSL_init_ssl(UInt64(OPENSSL_INIT_NO_ATEXIT), nil) == 1

    /// What both sides share.
    init(server: Bool, minimumVersion: TLSVersion, owner: AnyObject?) throws(TLSConfigurationError) {
        guard Self.isReady else {
            throw TLSConfigurationError(description: "OpenSSL cannot be made ready: \(Failure.queued())")
        }
        ERR_clear_error()
        guard let pointer = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method()) else {
            throw TLSConfigurationError(description: "OpenSSL cannot be used: \(Failure.queued())")
        }
        self.pointer = pointer
        self.owner = owner
        if let owner { trellis_ctx_set_owner(pointer, Unmanaged.passUnretained(owner).toOpaque()) }
        trellis_ctx_set_mode(pointer, trellis_mode)
        SSL_CTX_set_options(pointer, trellis_options | (server ? trellis_option_server_preference : 0))
        SSL_CTX_set_security_level(pointer, 2)
        trellis_ctx_set_read_ahead(pointer, 1)
        SSL_CTX_set_default_read_buffer_len(pointer, TLSLimits.recordBufferBytes)
        SSL_CTX_set_timeout(pointer, TLSLimits.sessionSeconds)
        SSL_CTX_set_info_callback(pointer, tlsStep)
        let minimum = minimumVersion == .v1_3 ? TLS1_3_VERSION : TLS1_2_VERSION
        guard trellis_ctx_set_versions(pointer, minimum, TLS1_3_VERSION) == 1,
            SSL_CTX_set_cipher_list(pointer, Self.suitesOf12) == 1,
            SSL_CTX_set_ciphersuites(pointer, Self.suitesOf13) == 1,
            trellis_ctx_set_groups(pointer, Self.groups) == 1
        else {
            throw TLSConfigurationError(description: "OpenSSL lacks what TLS here needs: \(Failure.queued())")
        }
    }

    deinit { SSL_CTX_free(pointer) }

    // MARK: Files

    /// Makes a chain and its key the ones to show.
    func use(certificateFile: String, keyFile: String) throws(TLSConfigurationError) {
        _ = try Self.read(certificateFile)
        _ = try Self.read(keyFile)
        ERR_clear_error()
        guard SSL_CTX_use_certificate_chain_file(pointer, certificateFile) == 1 else {
            throw TLSConfigurationError(
                description: "'\(certificateFile)' is no certificate chain in PEM, the server's or client's own first: "
                    + Failure.queued()
            )
        }
        // Without a callback OpenSSL would ask on the terminal.
        var wasAsked = false
        SSL_CTX_set_default_passwd_cb(pointer, refusePassword)
        let result = withUnsafeMutablePointer(to: &wasAsked) { asked in
            SSL_CTX_set_default_passwd_cb_userdata(pointer, asked)
            defer { SSL_CTX_set_default_passwd_cb_userdata(pointer, nil) }
            return SSL_CTX_use_PrivateKey_file(pointer, keyFile, SSL_FILETYPE_PEM)
        }
        let reason = Failure.firstReason()
        guard result == 1 else {
            if reason == X509_R_KEY_VALUES_MISMATCH || reason == X509_R_KEY_TYPE_MISMATCH {
                throw Self.mismatch(certificateFile, keyFile)
            }
            throw TLSConfigurationError(
                description: wasAsked
                    ? "'\(keyFile)' is encrypted with a password: give a key without one, readable by its user only"
                    : "'\(keyFile)' is no private key in PEM: \(Failure.queued())"
            )
        }
        guard SSL_CTX_check_private_key(pointer) == 1 else { throw Self.mismatch(certificateFile, keyFile) }
        ERR_clear_error()
    }

    private static func mismatch(_ certificateFile: String, _ keyFile: String) -> TLSConfigurationError {
        ERR_clear_error()
        return TLSConfigurationError(
            description: "'\(keyFile)' is not the key of the first certificate in '\(certificateFile)'"
        )
    }

    /// Trusts the CAs of a file, and no others.
    ///
    /// - Returns: the content of the file.
    func trust(caFile: String) throws(TLSConfigurationError) -> [UInt8] {
        let content = try Self.read(caFile)
        ERR_clear_error()
        guard SSL_CTX_load_verify_file(pointer, caFile) == 1 else {
            throw TLSConfigurationError(
                description: "'\(caFile)' is no file of CA certificates in PEM: \(Failure.queued())"
            )
        }
        return content
    }

    /// A file, read only to say what is wrong with it in the system's words.
    static func read(_ path: String) throws(TLSConfigurationError) -> [UInt8] {
        func failure() -> TLSConfigurationError {
            TLSConfigurationError(description: "cannot read '\(path)': \(String(cString: strerror(errno)))")
        }
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw failure() }
        defer { close(file) }
        var content: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16_384)
        while content.count <= TLSLimits.fileBytes {
            let count = Glibc.read(file, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw failure() }
            if count == 0 { return content }
            content += chunk[..<count]
        }
        throw TLSConfigurationError(
            description: "'\(path)' is larger than \(TLSLimits.fileBytes) bytes: it is no certificate or key"
        )
    }
}

/// Called where OpenSSL would ask for the password of a key. There is nobody to ask.
private func refusePassword(
    _: UnsafeMutablePointer<CChar>?,
    _: Int32,
    _: Int32,
    _ asked: UnsafeMutableRawPointer?
) -> Int32 {
    asked?.assumingMemoryBound(to: Bool.self).pointee = true
    return -1
}

/// Called at each step of a handshake, and of what comes after it.
private func tlsStep(_ ssl: OpaquePointer?, _ what: Int32, _: Int32) {
    guard what & SSL_CB_LOOP != 0, let owner = trellis_ssl_owner(ssl) else { return }
    Unmanaged<TLSTransport>.fromOpaque(owner)._withUnsafeGuaranteedRef { $0.stepped() }
}
