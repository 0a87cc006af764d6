import Protobuf
import Terminal
import Testing

@testable import LoadTesting

@Suite struct ResultTests {
    /// A result of so many intervals of 1 s, in each of which calls take about `latency`, give or take a tenth, and there are
    /// about `rate` of them.
    static func result(
        latency: Double,
        rate: Double,
        intervals: Int = 20,
        failed: UInt64 = 0,
        seed: UInt64,
        startedAt: Int64 = 1_000_000_000
    ) -> RunResult {
        var random = SplitMix64(seed: seed, lane: 0)
        var call = CallResult(name: "Echo", method: "/load.Test/Echo")
        for index in 0..<intervals {
            var histogram = Histogram()
            let shift = Double.random(in: 0.95...1.05, using: &random)
            let count = Int(rate * Double.random(in: 0.97...1.03, using: &random))
            for _ in 0..<count {
                histogram.record(UInt64(latency * shift * (0.9 + 0.1 * random.exponential())))
            }
            call.intervals.append(
                IntervalResult(index: index, calls: UInt64(count), failed: 0, latency: histogram.sparse)
            )
            call.calls += UInt64(count)
            call.latency.add(histogram)
            call.serviceTime.add(histogram)
        }
        call.endedWithin = call.calls
        call.failed = failed
        call.count(0, "", isError: false, times: call.calls - failed)
        if failed > 0 { call.count(14, "gone", isError: true, times: failed) }
        return RunResult(
            startedAt: startedAt,
            seconds: Double(intervals),
            intervalSeconds: 1,
            isOpenLoop: false,
            calls: [call]
        )
    }

    @Test func aResultIsReadBackAsItWasWritten() throws {
        var result = Self.result(latency: 1e6, rate: 500, failed: 7, seed: 1)
        result.configuration = [("address", .string("127.0.0.1:1"))]
        result.server = [ServerSample(second: 1.5, processors: 0.75, residentBytes: 1 << 30)]
        result.generator.threads = [0.25, 0.5]
        result.generator.lag.record(77)
        let text = result.json.written()
        let back = try RunResult(try JSONValue(parsing: text))
        #expect(back == result)
        #expect(back.json.written() == text)
    }

    @Test(arguments: [
        ("trellis-load/1", "trellis-load/2", "schema is \"trellis-load/2\""),
        ("\"calls\":[", "\"callz\":[", "calls is missing"),
        ("\"intervalSeconds\":1.0", "\"intervalSeconds\":0", "intervalSeconds"),
        ("\"failed\":7", "\"failed\":-7", "calls[0].failed"),
    ])
    func whatIsNoResultIsRefusedByName(_ what: String, _ with: String, _ expected: String) throws {
        let text = Self.result(latency: 1e6, rate: 50, failed: 7, seed: 1).json.written()
        guard let place = text.firstRange(of: what) else {
            Issue.record("the text has no \(what)")
            return
        }
        let changed = text[..<place.lowerBound] + with + text[place.upperBound...]
        let error = #expect(throws: UsageError.self) { try RunResult(try JSONValue(parsing: String(changed))) }
        #expect(error!.description.contains(expected))
    }

    @Test func runsAtOneTimeAddTheirRatesAndRunsAfterEachOtherTheirTimes() throws {
        let parts = (1...3).map { Self.result(latency: 1e6, rate: 200, seed: UInt64($0)) }
        let calls = parts.reduce(0) { $0 + $1.calls[0].calls }
        var whole = Histogram()
        for part in parts { whole.add(part.calls[0].latency) }

        let together = try RunResult.merged(parts)
        #expect(together.seconds == 20 && together.calls[0].calls == calls)
        #expect(together.calls[0].latency == whole)
        #expect(together.calls[0].intervals.count == 20)
        #expect(together.calls[0].intervals[4].calls == parts.reduce(0) { $0 + $1.calls[0].intervals[4].calls })
        #expect(together.rate(together.calls[0]) == Double(calls) / 20)

        let later = parts.enumerated().map { index, part in
            var part = part
            part.startedAt += Int64(index) * 60_000_000
            return part
        }
        let consecutive = try RunResult.merged(later)
        #expect(consecutive.seconds == 60 && consecutive.calls[0].calls == calls)
        #expect(consecutive.calls[0].latency == whole)
        #expect(consecutive.calls[0].intervals.map(\.index) == Array(0..<60))
        #expect(consecutive.rate(consecutive.calls[0]) == Double(calls) / 60)
        #expect(try RunResult.merged(later, mode: .together).seconds == 20)
    }

