internal import Protobuf
internal import RPC
internal import Terminal

/// A result laid out for reading in a terminal.
struct TextReport {
    static let quantiles: [(name: String, value: Double)] = [
        ("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("p99.99", 0.9999),
    ]
    /// The most errors that are listed a call; all are in the JSON.
    private static let errorsShown = 5

    let result: RunResult
    var width: Int?
    var colours = false

    /// The lines of the report.
    func lines(verdicts: [Bar.Verdict] = []) -> [String] {
        var lines = head
        for finding in Finding.all(result) { lines += say(finding) }
        lines += [""] + callTable + errors
        lines += [""] + generatorLines
        if !verdicts.isEmpty {
            lines += ["", bold("Bars")]
            lines += verdicts.map { "  " + paint($0.text, $0.isMet ? 32 : 31) }
        }
        return lines
    }

    private func paint(_ text: String, _ colour: Int) -> String { colours ? "\u{1B}[\(colour)m\(text)\u{1B}[0m" : text }

    private func bold(_ text: String) -> String { paint(text, 1) }

    private var head: [String] {
        let total = result.total
        var lines = [""]
        for (key, value) in result.configuration where ["address", "load", "what"].contains(key) {
            lines.append(
                "  \(DisplayWidth.padded(key, to: 10))\(DisplayWidth.printable(value.text ?? value.written()))"
            )
        }
        lines.append(
            "  measured  \(NumberText.grouped(total.calls)) calls in \(NumberText.digits(result.seconds)) s, "
                + "\(NumberText.rate(result.rate(total))), \(NumberText.grouped(total.failed)) failed"
        )
        return lines
    }

    private func say(_ finding: Finding) -> [String] {
        let mark =
            switch finding.kind {
            case .saturated: "SATURATED"
            case .missing: "MISSING"
            case .note: "note"
            }
        let wrapped = DisplayWidth.wrapped(finding.text, to: min(width ?? 100, 120) - 14)
        return [""]
            + wrapped.enumerated().map { index, line in
                let first = DisplayWidth.padded(index == 0 ? mark : "", to: 10)
                return paint("  \(first)\(line)", finding.kind == .note ? 33 : 31)
            }
    }

    private var callTable: [String] {
        let title =
            result.isOpenLoop
            ? "Latency, from when a call was to begin" : "Latency, from when a call began (closed loop)"
        var table = TextTable(header: ["", "calls", "rate"] + Self.quantiles.map(\.name) + ["max", "failed"])
        func add(_ name: String, _ call: CallResult, _ histogram: Histogram, _ rate: String, _ failed: String) {
            table.add(
                [name, NumberText.grouped(histogram.count), rate]
                    + histogram.values(atQuantiles: Self.quantiles.map(\.value)).map(DurationText.show)
                    + [DurationText.show(histogram.maximum), failed]
            )
        }
        func add(_ call: CallResult, what: String = "") {
            let failed =
                call.failed == 0 ? "0" : "\(NumberText.grouped(call.failed)) (\(NumberText.percent(call.errorPart)))"
            add(what + call.name, call, call.latency, NumberText.rate(result.rate(call)), failed)
            if result.isOpenLoop { add("  service time", call, call.serviceTime, "", "") }
            if call.failed > 0 { add("  failed", call, call.failedLatency, "", "") }
            if call.messageLatency.count > 0 { add("  messages", call, call.messageLatency, "", "") }
        }
        for call in result.calls { add(call) }
        if result.calls.count > 1 { add(result.total) }
        for flow in result.flows { add(flow, what: "flow ") }
        return [bold(title)] + table.lines(width: width).map { "  " + $0 }
    }

    private var errors: [String] {
        var lines: [String] = []
        for call in result.calls {
            let failed = call.statuses.filter { $0.isError || $0.code != 0 }.sorted { $0.count > $1.count }
            guard !failed.isEmpty else { continue }
            lines += ["", bold("Statuses of \(call.name)")]
            for status in failed.prefix(Self.errorsShown) {
                let code = StatusCode(rawValue: status.code)?.name ?? "\(status.code)"
                let expected = status.isError ? "" : " (expected)"
                let line =
                    "  \(NumberText.grouped(status.count))  \(code)\(expected)  \(DisplayWidth.printable(status.message))"
                lines.append(width.map { DisplayWidth.truncated(line, to: $0) } ?? line)
            }
            if failed.count > Self.errorsShown { lines.append("  and \(failed.count - Self.errorsShown) more kinds") }
        }
        return lines
    }

    private var generatorLines: [String] {
        let total = result.total
        let generator = result.generator
        let busy = generator.threads.map { NumberText.percent($0) }.joined(separator: ", ")
        var lines = [
            "  messages   \(NumberText.grouped(total.sentMessages)) sent (\(NumberText.bytes(total.sentBytes))), "
                + "\(NumberText.grouped(total.receivedMessages)) received (\(NumberText.bytes(total.receivedBytes)))",
            "  generator  threads on a processor: \(busy); late p99 \(DurationText.show(generator.lag.value(atQuantile: 0.99)))"
                + ", max \(DurationText.show(generator.lag.maximum)); at most "
                + "\(NumberText.grouped(generator.highestInFlight)) under way",
        ]
        if !result.server.isEmpty {
            let samples = result.server.filter { $0.second <= result.seconds + result.intervalSeconds }
            let mean = samples.reduce(0) { $0 + $1.processors } / Double(max(1, samples.count))
            let highest = samples.map(\.residentBytes).max() ?? 0
            var line =
                "  server     \(NumberText.digits(mean)) processors in the mean, resident at most \(NumberText.bytes(highest))"
            let rate = result.rate(total)
            if rate > 0 { line += ", \(DurationText.show(mean / rate * 1e9)) of a processor a call" }
            lines.append(line)
        }
        return lines
    }
}
