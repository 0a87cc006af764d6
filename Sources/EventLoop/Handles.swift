internal import CUV
internal import Glibc

/// What a watched descriptor is ready for.
public struct Readiness: OptionSet, Sendable {
    /// The bits as libuv has them.
    public let rawValue: Int32

    /// Takes libuv's bits.
    public init(rawValue: Int32) { self.rawValue = rawValue }

    /// A read would not block (there is data, or the end, or an error to be read).
    public static let readable = Readiness(rawValue: Int32(UV_READABLE.rawValue))
    /// A write would not block.
    public static let writable = Readiness(rawValue: Int32(UV_WRITABLE.rawValue))
    /// The peer has closed its side.
    public static let disconnected = Readiness(rawValue: Int32(UV_DISCONNECT.rawValue))
}

/// A libuv handle that keeps its Swift owner alive until libuv has let go of it.
class LoopHandle {
    fileprivate let memory: UnsafeMutableRawPointer
    fileprivate let loop: EventLoop
    fileprivate private(set) var isClosed = false

    var handle: UnsafeMutablePointer<uv_handle_t> { memory.assumingMemoryBound(to: uv_handle_t.self) }

    fileprivate init(loop: EventLoop, type: uv_handle_type) {
        self.loop = loop
        memory = .allocate(byteCount: uv_handle_size(type), alignment: 16)
    }

    deinit { memory.deallocate() }

    /// Ties the initialised handle to this object.
    fileprivate func own() {
        handle.pointee.data = Unmanaged.passRetained(self).toOpaque()
    }

    fileprivate func closeHandle() {
        loop.assertOnLoop()
        if isClosed { return }
        isClosed = true
        if uv_is_closing(handle) == 0 { uv_close(handle, Self.onClosed) }
    }

    /// Drops what the handle's owner holds; called when the loop closes the handle by itself, too.
    fileprivate func release() {}

    static let onClosed: @convention(c) (UnsafeMutablePointer<uv_handle_t>?) -> Void = { handle in
        guard let data = handle?.pointee.data else { return }
        let owner = Unmanaged<LoopHandle>.fromOpaque(data).takeRetainedValue()
        owner.isClosed = true
        owner.release()
    }
}

/// Watches one descriptor on one loop. Confined to the loop.
public final class FDWatcher {
    private let base: Poll

    private final class Poll: LoopHandle {
        var handler: ((Readiness) -> Void)?
        var interest: Readiness = []

        override func release() { handler = nil }

        var poll: UnsafeMutablePointer<uv_poll_t> { memory.assumingMemoryBound(to: uv_poll_t.self) }
    }

    fileprivate init(
        loop: EventLoop,
        descriptor: Int32,
        handler: @escaping (Readiness) -> Void,
        _: Void = ()
    ) throws(EventLoopError) {
        base = Poll(loop: loop, type: UV_POLL)
        let failure = uv_poll_init(loop.uv, base.poll, descriptor)
        guard failure == 0 else { throw .system(operation: "uv_poll_init", code: failure) }
        base.handler = handler
        base.own()
    }

    convenience init(
        loop: EventLoop,
        descriptor: Int32,
        handler: @escaping (Readiness) -> Void
    ) throws(EventLoopError) {
        try self.init(loop: loop, descriptor: descriptor, handler: handler, ())
    }

    /// What is reported. Level-triggered: readiness that is not used up is reported again in the next turn.
    public var interest: Readiness {
        get { base.interest }
        set {
            base.loop.assertOnLoop()
            guard !base.isClosed, newValue != base.interest else { return }
            base.interest = newValue
            if newValue.isEmpty {
                uv_poll_stop(base.poll)
            } else {
                uv_poll_start(base.poll, newValue.rawValue, Self.onPoll)
            }
        }
    }

    /// Ends the watch; the handler is not called again and is released. The descriptor may be closed right after.
    public func close() {
        base.handler = nil
        base.closeHandle()
    }