    @Test func resultsThatDoNotFitTogetherAreNotMerged() throws {
        let one = Self.result(latency: 1e6, rate: 20, seed: 1)
        var other = one
        other.intervalSeconds = 2
        #expect(throws: UsageError.self) { try RunResult.merged([one, other]) }
        other = one
        other.isOpenLoop = true
        #expect(throws: UsageError.self) { try RunResult.merged([one, other]) }
    }

    @Test(arguments: [
        ("p99<5ms", true), ("p50>5ms", false), ("max<=10s", true), ("mean<1ms", true), ("rate>90", true),
        ("rate>=1000", false), ("errors<0.1%", false), ("errors<=5%", true), ("errors<50", true),
        ("Echo:p99.9<20ms", true),
        ("Echo:rate<90", false), ("unsent<=0", true),
    ])
    func barsAreHeldAgainstTheResult(_ text: String, _ isMet: Bool) throws {
        let result = Self.result(latency: 5e5, rate: 100, failed: 40, seed: 1)
        let verdict = try Bar(text).verdict(on: result)
        #expect(verdict.isMet == isMet)
        #expect(isMet || verdict.text.contains("MISSED") && verdict.text.contains(", by "))
        #expect(ExitCode.of(result, [verdict], isStrict: false) == (isMet ? ExitCode.success : ExitCode.missedBar))
    }

    @Test(arguments: ["p99", "p99<5", "p101<5ms", "rate>x", "errors<x%", "q5<1ms", "<5ms", "rate=5"])
    func whatIsNoBarIsRefusedWithWhatWouldBeRight(_ text: String) {
        let error = #expect(throws: UsageError.self) { try Bar(text) }
        #expect(error!.description.contains("such as p99<5ms"))
    }

    @Test func aBarForCallsThatThereAreNotNamesThoseThatThereAre() throws {
        let result = Self.result(latency: 1e6, rate: 10, seed: 1)
        let error = #expect(throws: UsageError.self) { try Bar("Ecko:p50<1ms").verdict(on: result) }
        #expect(error!.description.contains("there are Echo"))
    }

    @Test func aBarOnNothingIsMissed() throws {
        var result = Self.result(latency: 1e6, rate: 10, seed: 1)
        result.calls[0] = CallResult(name: "Echo", method: "/load.Test/Echo")
        #expect(try !Bar("p99<1s").verdict(on: result).isMet)
        #expect(ExitCode.of(result, [], isStrict: false) == ExitCode.failure)
    }

    @Test func aChangeIsToldFromNoise() {
        let before = Self.result(latency: 1e6, rate: 200, seed: 1)
        let rows = Comparison.rows(
            before,
            Self.result(latency: 1.3e6, rate: 160, seed: 2),
            leastChange: 0.02,
            draws: 400
        )
        #expect(rows.map(\.figure.name) == ["rate", "p50", "p90", "p99", "p99.9"])
        #expect(rows[0].verdict == .worse && rows[1].verdict == .worse && rows[2].verdict == .worse)
        #expect(abs(rows[0].change + 0.2) < 0.05)
        #expect(rows[1].bounds!.contains(rows[1].change))
        let back = Comparison.rows(
            Self.result(latency: 1.3e6, rate: 160, seed: 2),
            before,
            leastChange: 0.02,
            draws: 400
        )
        #expect(back[0].verdict == .better && back[1].verdict == .better)
    }

    @Test func noiseIsNotTakenForAChange() {
        // Twenty pairs of runs that differ by chance only. At 99 % hardly one false alarm among the 40 figures is to be
        // expected; the intervals are few, so the bounds are a little too narrow.
        var alarms = 0
        for seed in 0..<20 as Range<UInt64> {
            let before = Self.result(latency: 1e6, rate: 50, seed: 2 * seed + 100)
            let after = Self.result(latency: 1e6, rate: 50, seed: 2 * seed + 101)
            alarms += Comparison.rows(before, after, leastChange: 0, draws: 300).prefix(2).count {
                $0.verdict != .noise
            }
        }
        #expect(alarms <= 4)
    }

