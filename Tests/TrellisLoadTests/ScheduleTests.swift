import Terminal
import Testing

@testable import LoadTesting

@Suite struct ScheduleTests {
    private func arrivals(
        _ texts: [String],
        _ spacing: Arrivals.Spacing = .constant,
        lane: Int = 0,
        lanes: Int = 1
    ) throws -> [UInt64] {
        let stages = try Stages.parse(texts, flag: "rate", seconds: nil)
        var arrivals = Arrivals(stages, spacing, lane: lane, lanes: lanes, seed: 11)
        var times: [UInt64] = []
        while let time = arrivals.next() { times.append(time) }
        return times
    }

    @Test func constantArrivalsAreEvenlySpacedAndAsManyAsTheRateSays() throws {
        let times = try arrivals(["250@2s"])
        #expect(times.count == 500)
        for (index, time) in times.enumerated() { #expect(abs(Double(time) - Double(index) * 4e6) <= 1) }
    }

    @Test func aRampHasAsManyArrivalsAsTheAreaBelowItAndTheRateGrowsEvenly() throws {
        let times = try arrivals(["0..200@10s"])
        #expect(times.count == 1000)
        // Half of the time is a quarter of the arrivals.
        #expect(times.count { $0 < 5_000_000_000 } == 250)
        let down = try arrivals(["200..0@10s"])
        #expect(down.count == 1000)
        #expect(down.count { $0 < 5_000_000_000 } == 750)
    }

    @Test func stagesFollowEachOtherWithoutAGapOrADoubleArrival() throws {
        let times = try arrivals(["100@1s", "0@1s", "100..300@1s", "50@2s"])
        #expect(times.count == 100 + 0 + 200 + 100)
        #expect(times.count { $0 >= 1_000_000_000 && $0 < 2_000_000_000 } == 0)
        for (earlier, later) in zip(times, times.dropFirst()) { #expect(earlier < later) }
    }

    @Test(arguments: [1, 2, 3, 7]) func theLanesTogetherHaveTheOneSchedule(_ lanes: Int) throws {
        let texts = ["100..400@2s", "300@1s"]
        let together = try (0..<lanes).flatMap { try arrivals(texts, lane: $0, lanes: lanes) }.sorted()
        #expect(together == (try arrivals(texts)))
    }

    @Test func poissonArrivalsHaveTheRateAndGapsOfAPoissonProcess() throws {
        let lanes = try (0..<4).flatMap { try arrivals(["1000@20s"], .poisson, lane: $0, lanes: 4) }.sorted()
        // The count has a deviation of 141; five of them are never seen by chance.
        #expect(abs(lanes.count - 20_000) < 707)
        let gaps = zip(lanes, lanes.dropFirst()).map { Double($1 - $0) / 1e6 }
        let mean = gaps.reduce(0, +) / Double(gaps.count)
        let variance = gaps.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(gaps.count)
        // The deviation of an exponential distribution is its mean.
        #expect(abs(variance.squareRoot() / mean - 1) < 0.05)
        #expect(lanes == (try (0..<4).flatMap { try arrivals(["1000@20s"], .poisson, lane: $0, lanes: 4) }.sorted()))
    }

    @Test func theNumberOfUsersFollowsTheStages() throws {
        let stages = try Stages.parse(["10@2s", "10..30@4s", "5@1s"], flag: "users", seconds: nil)
        #expect(
            [0, 1.9, 2, 4, 5.99, 6, 6.9, 9].map { stages.value(at: $0).rounded() } == [10, 10, 10, 20, 30, 5, 5, 5]
        )
    }

    @Test(arguments: ["", "x", "-5", "5@", "5@10", "1..2..3@1s", "nan@1s", "5@0s", "1e9@1s", "..5@1s"])
    func whatIsNoStageIsRefusedWithWhatWouldBeRight(_ text: String) {
        let error = #expect(throws: UsageError.self) { try Stages.parse([text], flag: "rate", seconds: nil) }
        #expect(error!.description.hasPrefix("--rate: "))
    }

    @Test func lengthsOfTimeAreReadAndShown() {
        #expect(DurationText.parse("250us") == 250_000)
        #expect(DurationText.parse("1.5s") == 1_500_000_000)
        #expect(DurationText.parse("2m") == 120_000_000_000)
        for wrong in ["5", "s", "5 s", "-5s", "5d", "200h", "1.2.3s"] { #expect(DurationText.parse(wrong) == nil) }
        #expect(DurationText.show(999 as UInt64) == "999 ns")
        #expect(DurationText.show(1_234_567 as UInt64) == "1.23 ms")
        #expect(DurationText.show(999_999_999 as UInt64) == "1.00 s")
        #expect(NumberText.grouped(-1_234_567) == "-1,234,567")
        #expect(NumberText.fixed(-0.04, 1) == "0.0")
    }

    @Test func sharesAddUpToTheWhole() {
        for lanes in 1...9 {
            let shares = (0..<lanes).map { RunPlan.share(of: 100, lane: $0, lanes: lanes) }
            #expect(shares.reduce(0, +) == 100)
            #expect(shares.max()! - shares.min()! <= 1)
        }
    }

    @Test func flowsAreTakenByTheirWeights() {
        let chooser = FlowChooser([9, 0, 1])
        var random = SplitMix64(seed: 1, lane: 0)
        var counts = [0, 0, 0]
        for _ in 0..<100_000 { counts[chooser.choose(&random)] += 1 }
        #expect(counts[1] == 0)
        // The deviation is 95; five of them.
        #expect(abs(counts[2] - 10_000) < 475)
    }
}
