import EventLoop

/// A sleep on a loop that anybody can end early.
final class Nap: Sendable {
    private let task: Task<Void, Never>

    /// Begins to sleep. On the loop.
    init(on loop: EventLoop, for duration: Duration) {
        task = loop.startTask {
            // Woken or slept out: whoever waits looks for themselves.
            do { try await loop.sleep(for: duration) } catch {}
        }
    }

    /// Ends the sleep. Any thread.
    func wake() { task.cancel() }

    /// Waits for the end of the sleep; throws `CancellationError` when the waiting task is cancelled.
    func wait() async throws {
        await withTaskCancellationHandler {
            await task.value
        } onCancel: {
            task.cancel()
        }
        try Task.checkCancellation()
    }
}
