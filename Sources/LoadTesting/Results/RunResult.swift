internal import Protobuf

/// How often calls ended in a way.
struct StatusCount: Sendable, Equatable {
    /// The number that gRPC gives the status.
    var code: Int
    /// What the server said with it.
    var message: String
    /// Whether the scenario counts it as an error.
    var isError: Bool
    var count: UInt64
}

/// What happened in one interval of a run, by when calls ended.
struct IntervalResult: Sendable, Equatable {
    /// Which interval: 0 begins with the measurement. One past the measured time holds calls that ended late.
    var index: Int
    var calls: UInt64
    var failed: UInt64
    /// The latencies of all its calls.
    var latency: SparseHistogram
}

/// What was measured of the calls of one label, or of the iterations of one flow.
struct CallResult: Sendable, Equatable {
    /// The most different messages of errors that are kept; the rest is counted as one.
    static let messagesMax = 100
    /// How much of an error's message is kept, in characters.
    static let messageLength = 200

    var name: String
    /// The gRPC path; empty for a flow.
    var method: String
    /// The measured calls: those that were to begin in the measured time, and have ended.
    var calls: UInt64 = 0
    /// Those of them that ended with a status that was not expected.
    var failed: UInt64 = 0
    /// Calls that ended within the measured time, whenever they began: what the rate is made of.
    var endedWithin: UInt64 = 0
    var sentMessages: UInt64 = 0
    var receivedMessages: UInt64 = 0
    /// Bytes of messages, without framing.
    var sentBytes: UInt64 = 0
    var receivedBytes: UInt64 = 0
    var statuses: [StatusCount] = []
    /// From when the call was to begin to its end; all calls, failed ones too.
    var latency = Histogram()
    /// From when the call began to its end; all calls.
    var serviceTime = Histogram()
    /// The latencies of the failed calls alone.
    var failedLatency = Histogram()
    /// Of streams: each round trip of a bidi call, the first response of a server-streaming one.
    var messageLatency = Histogram()
    var intervals: [IntervalResult] = []

    /// Counts one more of a way to end.
    mutating func count(_ code: Int, _ message: String, isError: Bool, times: UInt64 = 1) {
        let text = String(message.prefix(Self.messageLength))
        if let index = statuses.firstIndex(where: { $0.code == code && $0.message == text && $0.isError == isError }) {
            statuses[index].count += times
        } else if statuses.count < Self.messagesMax || text == Self.others {
            statuses.append(StatusCount(code: code, message: text, isError: isError, count: times))
        } else {
            count(code, Self.others, isError: isError, times: times)
        }
    }

    private static let others = "(other messages)"

    /// Adds what another lane, process or run measured of the same calls.
    ///
    /// - Parameter offset: how many intervals later the other one began.
    mutating func add(_ other: CallResult, offset: Int = 0) {
        calls += other.calls
        failed += other.failed
        endedWithin += other.endedWithin
        sentMessages += other.sentMessages
        receivedMessages += other.receivedMessages
        sentBytes += other.sentBytes
        receivedBytes += other.receivedBytes
        for status in other.statuses {
            count(status.code, status.message, isError: status.isError, times: status.count)
        }
        latency.add(other.latency)
        serviceTime.add(other.serviceTime)
        failedLatency.add(other.failedLatency)
        messageLatency.add(other.messageLatency)
        var byIndex: [Int: IntervalResult] = [:]
        for interval in intervals { byIndex[interval.index] = interval }
        for interval in other.intervals {
            var moved = interval
            moved.index += offset
            if let own = byIndex[moved.index] {
                moved.calls += own.calls
                moved.failed += own.failed
                var sum = own.latency.dense
                sum.add(moved.latency)
                moved.latency = sum.sparse
            }
            byIndex[moved.index] = moved
        }
        intervals = byIndex.values.sorted { $0.index < $1.index }
    }

    /// What part of the calls failed, from 0 to 1.
    var errorPart: Double { calls == 0 ? 0 : Double(failed) / Double(calls) }
}

/// What the server's process used.
struct ServerSample: Sendable, Equatable {
    /// Seconds since the measurement began.
    var second: Double
    /// Processors in use since the sample before: 1 is one of them all the time.
    var processors: Double
    var residentBytes: UInt64
}

/// How the generator itself did.
struct GeneratorResult: Sendable, Equatable {
    /// How late it was: in open loop how long after its time each call was begun; in closed loop how late its clock of 10 ms
    /// was.
    var lag = Histogram()
    /// What part of the measured time each thread was on a processor.
    var threads: [Double] = []
    /// What part of all processors of its machine was in use by anybody; nil when it cannot be told.
    var machine: Double?
    /// Arrivals of the schedule in the measured time; 0 in closed loop.
    var scheduled: UInt64 = 0
    /// Of these, how many were not sent because as many calls as allowed were under way.
    var unsent: UInt64 = 0
    /// Iterations that were to begin in the measured time and had not ended when the run gave up waiting for them.
    var unfinished: UInt64 = 0
    /// The most iterations under way at once, of all lanes together at the most.
    var highestInFlight: UInt64 = 0

    mutating func add(_ other: GeneratorResult) {
        lag.add(other.lag)
        threads += other.threads
        machine = [machine, other.machine].compactMap { $0 }.max()
        scheduled += other.scheduled
        unsent += other.unsent
        unfinished += other.unfinished
        highestInFlight += other.highestInFlight
    }
}

/// What a run measured, or several together.
struct RunResult: Sendable, Equatable {
    /// When the measurement began, in microseconds since the Unix epoch.
    var startedAt: Int64
    /// The measured time: after the warm-up, without the wait for calls under way at its end.
    var seconds: Double
    var intervalSeconds: Double
    /// Whether latency is told from when a call was to begin.
    var isOpenLoop: Bool
    /// Why it ended before its time; empty when it did not.
    var endedEarly = ""
    /// What was asked for, as shown in reports.
    var configuration: [(key: String, value: JSONValue)] = []
    var calls: [CallResult]
    var flows: [CallResult] = []
    var generator = GeneratorResult()
    var server: [ServerSample] = []

    static func == (left: RunResult, right: RunResult) -> Bool { left.json == right.json }

    /// All calls together. Its intervals are made, too.
    var total: CallResult {
        var total = CallResult(name: "all", method: "")
        for call in calls { total.add(call) }
        return total
    }

    func rate(_ call: CallResult) -> Double { seconds > 0 ? Double(call.endedWithin) / seconds : 0 }
}
