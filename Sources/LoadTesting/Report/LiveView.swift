internal import Terminal

/// What a run is doing, while it does: one block that is drawn anew each interval in a terminal, a line each elsewhere.
struct LiveView {
    private static let bars = Array("▁▂▃▄▅▆▇█")
    /// How many intervals the sparkline shows.
    private static let history = 60

    let intervalSeconds: Double
    /// How long the measured time is; nil when it is not known.
    let totalSeconds: Double?
    let isTerminal: Bool
    let width: Int
    private var latencies: [UInt64] = []
    private var calls: UInt64 = 0
    private var failed: UInt64 = 0
    private var drawnLines = 0

    init(intervalSeconds: Double, totalSeconds: Double?, isTerminal: Bool, width: Int) {
        self.intervalSeconds = intervalSeconds
        self.totalSeconds = totalSeconds
        self.isTerminal = isTerminal
        self.width = width
    }

    /// What to write for one more interval.
    mutating func text(_ progress: Progress) -> String {
        calls += progress.calls
        failed += progress.failed
        let all = progress.latency.dense
        let values = all.values(atQuantiles: [0.5, 0.99, 0.999])
        latencies.append(values[1])
        if latencies.count > Self.history { latencies.removeFirst() }
        // What ends after the measured time is waited for, and has a line only if there was something.
        let isLate = totalSeconds.map { Double(progress.interval) * intervalSeconds >= $0 } ?? false
        if isLate, progress.calls == 0 { return "" }
        let second = NumberText.digits(Double(progress.interval + 1) * intervalSeconds)
        let of = totalSeconds.map { "/\(NumberText.digits($0))" } ?? ""
        var line =
            "\(second)\(of) s  \(NumberText.rate(Double(progress.calls) / intervalSeconds))"
            + "  in flight \(NumberText.grouped(progress.inFlight))  p50 \(DurationText.show(values[0]))"
            + "  p99 \(DurationText.show(values[1]))  p99.9 \(DurationText.show(values[2]))"
            + "  failed \(NumberText.grouped(isTerminal ? failed : progress.failed))"
        if progress.unsent > 0 { line += "  NOT SENT \(NumberText.grouped(progress.unsent))" }
        guard isTerminal else { return line + "\n" }
        let lines = [line, "p99 \(sparkline)  \(NumberText.grouped(calls)) calls"]
        defer { drawnLines = lines.count }
        return erase + lines.map { DisplayWidth.truncated($0, to: width - 1) + "\n" }.joined()
    }

    /// What removes the block.
    var erase: String { drawnLines > 0 ? "\u{1B}[\(drawnLines)A\u{1B}[J" : "" }

    /// The latencies as bars, the highest of them the tallest.
    var sparkline: String {
        let shown = latencies.suffix(max(10, width - 40))
        guard let highest = shown.max(), highest > 0 else { return "" }
        return String(
            shown.map { value in
                Self.bars[min(Self.bars.count - 1, Int(Double(value) / Double(highest) * Double(Self.bars.count)))]
            }
        )
    }
}
