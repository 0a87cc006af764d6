/// What changed between two results, each figure with what chance alone would do.
///
/// The noise is that between the intervals of each run: intervals are drawn anew from each run, with replacement, the figure
/// is made of what was drawn (percentiles of the merged histograms, never means of percentiles), and the difference of the
/// two is taken; 2000 times (the bootstrap of Efron, 1979, with intervals as blocks). A difference counts when zero lies
/// outside of the middle 99 % of these and it is as large as asked for.
struct Comparison {
    /// How often intervals are drawn.
    static let draws = 2000
    /// What part of the drawn differences the bounds of the noise enclose.
    static let confidence = 0.99
    /// The least intervals of a run from which noise can be told.
    static let intervalsMin = 8

    /// A figure of a call.
    enum Figure: Sendable, Equatable {
        case rate
        case quantile(Double, name: String)

        var name: String {
            switch self {
            case .rate: "rate"
            case .quantile(_, let name): name
            }
        }
    }

    /// What can be said of a figure.
    enum Verdict: String, Sendable {
        case better
        case worse
        /// The difference cannot be told from noise.
        case noise
        /// It can, but is smaller than what was asked for.
        case small
        /// Too few intervals.
        case tooShort
    }

    /// A figure in both results.
    struct Row: Sendable {
        let call: String
        let figure: Figure
        let before: Double
        let after: Double
        /// The bounds of the change, as parts of the value before; nil when they cannot be told.
        let bounds: ClosedRange<Double>?
        let verdict: Verdict

        /// The change as a part of the value before.
        var change: Double { before > 0 ? after / before - 1 : 0 }
    }

    static let figures: [Figure] =
        [.rate] + [(0.5, "p50"), (0.9, "p90"), (0.99, "p99"), (0.999, "p99.9")].map { .quantile($0.0, name: $0.1) }

    /// All figures of the calls that both results have.
    ///
    /// - Parameter leastChange: differences below this part of the value before do not count, however sure they are.
    static func rows(_ before: RunResult, _ after: RunResult, leastChange: Double, draws: Int = draws) -> [Row] {
        (before.calls + before.flows).flatMap { old -> [Row] in
            let all = after.calls + after.flows
            guard let new = all.first(where: { $0.name == old.name && $0.method == old.method }) else { return [] }
            return rows(old, before, new, after, leastChange, draws)
        }
    }

    private static func rows(
        _ old: CallResult,
        _ before: RunResult,
        _ new: CallResult,
        _ after: RunResult,
        _ leastChange: Double,
        _ draws: Int
    ) -> [Row] {
        let quantiles = figures.compactMap { figure -> Double? in
            if case .quantile(let value, _) = figure { value } else { nil }
        }
        let values = [(old, before), (new, after)].map { call, result in
            [result.rate(call)] + call.latency.values(atQuantiles: quantiles).map { Double($0) }
        }
        let drawn = drawn(Sample(old, before), Sample(new, after), quantiles, draws)
        return figures.indices.map { index in
            let (was, now) = (values[0][index], values[1][index])
            var bounds: ClosedRange<Double>?
            if let drawn, was > 0 {
                let sorted = drawn[index].sorted()
                let cut = Int(Double(sorted.count) * (1 - confidence) / 2)
                bounds = sorted[cut]...sorted[sorted.count - 1 - cut]
            }
            let change = was > 0 ? now / was - 1 : 0
            let isHigherBetter = figures[index] == .rate
            let verdict: Verdict =
                if let bounds {
                    bounds.contains(0)
                        ? .noise
                        : abs(change) < leastChange ? .small : (change > 0) == isHigherBetter ? .better : .worse
                } else {
                    .tooShort
                }
            return Row(
                call: old.name,
                figure: figures[index],
                before: was,
                after: now,
                bounds: bounds,
                verdict: verdict
            )
        }
    }

    /// The whole intervals of a call within the measured time; those in which it had no calls count, too.
    private struct Sample {
        var intervals: [SparseHistogram] = []
        let seconds: Double

        init(_ call: CallResult, _ result: RunResult) {
            seconds = result.intervalSeconds
            let whole = Int((result.seconds / result.intervalSeconds + 1e-6).rounded(.down))
            guard whole > 0, whole < 10_000_000 else { return }
            intervals = [SparseHistogram](repeating: SparseHistogram(), count: whole)
            for interval in call.intervals where interval.index < whole {
                intervals[interval.index] = interval.latency
            }
        }
    }

    /// The relative differences of each figure in all draws.
    private static func drawn(
        _ old: Sample,
        _ new: Sample,
        _ quantiles: [Double],
        _ draws: Int
    ) -> [[Double]]? {
        guard min(old.intervals.count, new.intervals.count) >= intervalsMin else { return nil }
        var random = SplitMix64(seed: 1, lane: 0)
        var result = [[Double]](repeating: [], count: quantiles.count + 1)
        var histogram = Histogram()
        func draw(_ sample: Sample, _ random: inout SplitMix64) -> [Double] {
            histogram.removeAll()
            for _ in sample.intervals.indices {
                histogram.add(sample.intervals[Int.random(in: sample.intervals.indices, using: &random)])
            }
            let rate = Double(histogram.count) / (Double(sample.intervals.count) * sample.seconds)
            return [rate] + histogram.values(atQuantiles: quantiles).map { Double($0) }
        }
        for _ in 0..<draws {
            let (was, now) = (draw(old, &random), draw(new, &random))
            for index in was.indices { result[index].append(was[index] > 0 ? now[index] / was[index] - 1 : 0) }
        }
        return result
    }
}
