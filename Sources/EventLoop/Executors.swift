/// Runs tasks that prefer a loop. One of two objects over it: a class that is both kinds of executor costs five trips
/// through the queue a sleep instead of one (docs/decisions/0001-event-loop.md).
public final class LoopTaskExecutor: TaskExecutor {
    // The loop owns its executors and outlives every task that runs on it; a reference would be counted with every job.
    private let reference: Unmanaged<EventLoop>
    @usableFromInline var loop: EventLoop { reference._withUnsafeGuaranteedRef { $0 } }

    init(loop: EventLoop) { reference = .passUnretained(loop) }

    /// Runs a job on the loop, soon. Any thread.
    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        reference._withUnsafeGuaranteedRef { $0.enqueue(.task(job)) }
    }

    /// Starts a task for a piece of work like ``EventLoop/startTask(_:)``, without a closure around it: for what is started
    /// with every call, where each closure is an allocation and a look for the executor.
    @discardableResult
    @inlinable
    @inline(__always)
    public func start<Work: LoopWork>(_ work: Work) -> Task<Void, Never> {
        assert(loop.isOnLoop, "a task is started on another loop's thread")
        return Task.immediate(executorPreference: self) { await work.run() }
    }
}

/// Runs actors that live on a loop.
final class LoopSerialExecutor: SerialExecutor {
    private unowned let loop: EventLoop

    init(loop: EventLoop) { self.loop = loop }

    func enqueue(_ job: consuming ExecutorJob) {
        loop.enqueue(.actor(UnownedJob(job)))
    }

    func checkIsolated() {
        precondition(loop.isOnLoop, "not on \(loop.name)")
    }

    func isIsolatingCurrentContext() -> Bool? { loop.isOnLoop }
}
