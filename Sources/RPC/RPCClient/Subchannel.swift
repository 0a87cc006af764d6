internal import EventLoop
internal import HTTP2
internal import RPC

/// One address of a channel, and its connection or the lack of one. Confined to its loop.
final class Subchannel: HTTP2SessionDelegate {
    /// Where it stands.
    enum State: Equatable {
        /// There is no connection, and none is being made.
        case idle
        /// A connection is being made, or the server's settings have not come yet.
        case connecting
        /// The server has sent its settings: calls can go.
        case ready
        /// The last try failed.
        case failed
    }

    let endpoint: Endpoint
    private unowned let core: ChannelCore
    private(set) var state = State.idle
    /// Why the last connection could not be made, for people.
    private(set) var lastFailure = ""
    /// Failures to connect in a row, for the back-off.
    private(set) var failures = 0
    /// Ends the wait before the next try, where each address has one of its own.
    var retry: LoopTimer?

    private var dialer: Dialer?
    private var deadline: LoopTimer?
    /// The connection that is being made, or takes calls.
    private var connection: HTTP2Connection?
    /// Connections that take no more calls and wait for those that they have.
    private var leaving: [HTTP2Connection] = []
    private var lost: HTTP2Error?
    private var isClosed = false

    init(_ endpoint: Endpoint, _ core: ChannelCore) {
        self.endpoint = endpoint
        self.core = core
    }

    /// Whether a call can go now: there is a connection, and its server admits another stream.
    var hasRoom: Bool {
        guard state == .ready, let session = connection?.session else { return false }
        return session.openStreams < session.peerConcurrentStreams
    }

    var hasConnections: Bool { connection != nil || !leaving.isEmpty }

    // MARK: Connecting

    /// Begins to connect, if there is no connection and none is being made.
    func connect() {
        guard !isClosed, state == .idle || state == .failed else { return }
        state = .connecting
        deadline = core.loop.schedule(after: core.configuration.connectTimeout) { [unowned self] in timedOut() }
        dialer = Dialer(endpoint.address, loop: core.loop) { [unowned self] result in
            dialer = nil
            switch result {
            case .success(let descriptor): connected(descriptor)
            case .failure(let error): failed(error.reason)
            }
        }
        core.changed(self)
    }

    private func connected(_ socket: Int32) {
        let transport: any ByteTransport
        do {
            transport =
                try core.configuration.security?.transport(over: socket, serverName: endpoint.target.host)
                ?? SocketTransport(socket: socket)
        } catch {
            return failed(error.reason)
        }
        let connection = HTTP2Connection(
            role: .client,
            transport: transport,
            loop: core.loop,
            limits: core.limits,
            buffers: core.share.buffers
        )
        connection.session.delegate = self
        connection.onWillClose = { [unowned self] error in lost = error }
        connection.onClosed = { [unowned self, unowned connection] error in closed(connection, error) }
        self.connection = connection
        core.keepTime()
        do {
            try connection.start()
        } catch {
            // It has closed itself and told us so.
        }
    }

    /// The server's settings have come. With the first ones it speaks HTTP/2, and TLS is done where there is any; later ones
    /// may admit more streams.
    func sessionTookSettings(_ session: HTTP2Session) {
        guard connection?.session === session else { return }
        guard state == .connecting else { return core.roomChanged() }
        deadline?.cancel()
        deadline = nil
        failures = 0
        state = .ready
        core.changed(self)
    }

    private func timedOut() {
        deadline = nil
        guard let connection else { return failed("no answer within \(core.configuration.connectTimeout)") }
        self.connection = nil
        connection.close(.closed)
        failed(
            "it took the connection and sent no HTTP/2 settings within \(core.configuration.connectTimeout); "
                + "is it a gRPC server?"
        )
    }

    private func failed(_ reason: String) {
        stopConnecting()
        lastFailure = reason
        failures += 1
        state = .failed
        core.changed(self)
    }

    private func stopConnecting() {
        deadline?.cancel()
        deadline = nil
        dialer?.cancel()
        dialer = nil
    }

