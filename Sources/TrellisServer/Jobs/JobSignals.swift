import EventLoop
import Primitives
import Synchronization

/// What PostgreSQL tells of jobs over the channel `trellis_jobs`, handed to whoever waits for it, on whichever loop.
///
/// A signal only says that it is time to look: who waits looks now and then anyway, as one can be missed while the listening
/// session is away.
final class JobSignals: Sendable {
    /// The channel.
    static let channel = "trellis_jobs"

    private struct State {
        var waiters: [UUID: [Nap]] = [:]
        var queued: (@Sendable () -> Void)?
        var cancelled: (@Sendable (UUID) -> Void)?
    }

    private let state = Mutex(State())

    /// Who is told that there is work, and that a running job is to be given up; any thread calls them.
    func tell(queued: (@Sendable () -> Void)?, cancelled: (@Sendable (UUID) -> Void)?) {
        state.withLock { ($0.queued, $0.cancelled) = (queued, cancelled) }
    }

    /// Takes a notification: what the trigger of trellis.job sends.
    func heard(_ payload: String) {
        let words = payload.split(separator: " ")
        let id = words.count == 2 ? UUID(words[1]) : nil
        switch (words.first, id) {
        case ("queued", _): state.withLock { $0.queued }?()
        case ("cancel", let id?): state.withLock { $0.cancelled }?(id)
        case ("done", let id?): for nap in state.withLock({ $0.waiters[id] }) ?? [] { nap.wake() }
        // What a newer server may say.
        default: break
        }
    }

    /// Notifications may have been missed: everybody looks.
    func missed() {
        let (queued, naps) = state.withLock { ($0.queued, $0.waiters.values.flatMap { $0 }) }
        queued?()
        for nap in naps { nap.wake() }
    }

    /// Begins a nap that ends when a job does. To be forgotten afterwards.
    func nap(until job: UUID, on loop: EventLoop, atMost duration: Duration) -> Nap {
        let nap = Nap(on: loop, for: duration)
        state.withLock { $0.waiters[job, default: []].append(nap) }
        return nap
    }

    /// Wakes nobody any more.
    func forget(_ nap: Nap, of job: UUID) {
        state.withLock { state in
            state.waiters[job]?.removeAll { $0 === nap }
            if state.waiters[job]?.isEmpty == true { state.waiters[job] = nil }
        }
    }
}