    @Test func aSureChangeBelowWhatWasAskedForIsSmallAndAShortRunTellsNothing() {
        let before = Self.result(latency: 1e6, rate: 200, seed: 1)
        let after = Self.result(latency: 1.3e6, rate: 200, seed: 2)
        #expect(Comparison.rows(before, after, leastChange: 0.9, draws: 400)[1].verdict == .small)
        let short = Self.result(latency: 1e6, rate: 200, intervals: Comparison.intervalsMin - 1, seed: 1)
        #expect(Comparison.rows(short, after, leastChange: 0).allSatisfy { $0.verdict == .tooShort })
    }

    @Test func aGeneratorThatWasBusyAllTheTimeIsCalledSaturated() {
        var result = Self.result(latency: 1e6, rate: 100, seed: 1)
        #expect(Finding.all(result).isEmpty)
        result.generator.threads = [0.3, 0.97]
        #expect(Finding.all(result).map(\.kind) == [.saturated])
        #expect(ExitCode.of(result, [], isStrict: true) == ExitCode.saturated)
        #expect(ExitCode.of(result, [], isStrict: false) == ExitCode.success)
        let report = TextReport(result: result).lines().joined(separator: "\n")
        #expect(report.contains("SATURATED"))
    }

    @Test func moreMessagesOfErrorsThanAreKeptAreCountedTogether() {
        var call = CallResult(name: "x", method: "/x")
        for index in 0..<CallResult.messagesMax + 50 { call.count(2, "error \(index)", isError: true) }
        call.count(2, String(repeating: "y", count: 1000), isError: true)
        #expect(call.statuses.count == CallResult.messagesMax + 1)
        #expect(call.statuses.reduce(0) { $0 + $1.count } == UInt64(CallResult.messagesMax + 51))
        #expect(call.statuses.allSatisfy { $0.message.count <= CallResult.messageLength })
    }

    @Test func thePageCannotBeEndedByWhatAServerSays() throws {
        var result = Self.result(latency: 1e6, rate: 10, seed: 1)
        result.calls[0].count(2, "</script><script>alert(1)</script>", isError: true)
        let page = HTMLReport(result: result).page
        #expect(!page.contains("<script>alert"))
        #expect(!page.contains("src=") && !page.contains("href="))
    }

    @Test func theLiveViewHasALineAnInterval() {
        var histogram = Histogram()
        histogram.record(2_000_000)
        var plain = LiveView(intervalSeconds: 1, totalSeconds: 5, isTerminal: false, width: 100)
        let progress = Progress(interval: 0, calls: 10, failed: 1, unsent: 3, inFlight: 4, latency: histogram.sparse)
        let line = plain.text(progress)
        #expect(
            line == "1.00/5.00 s  10.0/s  in flight 4  p50 2.00 ms  p99 2.00 ms  p99.9 2.00 ms  failed 1  NOT SENT 3\n"
        )
        var terminal = LiveView(intervalSeconds: 1, totalSeconds: 5, isTerminal: true, width: 100)
        #expect(!terminal.text(progress).contains("\u{1B}"))
        #expect(terminal.text(progress).hasPrefix("\u{1B}[2A\u{1B}[J"))
    }

    @Test func aMetricsPageIsReadByName() throws {
        let page = "# HELP x\nprocess_cpu_seconds_total 12.5\nprocess_resident_memory_bytes 1.048576e+06\n"
        #expect(try ServerMonitor.reading(inPage: page) == .init(seconds: 12.5, residentBytes: 1 << 20))
        #expect(throws: UsageError.self) { try ServerMonitor.reading(inPage: "process_cpu_seconds_total x\n") }
        #expect(throws: UsageError.self) { try ServerMonitor(url: "https://x:1/") }
        #expect(try ServerMonitor(url: "http://[::1]:71").source == .metrics(host: "::1", port: 71, path: "/metrics"))
    }
}
