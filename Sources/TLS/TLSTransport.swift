internal import COpenSSL
internal import EventLoop
internal import Glibc
internal import HTTP2

/// Who a TLS transport belongs to: it is told how the handshake went.
protocol TLSOwner: AnyObject {
    /// Makes OpenSSL's connection for a transport; nil when there is no memory.
    func makeConnection(_ transport: TLSTransport) -> OpaquePointer?
    /// The handshake is done.
    ///
    /// - Returns: why the peer is refused all the same.
    func established(_ ssl: OpaquePointer, _ transport: TLSTransport) -> String?
    /// The handshake, once begun, came to nothing.
    func failed(_ transport: TLSTransport, _ reason: String)
    /// The peer gave a session that can be taken up again.
    ///
    /// - Returns: whether it was taken over.
    func keep(_ session: OpaquePointer, _ transport: TLSTransport) -> Bool
}

/// TLS over a non-blocking socket: shakes hands inside reads and empty writes. Confined to its loop.
final class TLSTransport: ByteTransport {
    let isServer: Bool
    /// The name that the server's certificate has to bear; nil on the server's side.
    let serverName: String?
    /// What the connection is made with; a reload changes it for later ones.
    let context: TLSContext
    /// Why the peer is to be refused, found in a callback of OpenSSL's.
    var refusal: String?

    private let socket: Int32
    private let owner: any TLSOwner
    private var ssl: OpaquePointer?
    private(set) var isEstablished = false
    private(set) var wantsWritable = false
    private(set) var wantsReadable = false
    /// What reads bring once there is nothing else.
    private var ending: ReadOutcome?
    /// Whether the last read filled its buffer, so that OpenSSL may hold more.
    private var wasFilled = false
    private var identity: Identity?

    // What the BIO needs to know.
    private var budget = 0
    private var socketError: Int32 = 0
    // How many steps OpenSSL may still make after the handshake, and how much data came since it was said.
    private var steps = TLSLimits.stepsAfterHandshake
    private var received = 0

    /// Boxed: most connections never ask.
    private final class Identity {
        let value: PeerIdentity?

        init(_ value: PeerIdentity?) { self.value = value }
    }

    /// Takes over a connected, non-blocking socket.
    init(socket: Int32, context: TLSContext, owner: any TLSOwner, isServer: Bool, serverName: String?) {
        self.socket = socket
        self.context = context
        self.owner = owner
        self.isServer = isServer
        self.serverName = serverName
    }

    deinit {
        if let ssl { SSL_free(ssl) }
    }

    var descriptor: Int32? { socket }
    var keepsInput: Bool { true }
    var hasInput: Bool { wasFilled || ending != nil }
    var peer: String { SocketAddress(peerOf: socket)?.description ?? "unknown" }

    var peerIdentity: PeerIdentity? {
        guard isEstablished, let ssl else { return nil }
        if let identity { return identity.value }
        // Only a certificate that was verified proves anything.
        let certificate = SSL_get_verify_result(ssl) == Int(X509_V_OK) ? SSL_get0_peer_certificate(ssl) : nil
        let made = certificate.map { Certificate.identity($0) }
        identity = Identity(made)
        return made
    }

    // MARK: In

    func read(into buffer: UnsafeMutableRawBufferPointer) -> ReadOutcome {
        wasFilled = false
        if let ending { return ending }
        guard let ssl = ssl ?? begin() else { return ending ?? .wouldBlock }
        budget = TLSLimits.readBytes
        wantsWritable = false
        if !isEstablished {
            shakeHands(ssl)
            guard isEstablished, ending == nil else { return ending ?? .wouldBlock }
        }
        var filled = 0
        while filled < buffer.count {
            ERR_clear_error()
            var count = 0
            let result = SSL_read_ex(ssl, buffer.baseAddress.unsafelyUnwrapped + filled, buffer.count - filled, &count)
            guard result == 1 else {
                stopped(ssl, result)
                break
            }
            filled += count
            wantsReadable = false
        }
        wasFilled = filled == buffer.count
        guard filled > 0 else { return ending ?? .wouldBlock }
        received += filled
        if received >= TLSLimits.messageAllowanceBytes {
            received = 0
            steps = TLSLimits.stepsAfterHandshake
        }
        return .bytes(filled)
    }

