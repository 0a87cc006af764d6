internal import CUV
internal import Glibc

/// A timer with the resolution of the system's clock, for what a millisecond is too coarse for: one descriptor each, where
/// a ``LoopTimer`` costs none. Confined to its loop.
public final class PreciseTimer {
    private let loop: EventLoop
    private let descriptor: Int32
    private var watcher: FDWatcher?

    /// A timer that is not set; `body` runs on the loop each time that it fires.
    ///
    /// - Throws: `EventLoopError.system` when the process is out of descriptors.
    public init(loop: EventLoop, _ body: @escaping () -> Void) throws(EventLoopError) {
        loop.assertOnLoop()
        self.loop = loop
        descriptor = timerfd_create(CLOCK_MONOTONIC, Int32(TFD_NONBLOCK | TFD_CLOEXEC))
        guard descriptor >= 0 else { throw .system(operation: "timerfd_create", code: -errno) }
        let descriptor = descriptor
        let watcher: FDWatcher
        do throws(EventLoopError) {
            watcher = try loop.watch(descriptor) { _ in
                var expirations: UInt64 = 0
                // Nothing to read means that it was set anew after it fired: then it fires again.
                guard Glibc.read(descriptor, &expirations, MemoryLayout<UInt64>.size) > 0 else { return }
                body()
            }
        } catch {
            Glibc.close(descriptor)
            throw error
        }
        watcher.interest = .readable
        self.watcher = watcher
    }

    /// Lets the timer fire once, at a time of ``EventLoop/now``; at once when that is over. What was set before is
    /// forgotten.
    public func set(at time: UInt64) {
        loop.assertOnLoop()
        // Zero would unset it.
        let time = max(1, time)
        var setting = itimerspec()
        setting.it_value.tv_sec = Int(time / 1_000_000_000)
        setting.it_value.tv_nsec = Int(time % 1_000_000_000)
        let failure = timerfd_settime(descriptor, Int32(TFD_TIMER_ABSTIME), &setting, nil)
        precondition(failure == 0, "timerfd_settime refuses only times that are none")
    }

    /// Ends the timer; it does not fire any more.
    public func close() {
        guard let watcher else { return }
        watcher.close()
        self.watcher = nil
        Glibc.close(descriptor)
    }
}
