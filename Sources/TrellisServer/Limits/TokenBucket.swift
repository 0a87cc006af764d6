import Domain
import Synchronization

/// How fast a bucket fills, and how much it holds, as times.
struct Pace: Equatable, Sendable {
    /// The time in which a token comes, in nanoseconds.
    let interval: Int64
    /// The time in which an empty bucket fills, in nanoseconds.
    let capacity: Int64
    /// What the caller was promised, all servers together.
    let rate: Rates.Rate

    /// The pace of one of `share` servers that share a rate evenly. A burst is not shared: it is for a moment, in which
    /// a caller may well meet one server only.
    init(_ rate: Rates.Rate, share: Int) {
        self.rate = rate
        interval = max(1, 1_000_000_000 * Int64(share) / Int64(rate.perSecond))
        capacity = interval * Int64(rate.burst)
    }
}

/// A token bucket as one number (GCRA, the generic cell rate algorithm): when it will be full again. A token moves that
/// time by its interval; a time that lies further ahead than the capacity is an empty bucket. Any thread, without a
/// lock.
final class TokenBucket: Sendable {
    /// In nanoseconds of `EventLoop.now`; the past for a full bucket.
    private let fullAt = Atomic<Int64>(0)

    /// Takes a token.
    ///
    /// - Returns: 0 when there was one, or else in how many nanoseconds there will be.
    @inline(__always)
    func take(_ pace: Pace, at now: Int64) -> Int64 {
        var before = fullAt.load(ordering: .relaxed)
        while true {
            let after = max(before, now) &+ pace.interval
            let wait = after &- now &- pace.capacity
            if wait > 0 { return wait }
            let (isDone, current) = fullAt.weakCompareExchange(expected: before, desired: after, ordering: .relaxed)
            if isDone { return 0 }
            before = current
        }
    }

    /// Gives back a token that was taken and not used.
    func putBack(_ pace: Pace) { fullAt.wrappingSubtract(pace.interval, ordering: .relaxed) }

    /// Lets a bucket that was emptied at another pace wait no longer for a token than an empty one does at this pace.
    func adapt(to pace: Pace, at now: Int64) { fullAt.min(now + pace.capacity, ordering: .relaxed) }

    /// Whether it is as good as a new one.
    func isFull(at now: Int64) -> Bool { fullAt.load(ordering: .relaxed) <= now }
}
