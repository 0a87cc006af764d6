internal import COpenSSL

/// OpenSSL's ways to say what went wrong, made one sentence that names what it was.
enum Failure {
    /// The reason code of the first error of this thread's queue, which is the cause of those after it; 0 for none.
    static func firstReason() -> Int32 { Int32(truncatingIfNeeded: ERR_GET_REASON(ERR_peek_error())) }

    /// The first error in OpenSSL's words; empties the queue.
    static func queued() -> String {
        let code = ERR_peek_error()
        defer { ERR_clear_error() }
        guard code != 0 else { return "no reason given" }
        return ERR_reason_error_string(code).map { String(cString: $0) } ?? "error \(code)"
    }

    /// Why a handshake or a connection failed; empties the queue.
    ///
    /// - Parameters:
    ///   - isServer: whether we are the server, so that the peer is a client.
    ///   - name: the name that the server's certificate was to bear; for clients.
    static func reason(_ ssl: OpaquePointer, isServer: Bool, name: String?) -> String {
        defer { ERR_clear_error() }
        let peer = isServer ? "client" : "server"
        switch firstReason() {
        case SSL_R_CERTIFICATE_VERIFY_FAILED: return verification(ssl, peer, name)
        case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
            return "the client sent no certificate, and one is required"
        case SSL_R_WRONG_VERSION_NUMBER, SSL_R_HTTP_REQUEST, SSL_R_HTTPS_PROXY_REQUEST, SSL_R_PACKET_LENGTH_TOO_LONG,
            SSL_R_BAD_RECORD_TYPE, SSL_R_RECORD_LENGTH_MISMATCH, SSL_R_UNKNOWN_PROTOCOL:
            return isServer
                ? "what the client sent is no TLS: it has to connect with TLS"
                : "the server does not speak TLS: connect without TLS, or turn TLS on at the server"
        case SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_VERSION_TOO_LOW, SSL_R_NO_PROTOCOLS_AVAILABLE,
            SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
            return "there is no TLS version that both sides take: the \(peer)'s are too old or too new"
        case SSL_R_NO_SHARED_CIPHER, SSL_R_NO_SUITABLE_KEY_SHARE, SSL_R_NO_SHARED_GROUPS,
            SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM, SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
            return "there is no cipher, group or signature that both sides take"
        case SSL_R_NO_APPLICATION_PROTOCOL: return "the client does not offer the protocol h2 (ALPN)"
        case SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL: return "the server does not offer the protocol h2 (ALPN)"
        case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED: return "the server requires a client certificate"
        case SSL_R_TLSV1_ALERT_UNKNOWN_CA: return "the \(peer) does not trust the CA of our certificate"
        case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED: return "the \(peer) says that our certificate has expired"
        case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED: return "the \(peer) says that our certificate is revoked"
        case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN,
            SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
            return "the \(peer) does not accept our certificate (\(queued()))"
        case SSL_R_UNEXPECTED_EOF_WHILE_READING: return closed(isServer: isServer)
        default: return "TLS with the \(peer) failed: \(queued())"
        }
    }

    /// Why a connection that ended amid its handshake did.
    static func closed(isServer: Bool) -> String {
        "the \(isServer ? "client" : "server") closed the connection amid the TLS handshake"
    }

    private static func verification(_ ssl: OpaquePointer, _ peer: String, _ name: String?) -> String {
        let result = Int32(SSL_get_verify_result(ssl))
        switch result {
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
            X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT,
            X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, X509_V_ERR_CERT_UNTRUSTED:
            return "the \(peer)'s certificate is from an unknown CA: none that is trusted here has issued it"
        case X509_V_ERR_CERT_HAS_EXPIRED: return "the \(peer)'s certificate has expired"
        case X509_V_ERR_CERT_NOT_YET_VALID: return "the \(peer)'s certificate is not valid yet"
        case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH:
            var text = "the server's certificate is not for \(name ?? "its name")"
            if let certificate = trellis_ssl_refused_certificate(ssl) {
                let names = Certificate.dnsNames(certificate)
                if !names.isEmpty { text += ", but for \(names.joined(separator: ", "))" }
            }
            return text
        case X509_V_ERR_INVALID_PURPOSE: return "the \(peer)'s certificate is not meant for a \(peer)"
        default:
            let reason = X509_verify_cert_error_string(Int(result)).map { String(cString: $0) } ?? "error \(result)"
            return "the \(peer)'s certificate is refused: \(reason)"
        }
    }
}