    /// Takes note of why OpenSSL stopped.
    private func stopped(_ ssl: OpaquePointer, _ result: Int32) {
        switch SSL_get_error(ssl, result) {
        case SSL_ERROR_WANT_READ: break
        case SSL_ERROR_WANT_WRITE: wantsWritable = true
        case SSL_ERROR_ZERO_RETURN: ending = .ended
        default: ending = .failed(failure(ssl))
        }
        // An end without close_notify: HTTP/2 knows by itself whether something is missing (RFC 9113, section 5.4.1).
        if isEstablished, case .failed(.closedByPeer) = ending { ending = .ended }
    }

    /// Why the connection cannot go on.
    private func failure(_ ssl: OpaquePointer) -> HTTP2Error {
        if let refusal {
            ERR_clear_error()
            return .transport(refusal)
        }
        if socketError != 0 {
            ERR_clear_error()
            return .socket(socketError)
        }
        // 0 is what OpenSSL leaves when the socket ended where it expected more.
        let reason = Failure.firstReason()
        if reason == 0 || reason == SSL_R_UNEXPECTED_EOF_WHILE_READING {
            ERR_clear_error()
            return isEstablished ? .closedByPeer : .transport(Failure.closed(isServer: isServer))
        }
        return .transport(Failure.reason(ssl, isServer: isServer, name: serverName))
    }

    // MARK: The handshake

    /// Makes OpenSSL's connection. A server does it when the client's first byte is there: until then, a client costs
    /// nothing here. One that does not speak TLS is told so in its own language.
    private func begin() -> OpaquePointer? {
        if isServer {
            var first: UInt8 = 0
            let count = recv(socket, &first, 1, Int32(MSG_PEEK))
            guard count > 0 else {
                let code = errno
                if count == 0 { ending = .ended }
                if count < 0, code != EAGAIN, code != EINTR { ending = .failed(.socket(code)) }
                return nil
            }
            // A ClientHello is in a record of the type handshake.
            if first != 22 { answerPlaintext() }
        }
        guard let made = owner.makeConnection(self), let bio = SocketBIO.make(for: self) else {
            ending = .failed(.transport("there is no memory for a TLS connection"))
            return nil
        }
        SSL_set_bio(made, bio, bio)
        trellis_ssl_set_owner(made, Unmanaged.passUnretained(self).toOpaque())
        ssl = made
        return made
    }

    private func shakeHands(_ ssl: OpaquePointer) {
        ERR_clear_error()
        let result = SSL_do_handshake(ssl)
        if result == 1 {
            isEstablished = true
            wantsWritable = false
            guard let reason = owner.established(ssl, self) else { return }
            ending = .failed(.transport(reason))
        } else {
            stopped(ssl, result)
            if case .failed(.socket(let code)) = ending {
                let text = String(cString: strerror(code))
                ending = .failed(.transport("\(Failure.closed(isServer: isServer)): \(text)"))
            }
            if case .failed(.transport(let reason)) = ending { owner.failed(self, reason) }
        }
    }

    /// The alert protocol_version, which OpenSSL does not send to a client that does not speak TLS at all. A client of
    /// HTTP/2 can tell by it what is wrong (``HTTP2Connection`` does), and none takes it for a connection that works.
    private func answerPlaintext() {
        let alert: [UInt8] = [21, 3, 3, 0, 2, 2, 70]
        // What does not fit into an empty socket is not worth waiting for.
        _ = send(socket, alert, alert.count, Int32(MSG_NOSIGNAL))
    }

    /// Counts a step of the handshake, or of a message after it, of which a peer has only so many.
    func stepped() {
        guard isEstablished else { return }
        steps -= 1
        if steps < 0 { refusal = "the peer sends too many TLS messages that carry no data" }
    }

