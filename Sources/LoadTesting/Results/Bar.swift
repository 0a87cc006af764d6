internal import Terminal

/// A bar that a run must clear: `p99<5ms`, `Echo:p99.9<=20ms`, `rate>10000`, `errors<0.1%`.
struct Bar: Sendable, Equatable {
    /// What is measured.
    enum Metric: Sendable, Equatable {
        /// A quantile of the latency, from 0 to 1.
        case quantile(Double)
        case mean
        case maximum
        /// Calls a second.
        case rate
        /// Failed calls: how many.
        case errors
        /// What part of the calls failed.
        case errorPart
        /// Calls that were not sent, and those that did not end: how many.
        case unsent
    }

    enum Relation: String, Sendable, CaseIterable {
        // In the order in which they are looked for.
        case atMost = "<="
        case atLeast = ">="
        case below = "<"
        case above = ">"
    }

    let text: String
    /// The label of the calls that it is for; empty for all calls together.
    let name: String
    let metric: Metric
    let relation: Relation
    let value: Double

    static let expectation =
        "[CALL:]METRIC, <, <=, > or >=, and a value, such as p99<5ms, rate>10000, errors<0.1% or GetSite:p99.9<20ms; "
        + "metrics are p0 to p100, mean, max, rate, errors and unsent"

    init(_ text: String) throws(UsageError) {
        let wrong = UsageError("--bar: '\(text)' is not \(Self.expectation)")
        guard let relation = Relation.allCases.first(where: { text.contains($0.rawValue) }),
            let place = text.firstRange(of: relation.rawValue)
        else { throw wrong }
        let left = text[..<place.lowerBound].filter { $0 != " " }
        let right = text[place.upperBound...].filter { $0 != " " }
        let colon = left.lastIndex(of: ":")
        let metric = colon.map { String(left[left.index(after: $0)...]) } ?? left
        name = colon.map { String(left[..<$0]) } ?? ""
        self.text = text
        self.relation = relation
        switch metric {
        case "mean", "max":
            self.metric = metric == "mean" ? .mean : .maximum
            guard let time = DurationText.parse(right) else { throw wrong }
            value = Double(time)
        case "rate", "unsent":
            self.metric = metric == "rate" ? .rate : .unsent
            guard let number = Double(right), number.isFinite, number >= 0 else { throw wrong }
            value = number
        case "errors":
            let isPart = right.hasSuffix("%")
            self.metric = isPart ? .errorPart : .errors
            guard let number = Double(isPart ? String(right.dropLast()) : right), number.isFinite, number >= 0 else {
                throw wrong
            }
            value = isPart ? number / 100 : number
        default:
            guard metric.hasPrefix("p"), let percent = Double(metric.dropFirst()), 0...100 ~= percent,
                let time = DurationText.parse(right)
            else { throw wrong }
            self.metric = .quantile(percent / 100)
            value = Double(time)
        }
    }

    /// What became of a bar.
    struct Verdict: Sendable {
        let bar: Bar
        let isMet: Bool
        /// For people: the bar, the value, and by how much it was missed.
        let text: String
    }

    /// Holds a result to the bar.
    ///
    /// - Throws: `UsageError` when no calls have the name.
    func verdict(on result: RunResult) throws(UsageError) -> Verdict {
        var call = result.total
        if !name.isEmpty {
            let all = result.calls + result.flows
            guard let found = all.first(where: { $0.name == name }) else {
                throw UsageError(
                    "--bar: '\(text)' is for '\(name)', which there is not; there are "
                        + all.map(\.name).joined(separator: ", ")
                )
            }
            call = found
        }
        let measured: Double =
            switch metric {
            case .quantile(let quantile): Double(call.latency.value(atQuantile: quantile))
            case .mean: call.latency.mean
            case .maximum: Double(call.latency.maximum)
            case .rate: result.rate(call)
            case .errors: Double(call.failed)
            case .errorPart: call.errorPart
            case .unsent: Double(result.generator.unsent + result.generator.unfinished)
            }
        // Where nothing was measured, no bar on it is met, but those on counts, which are then what they are.
        let isCount = metric == .rate || metric == .errors || metric == .unsent
        guard call.calls > 0 || isCount else {
            return Verdict(bar: self, isMet: false, text: "\(text): MISSED, there were no calls")
        }
        let isMet =
            switch relation {
            case .below: measured < value
            case .atMost: measured <= value
            case .above: measured > value
            case .atLeast: measured >= value
            }
        if isMet { return Verdict(bar: self, isMet: true, text: "\(text): met, \(show(measured))") }
        let missed = abs(measured - value)
        let part = value > 0 ? " (\(NumberText.percent(missed / value)))" : ""
        return Verdict(bar: self, isMet: false, text: "\(text): MISSED, \(show(measured)), by \(show(missed))\(part)")
    }

    private func show(_ value: Double) -> String {
        switch metric {
        case .quantile, .mean, .maximum: DurationText.show(value)
        case .rate: NumberText.rate(value)
        case .errors, .unsent: NumberText.grouped(Int(value))
        case .errorPart: NumberText.percent(value)
        }
    }
}
