internal import CUV
internal import Glibc
internal import Synchronization

/// One libuv loop: one thread, one task executor, one serial executor.
///
/// Everything that is bound to a loop (descriptors, timers, connections) is touched on its thread only; `submit` and
/// `stop` are the two doors that any thread may use. A turn is: due timers, then ready descriptors, then Swift jobs,
/// then what was registered with `atTurnEnd`; nothing is left pending when the loop waits.
///
/// - Isolation: confined to the loop's thread unless a member says otherwise; a debug build traps on a violation.
public final class EventLoop: @unchecked Sendable {
    /// How many Swift jobs run before the descriptors are looked at again, so that a busy task cannot starve the rest.
    static let jobsPerTurnMax = 4096

    /// The loop's name, as its thread shows it to the operating system (15 bytes of it).
    public let name: String

    // Mutable state is confined to the loop's thread, but for `inbox`, which has its own lock. Hence @unchecked.
    let uv: UnsafeMutablePointer<uv_loop_t>
    private let wakeUp: UnsafeMutablePointer<uv_async_t>
    private let prepare: UnsafeMutablePointer<uv_prepare_t>
    private let check: UnsafeMutablePointer<uv_check_t>
    private let inbox = Mutex(Inbox())
    private let owner = Atomic<UInt>(0)
    private var jobs: [LoopJob] = []
    private var runningJobs: [LoopJob] = []
    private var turnEnd: [() -> Void] = []
    private var runningTurnEnd: [() -> Void] = []
    private var thread: pthread_t?
    private var stopping = false
    private var executors: (task: LoopTaskExecutor, serial: LoopSerialExecutor)?

    /// What other threads left for the loop.
    private struct Inbox {
        var jobs: [LoopJob] = []
        var isSignalled = false
        var isClosed = false
    }

    /// Makes a loop that does not run yet.
    ///
    /// - Parameter name: shown in thread listings.
    /// - Throws: `EventLoopError.system` when the process is out of descriptors or memory.
    public init(name: String) throws(EventLoopError) {
        self.name = name
        uv = .allocate(capacity: 1)
        wakeUp = .allocate(capacity: 1)
        prepare = .allocate(capacity: 1)
        check = .allocate(capacity: 1)
        let failure = uv_loop_init(uv)
        guard failure == 0 else {
            uv.deallocate()
            wakeUp.deallocate()
            prepare.deallocate()
            check.deallocate()
            throw .system(operation: "uv_loop_init", code: failure)
        }
        let this = Unmanaged.passUnretained(self).toOpaque()
        wakeUp.pointee.data = this
        prepare.pointee.data = this
        check.pointee.data = this
        // These three cannot fail on an initialised loop but for uv_async_init, which needs a descriptor.
        let asyncFailure = uv_async_init(uv, wakeUp, onWakeUp)
        guard asyncFailure == 0 else {
            uv_loop_close(uv)
            throw .system(operation: "uv_async_init", code: asyncFailure)
        }
        uv_prepare_init(uv, prepare)
        uv_check_init(uv, check)
        wakeUp.pointee.data = this
        uv_prepare_start(prepare, onPrepare)
        uv_check_start(check, onCheck)
        executors = (LoopTaskExecutor(loop: self), LoopSerialExecutor(loop: self))
        // A peer that closes its socket must be an error of that write, not the end of the process.
        signal(SIGPIPE, SIG_IGN)
    }

    deinit {
        uv.deallocate()
        wakeUp.deallocate()
        prepare.deallocate()
        check.deallocate()
    }

    // MARK: Running

    /// Runs the loop on the calling thread until `stop()`, then closes every handle that is still open.
    public func run() {
        owner.store(currentThread(), ordering: .releasing)
        currentLoop.set(self)
        // Turns until stop(); uv_run returns early only when stopped, because the wake-up handle keeps it alive.
        uv_run(uv, UV_RUN_DEFAULT)
        // Jobs that the last turn left must run: a suspended task that never resumes would leak what it holds.
        runPending()
        closeHandles()
        currentLoop.set(nil)
        owner.store(0, ordering: .releasing)
    }

    /// Makes a loop and runs it on a thread of its own.
    ///
    /// - Throws: `EventLoopError.system` when the loop or its thread cannot be made.
    public static func startThread(name: String) throws(EventLoopError) -> EventLoop {
        let loop = try EventLoop(name: name)
        var thread = pthread_t()
        let argument = Unmanaged.passRetained(loop).toOpaque()
        let failure = pthread_create(&thread, nil, threadMain, argument)
        guard failure == 0 else {
            Unmanaged<EventLoop>.fromOpaque(argument).release()
            throw .system(operation: "pthread_create", code: -failure)
        }
        loop.thread = thread
        return loop
    }

    /// Ends `run()` after the current turn. Any thread; more than once is fine.
    public func stop() {
        submit { [self] in
            stopping = true
            uv_stop(uv)
        }
    }

