internal import Glibc

/// Runs what blocks on a thread of its own, so that neither the cooperative pool nor the loops' few workers wait with it.
public func onThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        let work = Unmanaged.passRetained(Work { continuation.resume(with: Result(catching: body)) })
        var thread = pthread_t()
        let failure = pthread_create(
            &thread,
            nil,
            { argument in
                argument.map { Unmanaged<Work>.fromOpaque($0).takeRetainedValue().run() }
                return nil
            },
            work.toOpaque()
        )
        precondition(failure == 0, "the process is out of threads")
        pthread_detach(thread)
    }
}

private final class Work {
    let run: () -> Void

    init(_ run: @escaping () -> Void) {
        self.run = run
    }
}
