public import EventLoop
public import HTTP2
internal import Synchronization

/// A gRPC server on the loops of a group: each has its connections, nothing is shared between them.
public final class RPCServer: Sendable {
    private let group: EventLoopGroup
    private let configuration: ServerConfiguration
    private let makeRouter: @Sendable (EventLoop) throws -> Router
    private let counters: [ServerCounters]
    private let addresses: AddressTable
    private let state = Mutex(State())

    private struct State {
        var parts: [ServerLoop] = []
        var listeners: [Listener] = []
        var securities: [any ServerTransportSecurity] = []
    }

    /// A server whose methods are made for each loop, on it: handlers may hold what is confined to their loop.
    public init(
        group: EventLoopGroup,
        configuration: ServerConfiguration,
        makeRouter: @escaping @Sendable (EventLoop) throws -> Router
    ) {
        self.group = group
        self.configuration = configuration
        self.makeRouter = makeRouter
        counters = group.loops.map { _ in ServerCounters() }
        addresses = AddressTable(configuration.limits)
    }

    /// A server whose methods are the same on all loops.
    public convenience init(group: EventLoopGroup, configuration: ServerConfiguration = .init(), router: Router) {
        router.freeze()
        self.init(group: group, configuration: configuration) { _ in router }
    }

    deinit {
        // Only what was not shut down is left; its connections are closed where they live.
        let state = state.withLock { $0 }
        for listener in state.listeners { listener.close() }
        for part in state.parts { part.loop.submit { part.stop() } }
    }

    /// Makes the methods on every loop. Called once, before ``listen(host:port:)``.
    ///
    /// - Throws: what making them throws.
    public func start() async throws {
        var parts: [ServerLoop] = []
        for (loop, counters) in zip(group.loops, counters) {
            let (makeRouter, configuration, addresses) = (makeRouter, configuration, addresses)
            parts.append(
                try await withCheckedThrowingContinuation { continuation in
                    loop.submit {
                        continuation.resume(
                            with: Result { ServerLoop(loop, configuration, try makeRouter(loop), counters, addresses) }
                        )
                    }
                }
            )
        }
        state.withLock { $0.parts = parts }
    }

    /// Begins to take connections.
    ///
    /// - Parameters:
    ///   - port: 0 picks a free one.
    ///   - security: makes the connections' transports; nil leaves them as they are, without TLS.
    /// - Returns: the address that is listened on.
    /// - Throws: ``EventLoopError`` when it cannot be.
    public func listen(
        host: String,
        port: UInt16,
        security: (any ServerTransportSecurity)? = nil
    ) throws -> SocketAddress {
        let parts = state.withLock { $0.parts }
        precondition(!parts.isEmpty, "start() comes before listen")
        let listener = try Listener(host: host, port: port, group: group) { descriptor, loop in
            for part in parts where part.loop === loop {
                part.accept(descriptor, security)
                return
            }
            preconditionFailure("a connection was dealt to a loop of another group")
        }
        listener.start()
        state.withLock {
            $0.listeners.append(listener)
            if let security { $0.securities.append(security) }
        }
        return listener.address
    }

    /// Takes over a connection that came some other way than through a listener of ours: after a handshake, or in a test.
    /// On `loop`, one of the group's.
    ///
    /// - Returns: the connection, to be driven by hand where its transport has no descriptor; nil when the server has too
    ///   many, or stops.
    @discardableResult
    public func accept(_ transport: any ByteTransport, on loop: EventLoop) -> HTTP2Connection? {
        loop.assertOnLoop()
        let parts = state.withLock { $0.parts }
        for part in parts where part.loop === loop { return part.accept(transport) }
        preconditionFailure("start() comes before accept, and the loop is one of the group's")
    }

    /// Stops listening, tells the callers to go elsewhere, lets the calls that are open end, and closes what is still
    /// open when `grace` is over.
    public func shutdown(grace: Duration) async {
        let (parts, listeners) = state.withLock { state in
            defer { state.listeners = [] }
            return (state.parts, state.listeners)
        }
        for listener in listeners { listener.close() }
        await withTaskGroup(of: Void.self) { tasks in
            for part in parts {
                tasks.addTask {
                    await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
                        part.loop.submit {
                            let timer = part.loop.schedule(after: grace) { part.stop() }
                            part.drain {
                                timer.cancel()
                                continuation.resume()
                            }
                        }
                    }
                }
            }
        }
    }

    /// What each loop has done so far, in the order of the group's loops. Any thread.
    public func countsByLoop() -> [ServerCounts] {
        counters.map { counter in
            var counts = ServerCounts()
            counter.add(to: &counts)
            return counts
        }
    }

    /// What the server has done so far. Any thread.
    public func counts() -> ServerCounts {
        var counts = ServerCounts()
        for counter in counters { counter.add(to: &counts) }
        for security in state.withLock({ $0.securities }) {
            var sum = counts.security ?? TransportSecurityCounts()
            sum.add(security.counts())
            counts.security = sum
        }
        return counts
    }
}
