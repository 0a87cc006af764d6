import EventLoop
import Protobuf
import RPC
import RPCServer

/// What one loop counts of its calls, by method: how they ended and how long they took.
final class CallMetrics: @unchecked Sendable {
    // @unchecked: confined to its loop; others get copies of `counts`.

    /// The calls of one method.
    struct MethodCounts: Sendable {
        /// Calls by status code.
        var finished = [Int](repeating: 0, count: StatusCode.allCases.count)
        /// Calls by duration: how many took no longer than each bound of ``bounds``, and the rest in the last place.
        var durations = [Int](repeating: 0, count: CallMetrics.bounds.count + 1)
        /// All durations together, in nanoseconds.
        var total: UInt64 = 0

        /// Adds what another loop has counted.
        mutating func add(_ other: MethodCounts) {
            for index in finished.indices { finished[index] += other.finished[index] }
            for index in durations.indices { durations[index] += other.durations[index] }
            total += other.total
        }
    }

    /// The upper bounds of the buckets of durations, in nanoseconds, least first.
    static let bounds: [UInt64] = [
        100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000, 25_000_000, 50_000_000, 100_000_000,
        250_000_000, 500_000_000, 1_000_000_000, 2_500_000_000, 5_000_000_000, 10_000_000_000,
    ]

    /// By ``Route/index``.
    private(set) var counts: [MethodCounts] = []

    /// Calls that were more than a plan lets through, by whose limit it was and by class.
    private(set) var rateRefusals: [RateLimit.Label: Int] = [:]

    /// Counts a call that was more than a plan lets through.
    func refused(_ refusal: RateRefusal) { rateRefusals[refusal.limit.label, default: 0] += 1 }

    /// Makes room for the methods of a router.
    func prepare(methods: Int) { counts = [MethodCounts](repeating: MethodCounts(), count: methods) }

    /// Counts a call that has ended.
    func finished(method: Int, _ code: StatusCode, nanoseconds: UInt64) {
        counts[method].finished[code.rawValue] += 1
        counts[method].durations[Self.bucket(nanoseconds)] += 1
        counts[method].total += nanoseconds
    }

    /// The bucket of a duration.
    static func bucket(_ nanoseconds: UInt64) -> Int {
        var index = 0
        while index < bounds.count, nanoseconds > bounds[index] { index += 1 }
        return index
    }
}

/// Counts calls as they end.
struct CallCounter: CallObserver {
    let services: LoopServices

    func didFinish(_ context: ServerContext, _ status: Status) {
        services.metrics.finished(
            method: context.route.index,
            status.code,
            nanoseconds: context.loop.now - context.arrived
        )
    }
}
