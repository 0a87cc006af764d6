public import HTTP2
internal import RPC
internal import Synchronization

/// What a server has done so far. Counts never fall, but for ``openConnections``.
public struct ServerCounts: Sendable, Equatable {
    /// Calls whose route was found.
    public var started = 0
    /// Calls that ended, by status code (``StatusCode/rawValue``).
    public var finished = [Int](repeating: 0, count: StatusCode.allCases.count)
    /// Requests that were answered without a call: no such method, not gRPC.
    public var refused = 0
    /// Connections that were accepted.
    public var connections = 0
    /// Connections that are open now.
    public var openConnections = 0
    /// Connections that were closed at once, because there were too many.
    public var refusedConnections = 0
    /// Messages that came and were taken.
    public var messagesReceived = 0
    /// Messages that were sent.
    public var messagesSent = 0
    /// Bytes that came, with all framing.
    public var bytesReceived = 0
    /// Bytes that went out, with all framing.
    public var bytesSent = 0
    /// PING frames that were sent to silent peers.
    public var pingsSent = 0
    /// How often limits were reached, by the raw values of ``HTTP2Limit`` and ``ServerLimit``; all of them are there.
    public var limitHits: [String: Int] = [:]
    /// What the listeners' TLS has done; nil when none has TLS.
    public var security: TransportSecurityCounts?

    /// Nothing counted.
    public init() {}
}

/// The counts of one loop: written by it alone, read by any thread.
final class ServerCounters: @unchecked Sendable {
    // @unchecked: the cells are atomic, and live as long as this.
    private let cells: UnsafeMutablePointer<ServerTally.Cells>
    /// What every call counts; to be used no longer than this.
    let tally: ServerTally
    private let finishedOthers = Mutex([Int](repeating: 0, count: StatusCode.allCases.count))
    private let hits = Mutex([ServerLimit: Int]())
    private let http2 = Mutex<HTTP2Counters?>(nil)

    init() {
        cells = .allocate(capacity: 1)
        cells.initialize(to: ServerTally.Cells())
        tally = ServerTally(cells: cells)
    }

    deinit {
        cells.deinitialize(count: 1)
        cells.deallocate()
    }

    /// Adds what the loop's connections count, too.
    func include(_ counters: HTTP2Counters) { http2.withLock { $0 = counters } }

    func reached(_ limit: ServerLimit) { hits.withLock { $0[limit, default: 0] += 1 } }

    /// Counts a call that failed.
    func failed(_ code: StatusCode) { finishedOthers.withLock { $0[code.rawValue] += 1 } }

    func refused() { bump(cells.pointee.refusedRequests) }

    func connected() {
        bump(cells.pointee.acceptedConnections)
        bump(cells.pointee.open)
    }

    func disconnected() { bump(cells.pointee.open, by: -1) }

    func refusedConnection() { bump(cells.pointee.refusals) }

    func add(to counts: inout ServerCounts) {
        counts.started += cells.pointee.startedCalls.load(ordering: .relaxed)
        counts.finished[0] += cells.pointee.finishedOK.load(ordering: .relaxed)
        finishedOthers.withLock { others in
            for code in 1..<others.count { counts.finished[code] += others[code] }
        }
        counts.refused += cells.pointee.refusedRequests.load(ordering: .relaxed)
        counts.connections += cells.pointee.acceptedConnections.load(ordering: .relaxed)
        counts.openConnections += cells.pointee.open.load(ordering: .relaxed)
        counts.refusedConnections += cells.pointee.refusals.load(ordering: .relaxed)
        counts.messagesReceived += cells.pointee.taken.load(ordering: .relaxed)
        counts.messagesSent += cells.pointee.given.load(ordering: .relaxed)
        let hits = hits.withLock { $0 }
        for limit in ServerLimit.allCases { counts.limitHits[limit.rawValue, default: 0] += hits[limit, default: 0] }
        guard let http2 = http2.withLock({ $0 }) else { return }
        counts.bytesReceived += http2.bytesReceived
        counts.bytesSent += http2.bytesSent
        counts.pingsSent += http2.pingsSent
        let reached = http2.limitHits
        for limit in HTTP2Limit.allCases { counts.limitHits[limit.rawValue, default: 0] += reached[limit, default: 0] }
    }

}

/// The counts of every call and message: behind a pointer, because atomics in an object cost a retain and a release of it
/// each time.
struct ServerTally {
    fileprivate let cells: UnsafeMutablePointer<Cells>

    fileprivate struct Cells: ~Copyable {
        let startedCalls = Atomic<Int>(0)
        let finishedOK = Atomic<Int>(0)
        let refusedRequests = Atomic<Int>(0)
        let acceptedConnections = Atomic<Int>(0)
        let open = Atomic<Int>(0)
        let refusals = Atomic<Int>(0)
        let taken = Atomic<Int>(0)
        let given = Atomic<Int>(0)
    }

    func messageReceived() { bump(cells.pointee.taken) }

    func messageSent() { bump(cells.pointee.given) }

    func started() { bump(cells.pointee.startedCalls) }

    /// Counts a call that went well.
    func finished() { bump(cells.pointee.finishedOK) }
}

/// Only one thread writes, so no locked instruction is needed.
private func bump(_ counter: borrowing Atomic<Int>, by count: Int = 1) {
    counter.store(counter.load(ordering: .relaxed) + count, ordering: .relaxed)
}
