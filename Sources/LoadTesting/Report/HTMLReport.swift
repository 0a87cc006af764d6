internal import Protobuf
internal import RPC
internal import Terminal

/// A result as one page that needs nothing else: the figures as JSON in it, drawn by a script in it.
struct HTMLReport {
    let result: RunResult

    /// The page.
    var page: String {
        // "<" cannot end the script early, nor begin a comment in it.
        let data = view.written().replacing("<", with: "\\u003c")
        return HTMLPage.head + "<script type=\"application/json\" id=\"data\">" + data + "</script>" + HTMLPage.script
    }

    /// What the page shows: figures, not histograms.
    var view: JSONValue {
        .object([
            ("configuration", .object(result.configuration)),
            ("startedAt", result.json["startedAt"] ?? .null),
            ("seconds", .number("\(result.seconds)")), ("interval", .number("\(result.intervalSeconds)")),
            ("openLoop", .bool(result.isOpenLoop)),
            (
                "findings",
                .array(
                    Finding.all(result).map {
                        .object([("kind", .string($0.kind.rawValue)), ("text", .string($0.text))])
                    }
                )
            ),
            ("calls", .array(([result.total] + result.calls).map { view($0) })),
            ("flows", .array(result.flows.map { view($0) })),
            ("generator", generator), ("server", result.json["server"] ?? .array([])),
        ])
    }

    private var generator: JSONValue {
        let lag = result.generator.lag
        return .object([
            ("threads", .array(result.generator.threads.map { .number("\($0)") })),
            ("lagP99", .number("\(lag.value(atQuantile: 0.99))")), ("lagMax", .number("\(lag.maximum)")),
            ("scheduled", .number("\(result.generator.scheduled)")), ("unsent", .number("\(result.generator.unsent)")),
            ("highestInFlight", .number("\(result.generator.highestInFlight)")),
        ])
    }

    private static let quantiles = [0.5, 0.9, 0.99, 0.999, 0.9999]

    private func view(_ call: CallResult) -> JSONValue {
        let intervals = call.intervals.map { interval -> JSONValue in
            let values = interval.latency.dense.values(atQuantiles: [0.5, 0.9, 0.99, 1])
            return .array(
                [Int64(interval.index), Int64(interval.calls), Int64(interval.failed)].map { .number("\($0)") }
                    + values.map { .number("\($0)") }
            )
        }
        func quantiles(_ histogram: Histogram) -> JSONValue {
            .array((histogram.values(atQuantiles: Self.quantiles) + [histogram.maximum]).map { .number("\($0)") })
        }
        return .object([
            ("name", .string(call.name)), ("method", .string(call.method)),
            ("calls", .number("\(call.calls)")), ("failed", .number("\(call.failed)")),
            ("rate", .number("\(result.rate(call))")),
            ("sentBytes", .number("\(call.sentBytes)")), ("receivedBytes", .number("\(call.receivedBytes)")),
            ("latency", quantiles(call.latency)), ("serviceTime", quantiles(call.serviceTime)),
            ("messages", call.messageLatency.count > 0 ? quantiles(call.messageLatency) : .null),
            ("curve", curve(call.latency)), ("serviceCurve", curve(call.serviceTime)),
            ("intervals", .array(intervals)),
            (
                "statuses",
                .array(
                    call.statuses.sorted { $0.count > $1.count }.map { status in
                        .object([
                            ("code", .string(StatusCode(rawValue: status.code)?.name ?? "\(status.code)")),
                            ("message", .string(status.message)), ("isError", .bool(status.isError)),
                            ("count", .number("\(status.count)")),
                        ])
                    }
                )
            ),
        ])
    }

    /// Points of the percentile plot: 1 / (1 - quantile), and the value there, as far as the number of calls carries.
    private func curve(_ histogram: Histogram) -> JSONValue {
        guard histogram.count > 0 else { return .array([]) }
        var tails: [Double] = []
        var tail = 1.0
        while tail <= Double(histogram.count) {
            tails.append(tail)
            tail *= 1.1
        }
        tails.append(Double(histogram.count))
        let values = histogram.values(atQuantiles: tails.map { 1 - 1 / $0 })
        let points = Array(zip(tails, values)).dropLast() + [(Double(histogram.count), histogram.maximum)]
        return .array(points.map { .array([.number("\($0.0)"), .number("\($0.1)")]) })
    }
}
