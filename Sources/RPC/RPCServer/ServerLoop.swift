internal import EventLoop
internal import HTTP2
internal import RPC

/// A server's part on one loop: its connections and what they share. Confined to it, but for the counters.
final class ServerLoop: @unchecked Sendable {
    // @unchecked: confined to its loop.
    let loop: EventLoop
    let configuration: ServerConfiguration
    let interceptors: BoundInterceptors
    let router: Router
    let buffers: HTTP2LoopBuffers
    let counters: ServerCounters
    private let addresses: AddressTable
    /// Made when a message is compressed for the first time; one call's turn uses it at a time.
    private(set) lazy var gzip = GzipCodec()
    var heldBytes = 0

    private var connections: [ServerConnection] = []
    private var clock: LoopTimer?
    private var isStopping = false
    private var whenEmpty: [() -> Void] = []

    init(
        _ loop: EventLoop,
        _ configuration: ServerConfiguration,
        _ router: Router,
        _ counters: ServerCounters,
        _ addresses: AddressTable
    ) {
        loop.assertOnLoop()
        self.loop = loop
        self.configuration = configuration
        interceptors = BoundInterceptors(configuration.interceptors(loop), configuration.observers(loop))
        self.router = router
        self.counters = counters
        self.addresses = addresses
        buffers = HTTP2LoopBuffers(limits: configuration.limits.http2)
        counters.include(buffers.counters)
        router.freeze()
    }

    /// Takes over a socket that was accepted.
    func accept(_ socket: Int32, _ security: (any ServerTransportSecurity)?) {
        let network = SocketAddress(peerOf: socket)?.network
        if let network, let limit = addresses.enter(network, at: loop.now) {
            counters.refusedConnection()
            counters.reached(limit)
            SocketTransport(socket: socket).close()
            return
        }
        do {
            if accept(try security?.transport(over: socket) ?? SocketTransport(socket: socket), from: network) != nil {
                return
            }
        } catch {
            counters.refusedConnection()
        }
        if let network { addresses.leave(network, hostile: false, at: loop.now) }
    }

    /// Takes a connection over, unless there are too many.
    @discardableResult
    func accept(_ transport: any ByteTransport, from network: SocketAddress.Network? = nil) -> HTTP2Connection? {
        guard !isStopping, connections.count < configuration.limits.connectionsPerLoop else {
            if !isStopping { counters.reached(.connections) }
            counters.refusedConnection()
            transport.close()
            return nil
        }
        let connection = ServerConnection(transport, self)
        connection.http2.onClosed = { [unowned self, unowned connection] error in
            if let network {
                addresses.leave(network, hostile: error.limit?.isHostile == true, at: loop.now)
            }
            closed(connection)
        }
        connection.position = connections.count
        connections.append(connection)
        counters.connected()
        // A connection whose descriptor cannot be watched has closed itself.
        try? connection.http2.start()
        if clock == nil { startClock() }
        return connection.http2
    }

    private func closed(_ connection: ServerConnection) {
        counters.disconnected()
        let position = connection.position
        if position < connections.count - 1 {
            connections.swapAt(position, connections.count - 1)
            connections[position].position = position
        }
        connections.removeLast()
        guard connections.isEmpty else { return }
        clock?.cancel()
        clock = nil
        let waiting = whenEmpty
        whenEmpty = []
        for body in waiting { body() }
    }

    /// Looks at every connection once a second, which costs an idle one less than a timer of its own.
    private func startClock() {
        // Holds on to this part as long as it has connections, which rely on it.
        clock = loop.schedule(after: .seconds(1)) { [self] in
            clock = nil
            // From the end, because a connection that closes itself is replaced by the last one.
            for position in connections.indices.reversed() where position < connections.count {
                connections[position].keepTime()
            }
            addresses.sweep(at: loop.now)
            if !connections.isEmpty, clock == nil { startClock() }
        }
    }

    /// Lets the calls that are open end, and calls `done` when the last connection is closed.
    func drain(_ done: @escaping () -> Void) {
        isStopping = true
        guard !connections.isEmpty else { return done() }
        whenEmpty.append(done)
        for connection in connections { connection.http2.drain() }
    }

    /// Closes what is left.
    func stop() {
        isStopping = true
        while let connection = connections.last { connection.http2.close(.closed) }
    }
}
