internal import CUV
internal import Synchronization

/// A fixed number of loops, each on a thread of its own.
public final class EventLoopGroup: Sendable {
    /// The loops, in the order in which connections are dealt out to them.
    public let loops: [EventLoop]
    private let turn = Atomic<Int>(0)

    /// Starts `count` loops (1 or more).
    ///
    /// - Throws: `EventLoopError.system` when a loop or its thread cannot be made; the ones made before are stopped.
    public init(count: Int, name: String = "loop") throws(EventLoopError) {
        precondition(count > 0, "a group has at least one loop")
        var loops: [EventLoop] = []
        do throws(EventLoopError) {
            for index in 0..<count { loops.append(try EventLoop.startThread(name: "\(name)-\(index)")) }
        } catch {
            for loop in loops { loop.stop() }
            for loop in loops { loop.join() }
            throw error
        }
        self.loops = loops
    }

    /// The next loop, round-robin. Any thread.
    public func next() -> EventLoop {
        loops[turn.wrappingAdd(1, ordering: .relaxed).oldValue % loops.count]
    }

    /// Stops all loops and waits for their threads. Not from one of them.
    public func shutdown() {
        for loop in loops { loop.stop() }
        for loop in loops { loop.join() }
    }
}

/// The number of processors that this process may run on: what the scheduler grants, not what the machine has.
public var availableProcessors: Int { Int(uv_available_parallelism()) }
