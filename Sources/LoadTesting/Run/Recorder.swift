internal import RPC

/// How a call ended.
struct CallOutcome {
    /// The status when it is none that was expected, or was one that is not OK.
    var error: RPCError?
    var isFailed = false
    var sentMessages: UInt64 = 0
    var sentBytes: UInt64 = 0
    var receivedMessages: UInt64 = 0
    var receivedBytes: UInt64 = 0

    /// Whether the server could not be reached.
    var isUnreachable: Bool { error?.code == .unavailable }
}

/// Counts the calls of one label, or the iterations of one flow, on one lane. Confined to the lane's loop.
struct Recorder {
    private(set) var result: CallResult
    private var plainOK: UInt64 = 0
    /// The interval that is being counted.
    private var index = 0
    private var calls: UInt64 = 0
    private var failed: UInt64 = 0
    private var latency = Histogram()

    init(name: String, method: String) {
        result = CallResult(name: name, method: method)
    }

    /// Counts a call that was to begin in the measured time.
    ///
    /// - Parameters:
    ///   - latency: from when it was to begin, in nanoseconds.
    ///   - serviceTime: from when it began.
    ///   - interval: in which interval it ended.
    mutating func record(
        _ outcome: borrowing CallOutcome,
        latency: UInt64,
        serviceTime: UInt64,
        interval: Int
    ) {
        if interval > index { advance(to: interval) }
        calls &+= 1
        self.latency.record(latency)
        result.serviceTime.record(serviceTime)
        result.sentMessages &+= outcome.sentMessages
        result.sentBytes &+= outcome.sentBytes
        result.receivedMessages &+= outcome.receivedMessages
        result.receivedBytes &+= outcome.receivedBytes
        guard let error = outcome.error else {
            plainOK &+= 1
            return
        }
        if outcome.isFailed {
            failed &+= 1
            result.failedLatency.record(latency)
        }
        result.count(error.code.rawValue, error.message, isError: outcome.isFailed)
    }

    /// Counts a call that ended within the measured time, whenever it began.
    mutating func recordEnd() { result.endedWithin &+= 1 }

    /// Counts a message of a stream.
    mutating func recordMessage(latency: UInt64) { result.messageLatency.record(latency) }

    /// Closes the interval that was counted, and gives it back if anything was in it.
    @discardableResult
    mutating func advance(to interval: Int) -> IntervalResult? {
        guard interval > index else { return nil }
        defer { index = interval }
        guard calls > 0 else { return nil }
        let closed = IntervalResult(index: index, calls: calls, failed: failed, latency: latency.sparse)
        result.intervals.append(closed)
        result.calls += calls
        result.failed += failed
        result.latency.add(latency)
        latency.removeAll()
        (calls, failed) = (0, 0)
        return closed
    }

    /// What an interval held that is closed already.
    func closed(_ interval: Int) -> IntervalResult? { result.intervals.last { $0.index == interval } }

    /// What was counted, with what the last interval holds.
    mutating func finish() -> CallResult {
        advance(to: index + 1)
        var result = result
        if plainOK > 0 { result.count(StatusCode.ok.rawValue, "", isError: false, times: plainOK) }
        return result
    }
}
