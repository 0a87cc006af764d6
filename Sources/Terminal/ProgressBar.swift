/// How far a long piece of work is, on one line of the terminal's standard error, for work that takes over a second.
///
/// It shows nothing where standard error is no terminal, so that logs stay clean.
public struct ProgressBar {
    private let label: String
    private let total: Int
    private let unit: String
    private let shows: Bool
    private let started = ContinuousClock.now
    private var drawn: ContinuousClock.Instant?

    /// - Parameters:
    ///   - label: what is being done, such as `Importing`.
    ///   - total: how many units there are; 0 when that is not known.
    ///   - unit: what is counted, in the plural.
    public init(_ label: String, total: Int, unit: String) {
        self.label = label
        self.total = total
        self.unit = unit
        self.shows = Terminal.isInteractive(.error)
    }

    /// Says how many units are done. Draws at most ten times a second, and only after the first second.
    public mutating func update(_ done: Int) {
        let now = ContinuousClock.now
        guard shows, now - started > .seconds(1), drawn.map({ now - $0 > .milliseconds(100) }) ?? true else { return }
        drawn = now
        let seconds = Double((now - started).components.seconds) + 0.001
        let line = Self.line(
            label: label,
            done: done,
            total: total,
            unit: unit,
            perSecond: Double(done) / seconds,
            width: Terminal.width(.error) ?? 80
        )
        Terminal.write("\r\u{1B}[K\(line)", to: .error)
    }

    /// Removes the line. To be called however the work ended.
    public mutating func finish() {
        if drawn != nil { Terminal.write("\r\u{1B}[K", to: .error) }
        drawn = nil
    }

    /// One drawing of the bar, at most `width` columns wide.
    static func line(label: String, done: Int, total: Int, unit: String, perSecond: Double, width: Int) -> String {
        let rate = "\(Int(perSecond.rounded()))/s"
        guard total > 0 else { return DisplayWidth.truncated("\(label) \(done) \(unit) \(rate)", to: width) }
        let fraction = min(1, Double(done) / Double(total))
        let remaining = perSecond > 0 ? Int((Double(total - done) / perSecond).rounded(.up)) : 0
        let after =
            " \(Int(fraction * 100))% \(done)/\(total) \(unit) \(rate)"
            + (remaining > 0 ? ", \(remaining) s left" : "")
        let room = min(40, width - DisplayWidth.of(label) - DisplayWidth.of(after) - 4)
        guard room >= 10 else { return DisplayWidth.truncated(label + after, to: width) }
        let filled = Int(fraction * Double(room))
        return "\(label) [" + String(repeating: "#", count: filled)
            + String(repeating: ".", count: room - filled) + "]" + after
    }
}