    private static let onPoll: uv_poll_cb = { handle, status, events in
        guard let data = handle?.pointee.data else { return }
        let poll = Unmanaged<Poll>.fromOpaque(data).takeUnretainedValue()
        guard status < 0 else {
            poll.handler?(Readiness(rawValue: events))
            return
        }
        // The descriptor has an error, which whoever reads it finds, after what arrived before it: a peer that is killed
        // leaves both. libuv has ended the watch; it goes on until the owner has read so far and closes it.
        poll.handler?([.readable, .disconnected])
        if !poll.isClosed, !poll.interest.isEmpty { uv_poll_start(poll.poll, poll.interest.rawValue, FDWatcher.onPoll) }
    }
}

/// A timer that fires once. Confined to its loop.
public final class LoopTimer {
    private let base: Timer

    private final class Timer: LoopHandle {
        var body: (() -> Void)?

        override func release() { body = nil }

        var timer: UnsafeMutablePointer<uv_timer_t> { memory.assumingMemoryBound(to: uv_timer_t.self) }
    }

    init(loop: EventLoop, delay: Duration, body: @escaping () -> Void) {
        base = Timer(loop: loop, type: UV_TIMER)
        uv_timer_init(loop.uv, base.timer)
        base.body = body
        base.own()
        // libuv's clock stands still during a turn; a delay counts from now.
        uv_update_time(loop.uv)
        uv_timer_start(base.timer, onTimer, delay.wholeMilliseconds, 0)
    }

    /// Stops the timer, if it has not fired, and releases its body.
    public func cancel() {
        base.body = nil
        base.closeHandle()
    }

    private let onTimer: uv_timer_cb = { handle in
        guard let data = handle?.pointee.data else { return }
        let timer = Unmanaged<Timer>.fromOpaque(data).takeUnretainedValue()
        let body = timer.body
        timer.body = nil
        timer.closeHandle()
        body?()
    }
}

extension Duration {
    /// The duration in milliseconds, rounded up; zero when it is negative.
    var wholeMilliseconds: UInt64 {
        let (seconds, attoseconds) = components
        if seconds < 0 || attoseconds < 0 { return 0 }
        let milliseconds = UInt64(attoseconds / 1_000_000_000_000_000)
        let rest = attoseconds % 1_000_000_000_000_000 > 0 ? 1 : 0 as UInt64
        let whole = UInt64(seconds).multipliedReportingOverflow(by: 1000)
        return whole.overflow ? .max / 2 : whole.partialValue + milliseconds + rest
    }
}

/// Calls back on a loop when the process gets a signal. Confined to its loop.
public final class SignalWatcher {
    private let base: Signal

    private final class Signal: LoopHandle {
        var handler: (() -> Void)?

        override func release() { handler = nil }

        var signal: UnsafeMutablePointer<uv_signal_t> { memory.assumingMemoryBound(to: uv_signal_t.self) }
    }

    /// Watches for `number`, such as SIGTERM.
    ///
    /// - Throws: `EventLoopError.system` when the signal cannot be caught (SIGKILL, SIGSTOP).
    public init(loop: EventLoop, signal number: Int32, _ handler: @escaping () -> Void) throws(EventLoopError) {
        loop.assertOnLoop()
        base = Signal(loop: loop, type: UV_SIGNAL)
        var failure = uv_signal_init(loop.uv, base.signal)
        guard failure == 0 else { throw .system(operation: "uv_signal_init", code: failure) }
        base.handler = handler
        base.own()
        failure = uv_signal_start(base.signal, onSignal, number)
        guard failure == 0 else {
            base.closeHandle()
            throw .system(operation: "uv_signal_start", code: failure)
        }
    }

    /// Gives the signal its default effect again.
    public func close() {
        base.handler = nil
        base.closeHandle()
    }

    private let onSignal: uv_signal_cb = { handle, _ in
        guard let data = handle?.pointee.data else { return }
        Unmanaged<Signal>.fromOpaque(data).takeUnretainedValue().handler?()
    }
}
