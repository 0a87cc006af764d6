/// Runs tasks that prefer a loop. One of two objects over it: a class that is both kinds of executor costs five trips
/// through the queue a sleep instead of one (docs/decisions/0001-event-loop.md).
@usableFromInline
final class LoopTaskExecutor: TaskExecutor {
    // The loop owns its executors and outlives every task that runs on it.
    private unowned let loop: EventLoop

    init(loop: EventLoop) { self.loop = loop }

    @usableFromInline
    func enqueue(_ job: consuming ExecutorJob) {
        loop.enqueue(.task(UnownedJob(job)))
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
