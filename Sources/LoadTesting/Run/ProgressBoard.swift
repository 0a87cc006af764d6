internal import Protobuf
internal import Synchronization

/// What one lane, or all of them, did in one interval: for the view while it runs.
struct Progress: Sendable {
    /// Which interval; -1 is the warm-up.
    var interval: Int
    var calls: UInt64 = 0
    var failed: UInt64 = 0
    var unsent: UInt64 = 0
    /// Calls under way at its end.
    var inFlight: UInt64 = 0
    var latency = SparseHistogram()

    mutating func add(_ other: Progress) {
        calls += other.calls
        failed += other.failed
        unsent += other.unsent
        inFlight += other.inFlight
        var sum = latency.dense
        sum.add(other.latency)
        latency = sum.sparse
    }
}

/// Gathers what lanes report, until all have reported an interval. Any thread.
final class ProgressBoard: Sendable {
    private struct State {
        var lanes: Int
        var open: [Int: (progress: Progress, reports: Int)] = [:]
        var ready: [Progress] = []
    }

    private let state: Mutex<State>

    init(lanes: Int) {
        state = Mutex(State(lanes: lanes))
    }

    /// Takes a report of a lane for an interval; each lane gives one for each.
    func report(_ progress: Progress) {
        state.withLock { state in
            var entry = state.open[progress.interval] ?? (Progress(interval: progress.interval), 0)
            entry.progress.add(progress)
            entry.reports += 1
            if entry.reports == state.lanes {
                state.open[progress.interval] = nil
                state.ready.append(entry.progress)
            } else {
                state.open[progress.interval] = entry
            }
        }
    }

    /// The intervals that all lanes have reported since the last time, in order.
    func take() -> [Progress] {
        state.withLock { state in
            defer { state.ready = [] }
            return state.ready.sorted { $0.interval < $1.interval }
        }
    }
}

extension Progress {
    /// One line between a worker process and the one that started it.
    var json: JSONValue {
        .object([
            ("interval", .number("\(interval)")), ("calls", .number("\(calls)")), ("failed", .number("\(failed)")),
            ("unsent", .number("\(unsent)")), ("inFlight", .number("\(inFlight)")), ("latency", latency.json),
        ])
    }

    init(_ reader: ResultReader) throws {
        interval = Int(try reader.double("interval"))
        calls = try reader.count("calls")
        failed = try reader.count("failed")
        unsent = try reader.count("unsent")
        inFlight = try reader.count("inFlight")
        latency = try reader.histogram("latency")
    }
}