    /// For OpenSSL's callback: hands a session to the owner.
    func keep(_ session: OpaquePointer) -> Bool { owner.keep(session, self) }

    // MARK: Out

    func write(_ bytes: UnsafeRawBufferPointer) -> WriteOutcome {
        if case .failed(let error) = ending { return .failed(error) }
        guard isEstablished, let ssl else {
            // A server waits for the client's first byte, which a read finds.
            guard !isServer || ssl != nil, let ssl = ssl ?? begin() else { return outcome(written: 0) }
            budget = TLSLimits.readBytes
            shakeHands(ssl)
            return outcome(written: 0)
        }
        var written = 0
        while written < bytes.count {
            ERR_clear_error()
            var count = 0
            let result = SSL_write_ex(
                ssl,
                bytes.baseAddress.unsafelyUnwrapped + written,
                bytes.count - written,
                &count
            )
            if result == 1 {
                written += count
                continue
            }
            switch SSL_get_error(ssl, result) {
            case SSL_ERROR_WANT_WRITE: return .bytes(written)
            case SSL_ERROR_WANT_READ:
                wantsReadable = true
                return .bytes(written)
            default:
                let error = failure(ssl)
                ending = .failed(lastWords(ssl) ?? error)
                return outcome(written: 0)
            }
        }
        return .bytes(written)
    }

    private func outcome(written: Int) -> WriteOutcome {
        if case .failed(let error) = ending { return .failed(error) }
        return .bytes(written)
    }

    /// The alert that a peer sent before it closed the connection on us: a server that refuses our certificate says so
    /// after we believe that the handshake is done.
    private func lastWords(_ ssl: OpaquePointer) -> HTTP2Error? {
        socketError = 0
        budget = TLSLimits.readBytes
        var byte: UInt8 = 0
        var count = 0
        let result = SSL_read_ex(ssl, &byte, 1, &count)
        guard result != 1, SSL_get_error(ssl, result) == SSL_ERROR_SSL else {
            ERR_clear_error()
            return nil
        }
        if case .transport(let reason) = failure(ssl) { return .transport(reason) }
        return nil
    }

    // MARK: The socket

    /// For the BIO: what the socket has; nil when that is nothing now, 0 at its end, -1 when it failed.
    func take(into buffer: UnsafeMutableRawBufferPointer) -> Int? {
        if refusal != nil { return -1 }
        guard budget > 0 else { return nil }
        while true {
            let count = recv(socket, buffer.baseAddress, buffer.count, 0)
            if count >= 0 {
                // A short read has emptied the socket; what comes later wakes the loop.
                budget = count < buffer.count ? 0 : budget - count
                return count
            }
            switch errno {
            case EINTR: continue
            case EAGAIN: return nil
            case let code:
                socketError = code
                return -1
            }
        }
    }

    /// For the BIO: gives bytes to the socket; nil when it takes none now, -1 when it failed.
    func give(_ bytes: UnsafeRawBufferPointer) -> Int? {
        while true {
            let count = send(socket, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
            if count >= 0 { return count }
            switch errno {
            case EINTR: continue
            case EAGAIN: return nil
            case let code:
                socketError = code
                return -1
            }
        }
    }

    // MARK: The end

    func close() {
        if let ssl {
            if !isEstablished {
                // One that failed by itself has been told of.
                if ending == nil { owner.failed(self, "the TLS handshake was not completed") }
            } else if ending == nil || ending == .ended {
                // close_notify, as far as the socket takes it; nobody waits for the peer's.
                ERR_clear_error()
                SSL_shutdown(ssl)
                ERR_clear_error()
            }
            SSL_free(ssl)
            self.ssl = nil
        }
        // Unread bytes would turn the close into a reset, which can take an alert away from the peer.
        // MSG_TRUNC drops them without a copy (tcp(7)).
        if case .failed = ending { _ = recv(socket, nil, TLSLimits.readBytes, Int32(MSG_TRUNC)) }
        Glibc.close(socket)
    }
}
