public import EventLoop
public import RPC
internal import Synchronization

/// A way to a service: calls from anywhere share its connections, which are made when they are first needed and made again
/// after they were lost. docs/client.md is its guide.
public final class Channel: Sendable {
    /// The address as it was given, "host:port"; of several, with commas between them.
    public let address: String

    private let core: ChannelCore
    private let loop: EventLoop
    private let ownsLoop: Bool

    /// A channel to "host:port" or "[IPv6]:port", or to several of them with commas between; nothing is connected yet.
    ///
    /// - Parameter loop: where the connections live; nil starts a thread for it, which ends when the channel is let
    ///   go of.
    /// - Throws: ``ChannelError`` when the address is not one, ``EventLoopError`` when there can be no thread.
    public init(address: String, configuration: ChannelConfiguration = .init(), loop: EventLoop? = nil) throws {
        let targets = try Target.parse(address)
        self.address = address
        ownsLoop = loop == nil
        self.loop = try loop ?? EventLoop.startThread(name: "channel")
        core = ChannelCore(targets: targets, configuration: configuration, loop: self.loop)
    }

    /// A channel to servers that are all the same service.
    ///
    /// - Throws: ``ChannelError`` when there is no address, or one of them is none.
    public convenience init(
        addresses: [String],
        configuration: ChannelConfiguration = .init(),
        loop: EventLoop? = nil
    ) throws {
        try self.init(address: addresses.joined(separator: ","), configuration: configuration, loop: loop)
    }

    deinit {
        let (core, loop, ownsLoop) = (core, loop, ownsLoop)
        loop.submit { core.close(grace: .zero) {} }
        if ownsLoop { loop.stopDetached() }
    }

    // MARK: Connections

    /// What the connections are doing. Any thread.
    public var state: ConnectivityState { core.current.withLock { $0 } }

    /// The state now and each further one, to ``ConnectivityState/shutdown``.
    public func states() -> AsyncStream<ConnectivityState> {
        let (core, loop) = (core, loop)
        return AsyncStream { continuation in
            loop.submit {
                let id = core.watch { state in
                    continuation.yield(state)
                    if state == .shutdown { continuation.finish() }
                }
                continuation.onTermination = { _ in loop.submit { core.unwatch(id) } }
            }
        }
    }

    /// Begins to connect without a call, when nothing is connected.
    public func connect() {
        let core = core
        loop.submit { core.connect() }
    }

    /// How long a connection may be silent before it is asked for a sign of life; nil is for ever. It grows when a server says
    /// that it is asked too often.
    public func keepaliveTime() async -> Duration? {
        await onLoop { core in core.keepaliveSeconds > 0 ? .seconds(core.keepaliveSeconds) : nil }
    }

    /// Ends every call and closes the connections. A call that is made later ends UNAVAILABLE.
    public func close() async { await close(grace: .zero) }

    /// Takes no new calls, waits until those under way are over, but not longer than `grace`, and closes.
    public func close(grace: Duration) async {
        let core = core
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            loop.submit { core.close(grace: grace) { continuation.resume() } }
        }
    }

    // MARK: Calls with serialized messages

    /// Makes a unary call with a serialized request, and gives back the serialized response: for callers that know
    /// messages only by their descriptors.
    public func unaryBytes(
        _ path: String,
        _ request: [UInt8],
        _ options: CallOptions = .init()
    ) async throws(RPCError) -> Response<[UInt8]> {
        try await begin(path, options, request: Self.frame(request)).single()
    }

    /// Makes a call with one serialized request and any number of serialized responses.
    public func serverStreamingBytes(
        _ path: String,
        _ request: [UInt8],
        _ options: CallOptions = .init()
    ) -> ResponseStream<[UInt8]> {
        ResponseStream(begin(path, options, request: Self.frame(request))) { bytes in bytes }
    }

    /// Begins a call of any shape, with serialized messages in both directions.
    public func call(_ path: String, _ options: CallOptions = .init()) -> RawCall {
        begin(path, options, request: nil)
    }

    // MARK: Inside

    static func frame(_ message: [UInt8]) -> [UInt8] {
        var framed = [UInt8](repeating: 0, count: MessageFraming.prefixBytes)
        framed.append(contentsOf: message)
        MessageFraming.seal(&framed)
        return framed
    }

    /// Begins a call, with the one request that it has or without any.
    func begin(_ path: String, _ options: CallOptions, request: [UInt8]?) -> RawCall {
        let call = ClientCall(path: path, options: options, deadline: deadline(path, options), core: core)
        return RawCall(call, loop, self, request: request)
    }

    private func deadline(_ path: String, _ options: CallOptions) -> UInt64? {
        let timeouts = [options.timeout, core.methods[path].timeout]
        // Beyond three centuries there is no deadline.
        let own = timeouts.compactMap { $0 }.min().flatMap { timeout in
            timeout < .seconds(10_000_000_000) ? loop.now &+ timeout.wholeNanoseconds : nil
        }
        guard let own, let inherited = options.deadline else { return own ?? options.deadline }
        return min(own, inherited)
    }

    private func onLoop<T: Sendable>(_ body: @escaping @Sendable (ChannelCore) -> T) async -> T {
        let core = core
        return await withCheckedContinuation { continuation in
            loop.submit { continuation.resume(returning: body(core)) }
        }
    }
}
