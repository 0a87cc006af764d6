import Operations
import Synchronization

/// A job that this process works on: between the loop of the worker and the loop that the job runs on.
final class RunningJob: Sendable {
    /// Why its task was cancelled.
    enum Ending: Sendable {
        /// Somebody asked for it.
        case cancelled
        /// It may be another server's by now.
        case lost
        /// This server stops.
        case stopping
    }

    private struct State {
        var task: Task<Void, Never>?
        var ending: Ending?
        var validUntil: UInt64
    }

    /// The job as it was claimed.
    let job: ClaimedJob
    private let state: Mutex<State>

    init(_ job: ClaimedJob, validUntil: UInt64) {
        self.job = job
        state = Mutex(State(validUntil: validUntil))
    }

    /// Why it was to end; nil while it is not.
    var ending: Ending? { state.withLock { $0.ending } }

    /// Until when no other server takes it over, in nanoseconds of `EventLoop.now`.
    var validUntil: UInt64 {
        get { state.withLock { $0.validUntil } }
        set { state.withLock { $0.validUntil = newValue } }
    }

    /// Takes the task that runs it.
    func begin(_ task: Task<Void, Never>) {
        let isOver = state.withLock { state in
            state.task = task
            return state.ending != nil
        }
        if isOver { task.cancel() }
    }

    /// Cancels its task; only the first reason counts.
    func end(_ ending: Ending) {
        let task = state.withLock { state in
            if state.ending == nil { state.ending = ending }
            return state.task
        }
        task?.cancel()
    }
}
