/// A sleep on a loop that ends early, with an error, when its task is cancelled.
enum LoopSleep {
    /// Confined to the loop, but for being handed to the cancellation handler, which submits to the loop. Hence
    /// @unchecked.
    private final class State: @unchecked Sendable {
        var continuation: CheckedContinuation<Void, any Error>?
        var timer: LoopTimer?
        var isCancelled = false

        func begin(_ continuation: CheckedContinuation<Void, any Error>, _ loop: EventLoop, _ duration: Duration) {
            if isCancelled {
                continuation.resume(throwing: CancellationError())
                return
            }
            self.continuation = continuation
            timer = loop.schedule(after: duration) { [self] in
                timer = nil
                self.continuation.take()?.resume()
            }
        }

        func cancel() {
            isCancelled = true
            timer?.cancel()
            timer = nil
            continuation.take()?.resume(throwing: CancellationError())
        }
    }

    static func run(on loop: EventLoop, for duration: Duration) async throws {
        try Task.checkCancellation()
        let state = State()
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                if loop.isOnLoop {
                    state.begin(continuation, loop, duration)
                } else {
                    loop.submit { state.begin(continuation, loop, duration) }
                }
            }
        } onCancel: {
            loop.submit { state.cancel() }
        }
    }
}