    /// Waits until the thread of a loop made by `startThread` has ended. Not from the loop itself, and once.
    public func join() {
        precondition(!isOnLoop, "a loop cannot wait for itself")
        guard let thread else { return }
        self.thread = nil
        pthread_join(thread, nil)
    }

    /// Stops a loop made by `startThread`, and lets its thread end by itself: for who cannot wait. Once, and without `join()`.
    public func stopDetached() {
        if let thread { pthread_detach(thread) }
        thread = nil
        stop()
    }

    /// The loop whose thread this is.
    public static var current: EventLoop? { currentLoop.get() }

    /// Whether the calling thread is the loop's. Any thread.
    public var isOnLoop: Bool { owner.load(ordering: .relaxed) == currentThread() }

    /// Traps, in debug builds, when the calling thread is not the loop's.
    public func assertOnLoop() {
        assert(isOnLoop, "\(name) was touched from another thread")
    }

    // MARK: Work

    /// Runs `work` on the loop, soon. Any thread. Work for a loop that has ended is dropped.
    public func submit(_ work: @escaping @Sendable () -> Void) {
        enqueue(.closure(work))
    }

    /// Where Swift runs a task that prefers this loop.
    public var taskExecutor: any TaskExecutor { loopTaskExecutor }

    /// Where an actor that lives on this loop runs.
    public var serialExecutor: any SerialExecutor { executors.unsafelyUnwrapped.serial }

    /// Where Swift runs a task that prefers this loop, for who starts one with every call.
    public var loopTaskExecutor: LoopTaskExecutor { executors.unsafelyUnwrapped.task }

    /// Starts a task on this loop, at once: `body` runs on the caller's stack until it suspends first.
    ///
    /// No trip through the queue is made to start it. The preference holds for `body` and the async functions that it
    /// calls and its child tasks, not for a `Task { }` made inside it.
    @discardableResult
    @inlinable
    public func startTask(_ body: @escaping @Sendable () async -> Void) -> Task<Void, Never> {
        assertOnLoop()
        return Task.immediate(executorPreference: loopTaskExecutor) { await body() }
    }

    /// Runs `body` once, at the end of this turn, after the Swift jobs: the place to write out what a turn gathered.
    public func atTurnEnd(_ body: @escaping () -> Void) {
        assertOnLoop()
        turnEnd.append(body)
    }

    func enqueue(_ job: LoopJob) {
        if isOnLoop {
            jobs.append(job)
            return
        }
        let mustSignal = inbox.withLock { inbox in
            // A loop that has ended runs nothing; a Swift job that arrives now belongs to a task nobody waits for.
            if inbox.isClosed { return false }
            inbox.jobs.append(job)
            if inbox.isSignalled { return false }
            inbox.isSignalled = true
            return true
        }
        if mustSignal { uv_async_send(wakeUp) }
    }

    /// Takes over what other threads left.
    fileprivate func drainInbox() {
        inbox.withLock { inbox in
            inbox.isSignalled = false
            if inbox.jobs.isEmpty { return }
            if jobs.isEmpty {
                swap(&jobs, &inbox.jobs)
            } else {
                jobs.append(contentsOf: inbox.jobs)
                inbox.jobs.removeAll(keepingCapacity: true)
            }
        }
    }

    /// Runs jobs and end-of-turn work until there is none, or as many as one turn may take.
    fileprivate func runPending() {
        var budget = Self.jobsPerTurnMax
        while budget > 0, !(jobs.isEmpty && turnEnd.isEmpty) {
            while !jobs.isEmpty, budget > 0 {
                swap(&jobs, &runningJobs)
                budget -= runningJobs.count
                let taskExecutor = loopTaskExecutor.asUnownedTaskExecutor()
                for job in runningJobs {
                    switch job {
                    case .task(let job): job.runSynchronously(on: taskExecutor)
                    case .actor(let job):
                        job.runSynchronously(on: executors.unsafelyUnwrapped.serial.asUnownedSerialExecutor())
                    case .closure(let work): work()
                    }
                }
                runningJobs.removeAll(keepingCapacity: true)
            }
            if !turnEnd.isEmpty {
                swap(&turnEnd, &runningTurnEnd)
                for body in runningTurnEnd { body() }
                runningTurnEnd.removeAll(keepingCapacity: true)
            }
        }
        // What is left must not wait for a descriptor.
        if !(jobs.isEmpty && turnEnd.isEmpty) { uv_async_send(wakeUp) }
    }

    // MARK: Time

    /// A monotonic clock in nanoseconds; only differences mean anything.
    public var now: UInt64 { uv_hrtime() }

