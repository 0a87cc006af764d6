internal import Synchronization

/// What the connections of one loop have done: written on that loop, read by any thread. Counts never fall.
public final class HTTP2Counters: Sendable {
    private let received = Atomic<Int>(0)
    private let sent = Atomic<Int>(0)
    private let keepalives = Atomic<Int>(0)
    private let hits = Mutex([HTTP2Limit: Int]())

    init() {}

    /// Bytes that came.
    public var bytesReceived: Int { received.load(ordering: .relaxed) }
    /// Bytes that went out.
    public var bytesSent: Int { sent.load(ordering: .relaxed) }
    /// PING frames that were sent to silent peers.
    public var pingsSent: Int { keepalives.load(ordering: .relaxed) }
    /// How often each limit was reached; those that were not are missing.
    public var limitHits: [HTTP2Limit: Int] { hits.withLock { $0 } }

    // Only one thread writes, so no locked instruction is needed.

    func received(_ count: Int) { received.store(received.load(ordering: .relaxed) &+ count, ordering: .relaxed) }

    func sent(_ count: Int) { sent.store(sent.load(ordering: .relaxed) &+ count, ordering: .relaxed) }

    func pinged() { keepalives.store(keepalives.load(ordering: .relaxed) &+ 1, ordering: .relaxed) }

    func reached(_ limit: HTTP2Limit) { hits.withLock { $0[limit, default: 0] += 1 } }
}
