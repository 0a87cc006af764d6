internal import EventLoop
internal import HTTP2
internal import RPC

/// A channel's connection, or its absence. Confined to its loop.
final class ChannelCore: HTTP2SessionDelegate, @unchecked Sendable {
    // @unchecked: confined to its loop.
    let loop: EventLoop
    private let host: String
    private let port: UInt16
    private let configuration: ChannelConfiguration
    private let buffers: HTTP2LoopBuffers

    private var connection: HTTP2Connection?
    /// Connections that take no more calls and wait for those that they have.
    private var leaving: [HTTP2Connection] = []
    private var dialer: Dialer?
    private var waiting: [ClientCall] = []
    private var failures = 0
    private var retryAt: UInt64 = 0
    private var lastFailure = ""
    private var lost: HTTP2Error?
    private var clock: LoopTimer?
    private var isClosed = false

    init(host: String, port: UInt16, configuration: ChannelConfiguration, loop: EventLoop) {
        self.host = host
        self.port = port
        self.configuration = configuration
        self.loop = loop
        buffers = HTTP2LoopBuffers(limits: configuration.http2)
    }

    private var authority: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    // MARK: Calls

    /// Sends a call, now or when there is a connection.
    func start(_ call: ClientCall) {
        guard !isClosed else { return call.fail(Status(.unavailable, "the channel is closed")) }
        call.startTimer()
        guard !call.isFinished else { return }
        if let connection, !connection.isClosed { return open(call, connection) }
        if dialer == nil, loop.now < retryAt { return call.fail(unreachable) }
        waiting.append(call)
        if dialer == nil { dial() }
    }

    private func open(_ call: ClientCall, _ connection: HTTP2Connection) {
        guard let stream = connection.session.request(fixedFields, fields(call)) else {
            // The connection has used up its stream numbers; the next call gets another.
            self.connection = nil
            connection.drain()
            leaving.append(connection)
            return start(call)
        }
        call.attach(stream)
    }

    private static let plainFields = FixedHeaders([(":method", "POST"), (":scheme", "http")])
    private static let secureFields = FixedHeaders([(":method", "POST"), (":scheme", "https")])

    private var fixedFields: FixedHeaders { configuration.security == nil ? Self.plainFields : Self.secureFields }

    private func fields(_ call: ClientCall) -> HeaderFields {
        var fields = HeaderFields()
        fields.append(":authority", authority)
        fields.append(":path", call.path)
        fields.append("te", "trailers")
        fields.append("content-type", "application/grpc")
        fields.append("user-agent", configuration.userAgent)
        if let deadline = call.deadline {
            let now = loop.now
            let left = Duration.nanoseconds(deadline > now ? Int64(deadline - now) : 0)
            fields.append("grpc-timeout", Timeout.format(left))
        }
        var metadata = Metadata(fields)
        metadata.append(contentsOf: call.options.metadata)
        return metadata.fields
    }

    // MARK: Connecting

    private func dial() {
        dialer = Dialer(host: host, port: port, loop: loop, timeout: configuration.connectTimeout) {
            [weak self] result in
            guard let self else { return }
            dialer = nil
            switch result {
            case .success(let descriptor): connected(descriptor)
            case .failure(let error): unreachable(error.reason)
            }
        }
    }

    private func connected(_ socket: Int32) {
        let transport: any ByteTransport
        do {
            transport =
                try configuration.security?.transport(over: socket, serverName: host) ?? SocketTransport(socket: socket)
        } catch {
            return unreachable(error.reason)
        }
        let connection = HTTP2Connection(
            role: .client,
            transport: transport,
            loop: loop,
            limits: configuration.http2,
            buffers: buffers
        )
        connection.session.delegate = self
        connection.onWillClose = { [unowned self] error in lost = error }
        connection.onClosed = { [unowned self, unowned connection] error in closed(connection, error) }
        self.connection = connection
        failures = 0
        do {
            try connection.start()
        } catch {
            // It has closed itself and told us so.
            return
        }
        let calls = waiting
        waiting = []
        for call in calls where !call.isFinished { start(call) }
        startClock()
    }

    private func unreachable(_ reason: String) {
        lastFailure = reason
        let backoff = min(configuration.initialBackoff * (1 << min(failures, 20)), configuration.maximumBackoff)
        failures += 1
        retryAt = loop.now + (backoff * Double.random(in: 0.8...1.2)).wholeNanoseconds
        let calls = waiting
        waiting = []
        for call in calls { call.fail(unreachable) }
    }

    private var unreachable: Status {
        Status(.unavailable, "cannot connect to \(authority): \(lastFailure)")
    }

    private func closed(_ connection: HTTP2Connection, _ error: HTTP2Error) {
        lost = nil
        if self.connection === connection { self.connection = nil }
        leaving.removeAll { $0 === connection }
        if self.connection == nil, leaving.isEmpty {
            clock?.cancel()
            clock = nil
        }
        // Calls that were waiting for this one's first bytes.
        if !waiting.isEmpty, dialer == nil, self.connection == nil { dial() }
    }

    private func startClock() {
        guard clock == nil else { return }
        clock = loop.schedule(after: .seconds(1)) { [weak self] in
            guard let self else { return }
            clock = nil
            connection?.keepTime()
            for connection in leaving { connection.keepTime() }
            if connection != nil || !leaving.isEmpty { startClock() }
        }
    }

    // MARK: Events

    func session(_ session: HTTP2Session, stream: HTTP2Stream, did events: HTTP2Stream.Events) {
        guard let attachment = stream.attachment else {
            if stream.inbound.count > 0 {
                stream.inbound.consume(stream.inbound.count)
                stream.acknowledge()
            }
            return
        }
        unsafeDowncast(attachment, to: ClientCall.self).handle(events, connectionLost: lost)
    }

    func session(_ session: HTTP2Session, goingAway code: HTTP2ErrorCode, lastStream: Int32) {
        guard let connection, connection.session === session else { return }
        // Its calls end as they will; the next one connects again.
        self.connection = nil
        leaving.append(connection)
        connection.drain()
    }

    // MARK: The end

    /// Ends every call and closes the connection.
    func close() {
        guard !isClosed else { return }
        isClosed = true
        dialer?.cancel()
        dialer = nil
        for call in waiting { call.fail(Status(.unavailable, "the channel is closed")) }
        waiting = []
        connection?.close(.closed)
        for connection in leaving { connection.close(.closed) }
        clock?.cancel()
        clock = nil
    }
}