    /// ``now``, as the kernel last noted it: up to a tick of the scheduler (10 ms at most) ago, for a quarter of the price.
    public var recently: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC_COARSE, &time)
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }

    /// Runs `body` once, `delay` from now, on this loop. Resolution is a millisecond, rounded up.
    public func schedule(after delay: Duration, _ body: @escaping () -> Void) -> LoopTimer {
        assertOnLoop()
        return LoopTimer(loop: self, delay: delay, body: body)
    }

    /// Suspends the calling task for `duration`, without a thread hop when the task runs on this loop.
    ///
    /// - Throws: `CancellationError` when the task is cancelled before or while it sleeps.
    public func sleep(for duration: Duration) async throws {
        try await LoopSleep.run(on: self, for: duration)
    }

    // MARK: Descriptors

    /// Watches a descriptor; nothing is reported until `interest` of the watcher is set.
    ///
    /// The handler runs on the loop and is released by `close()`, which must come before the descriptor is closed.
    ///
    /// - Throws: `EventLoopError.system` when the descriptor cannot be watched (not open, or a plain file).
    public func watch(
        _ descriptor: Int32,
        _ handler: @escaping (Readiness) -> Void
    ) throws(EventLoopError) -> FDWatcher {
        assertOnLoop()
        return try FDWatcher(loop: self, descriptor: descriptor, handler: handler)
    }

    // MARK: The end

    /// Closes every handle of a stopped loop and runs the loop until libuv has let go of all of them.
    private func closeHandles() {
        inbox.withLock { inbox in
            inbox.isClosed = true
            inbox.jobs.removeAll()
        }
        uv_walk(uv, onWalk, nil)
        while uv_run(uv, UV_RUN_NOWAIT) != 0 {}
        // The hooks are closed now, so jobs that close callbacks resumed are run here.
        runPendingAfterClose()
        let failure = uv_loop_close(uv)
        precondition(failure == 0, "a handle of \(name) outlived its loop")
    }

    private func runPendingAfterClose() {
        while !jobs.isEmpty {
            swap(&jobs, &runningJobs)
            for job in runningJobs {
                switch job {
                case .task(let job): job.runSynchronously(on: loopTaskExecutor.asUnownedTaskExecutor())
                case .actor(let job):
                    job.runSynchronously(on: executors.unsafelyUnwrapped.serial.asUnownedSerialExecutor())
                case .closure(let work): work()
                }
            }
            runningJobs.removeAll()
        }
        turnEnd.removeAll()
    }
}

/// A piece of work that a task does.
public protocol LoopWork: Sendable {
    /// Does it, on the loop that started it.
    func run() async
}

/// What a loop can be asked to run.
enum LoopJob {
    case task(UnownedJob)
    case actor(UnownedJob)
    case closure(@Sendable () -> Void)
}

/// Why a loop, or something on it, could not be made.
public enum EventLoopError: Error, CustomStringConvertible {
    /// A call into libuv or the system failed; `code` is libuv's (a negated errno).
    case system(operation: String, code: Int32)
    /// A host name or port could not be resolved to an address to listen on.
    case address(String)

    /// The failed call and the system's reason.
    public var description: String {
        switch self {
        case .system(let operation, let code): "\(operation): \(String(cString: uv_strerror(code)))"
        case .address(let reason): reason
        }
    }
}

// MARK: C callbacks

@inline(__always)
private func currentThread() -> UInt { UInt(pthread_self()) }

private func loop(of data: UnsafeMutableRawPointer?) -> EventLoop {
    Unmanaged<EventLoop>.fromOpaque(data.unsafelyUnwrapped).takeUnretainedValue()
}

private func onWakeUp(_ handle: UnsafeMutablePointer<uv_async_t>?) {
    // The jobs run in the check phase of this turn, after the other descriptors had theirs.
    loop(of: handle.unsafelyUnwrapped.pointee.data).drainInbox()
}

private func onPrepare(_ handle: UnsafeMutablePointer<uv_prepare_t>?) {
    loop(of: handle.unsafelyUnwrapped.pointee.data).runPending()
}

private func onCheck(_ handle: UnsafeMutablePointer<uv_check_t>?) {
    loop(of: handle.unsafelyUnwrapped.pointee.data).runPending()
}

private func onWalk(_ handle: UnsafeMutablePointer<uv_handle_t>?, _: UnsafeMutableRawPointer?) {
    guard let handle, uv_is_closing(handle) == 0 else { return }
    switch uv_handle_get_type(handle) {
    case UV_ASYNC, UV_PREPARE, UV_CHECK: uv_close(handle, nil)
    default: uv_close(handle, LoopHandle.onClosed)
    }
}

private func threadMain(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    let loop = Unmanaged<EventLoop>.fromOpaque(argument.unsafelyUnwrapped).takeRetainedValue()
    pthread_setname_np(pthread_self(), String(loop.name.prefix(15)))
    loop.run()
    return nil
}

/// The loop of each thread.
private let currentLoop = CurrentLoop()

private struct CurrentLoop {
    private let key: pthread_key_t

    init() {
        var key = pthread_key_t()
        let failure = pthread_key_create(&key, nil)
        precondition(failure == 0, "the process is out of thread-specific keys")
        self.key = key
    }

    func get() -> EventLoop? {
        pthread_getspecific(key).map { Unmanaged<EventLoop>.fromOpaque($0).takeUnretainedValue() }
    }

    func set(_ loop: EventLoop?) {
        pthread_setspecific(key, loop.map { Unmanaged.passUnretained($0).toOpaque() })
    }
}
