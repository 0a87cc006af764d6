internal import CUV

/// The one way off the loop for what burns CPU or blocks: Argon2, large decodes, file systems, name look-ups.
///
/// The work runs on libuv's pool (4 threads, `UV_THREADPOOL_SIZE`), then the caller goes on where it was.
public enum Offload {
    /// Runs `body` off the loop. Cancellation does not interrupt it; `body` is short enough or looks by itself.
    ///
    /// - Throws: what `body` throws.
    public static func run<Value: Sendable>(
        _ body: @escaping @Sendable () throws -> Value
    ) async throws -> Value {
        // Outside of a loop there is nothing to keep free.
        guard let loop = EventLoop.current else { return try body() }
        let result = await withCheckedContinuation {
            (continuation: CheckedContinuation<Result<Value, any Error>, Never>) in
            Work(body: { Result(catching: body) }, finish: { continuation.resume(returning: $0) }).queue(on: loop)
        }
        return try result.get()
    }

    /// One piece of work on its way through the pool: owned by libuv from `queue` to the end of `onDone`.
    private final class Work<Value: Sendable>: AnyWork {
        private let body: () -> Result<Value, any Error>
        private let finish: (Result<Value, any Error>) -> Void
        private var result: Result<Value, any Error>?

        init(
            body: @escaping () -> Result<Value, any Error>,
            finish: @escaping (Result<Value, any Error>) -> Void
        ) {
            self.body = body
            self.finish = finish
        }

        override func run() { result = body() }

        override func done() { finish(result ?? .failure(CancellationError())) }
    }

    private class AnyWork {
        private let request = UnsafeMutablePointer<uv_work_t>.allocate(capacity: 1)

        deinit { request.deallocate() }

        func run() {}
        func done() {}

        func queue(on loop: EventLoop) {
            request.pointee.data = Unmanaged.passRetained(self).toOpaque()
            let failure = uv_queue_work(
                loop.uv,
                request,
                { Unmanaged<AnyWork>.fromOpaque($0.unsafelyUnwrapped.pointee.data).takeUnretainedValue().run() },
                { request, _ in
                    Unmanaged<AnyWork>.fromOpaque(request.unsafelyUnwrapped.pointee.data).takeRetainedValue().done()
                }
            )
            precondition(failure == 0, "uv_queue_work refuses only a missing function")
        }
    }
}