    /// Gives up a connection that is being made and not needed any more.
    func giveUp() {
        guard state == .connecting else { return }
        stopConnecting()
        state = .idle
        let connection = connection.take()
        connection?.close(.closed)
    }

    // MARK: Calls

    /// Sends a try on a stream of the connection, which has room.
    ///
    /// - Returns: whether it could; if not, the connection has used up its stream numbers and is on its way out.
    func open(_ attempt: CallAttempt, _ fixed: FixedHeaders) -> Bool {
        guard let connection else { preconditionFailure("a call is sent where there is no connection") }
        guard let stream = connection.session.request(fixed, attempt.fields(authority: endpoint.target.authority))
        else {
            retire(connection)
            return false
        }
        attempt.attach(stream)
        return true
    }

    func session(_ session: HTTP2Session, stream: HTTP2Stream, did events: HTTP2Stream.Events) {
        if events.contains(.closed) { core.roomChanged() }
        guard let attachment = stream.attachment else {
            if stream.inbound.count > 0 {
                stream.inbound.consume(stream.inbound.count)
                stream.acknowledge()
            }
            return
        }
        unsafeDowncast(attachment, to: CallAttempt.self).handle(events, connectionLost: lost)
    }

    // MARK: The connection's end

    func session(_ session: HTTP2Session, goingAway code: HTTP2ErrorCode, lastStream: Int32) {
        if code == .enhanceYourCalm, session.goAwayText == "too_many_pings" { core.pingLessOften() }
        guard let connection, connection.session === session else { return }
        guard state == .ready else {
            // Its closing is told as a failure to connect.
            return connection.close(.goingAway(code))
        }
        retire(connection)
    }

    /// Lets a connection's calls end, and takes the next one elsewhere.
    private func retire(_ connection: HTTP2Connection) {
        self.connection = nil
        leaving.append(connection)
        connection.drain()
        state = .idle
        core.changed(self)
    }

    private func closed(_ connection: HTTP2Connection, _ error: HTTP2Error) {
        lost = nil
        leaving.removeAll { $0 === connection }
        guard self.connection === connection else {
            if isClosed, !hasConnections { core.forget(self) }
            return
        }
        self.connection = nil
        guard state == .ready else { return failed(Self.notReady(error)) }
        lastFailure = "the connection was lost: \(error.reason)"
        state = .idle
        core.changed(self)
    }

    /// Why a connection that was made never got as far as HTTP/2.
    private static func notReady(_ error: HTTP2Error) -> String {
        switch error {
        case .session, .closed: "what it answers is not HTTP/2; is it the port of a gRPC server?"
        case .closedByPeer:
            "it closed the connection without a word of HTTP/2; is it the port of a gRPC server, and without TLS?"
        case .goingAway(let code): "it takes no calls (GOAWAY with HTTP/2 error \(code.rawValue))"
        case .socket(let code):
            "it broke the connection off (\(systemMessage(code))); is it the port of a gRPC server, and without TLS?"
        case .limit, .transport: error.reason
        }
    }

    /// Sees to the connections' time limits; about once a second.
    func keepTime() {
        connection?.keepTime()
        for connection in leaving { connection.keepTime() }
    }

    /// Takes no more calls; those under way go on.
    func drain() {
        guard !isClosed else { return }
        stopConnecting()
        retry?.cancel()
        retry = nil
        isClosed = true
        if let connection = connection.take() {
            if state == .ready {
                leaving.append(connection)
                connection.drain()
            } else {
                connection.close(.closed)
            }
        }
        state = .idle
    }

    /// Ends every call and closes the connections.
    func close() {
        drain()
        for connection in leaving { connection.close(.closed) }
    }
}

extension HTTP2Error {
    /// What happened, for people.
    var reason: String {
        switch self {
        case .session(let text), .limit(_, let text), .transport(let text): text
        case .socket(let code): systemMessage(code)
        case .closedByPeer: "the server closed it"
        case .goingAway: "the server is going away"
        case .closed: "it was closed"
        }
    }
}
