import Protobuf
import Testing

@testable import LoadTesting

@Suite struct HistogramTests {
    /// Values of all sizes, the same each time.
    static func values(_ count: Int, seed: UInt64) -> [UInt64] {
        var random = SplitMix64(seed: seed, lane: 0)
        return (0..<count).map { _ in random.next() >> UInt64.random(in: 22...60, using: &random) }
    }

    @Test func aSlotIsAtMostAThousandthOfItsValuesWide() {
        for value in Self.values(20_000, seed: 3) + [0, 1, 2047, 2048, 2049, 4095, 4096, Histogram.highestTrackable] {
            let index = Histogram.index(of: value)
            let low = Histogram.value(at: index)
            let next = Histogram.value(at: index + 1)
            #expect(low <= value && value < next)
            #expect(Double(next - low) <= max(1, Double(low) / 1000))
        }
    }

    @Test func quantilesAreThoseOfTheSortedValuesToThreeDigits() {
        let values = Self.values(10_000, seed: 5)
        var histogram = Histogram()
        for value in values { histogram.record(value) }
        let sorted = values.sorted()
        for quantile in [0, 0.001, 0.5, 0.9, 0.99, 0.999, 0.9999, 1] {
            let exact = sorted[max(1, Int((quantile * Double(sorted.count)).rounded(.up))) - 1]
            let found = histogram.value(atQuantile: quantile)
            #expect(found >= exact && Double(found) <= Double(exact) * 1.001 + 1, "\(quantile)")
        }
        #expect(histogram.minimum == sorted.first)
        #expect(histogram.maximum == sorted.last)
        #expect(histogram.sum == values.reduce(0, &+))
    }

    @Test func aWholeNumberOfValuesIsNotRoundedUp() {
        var histogram = Histogram()
        for value in 1...100 { histogram.record(UInt64(value)) }
        // 0.07 * 100 is a little more than 7 in floating point.
        #expect(histogram.values(atQuantiles: [0.07, 0.29, 0.57, 0.99, 1]) == [7, 29, 57, 99, 100])
    }

    @Test func aValueBeyondTheLastSlotStaysExactAsMaximumAndInTheSum() {
        var histogram = Histogram()
        histogram.record(5)
        histogram.record(1 << 50)
        #expect(histogram.maximum == 1 << 50)
        #expect(histogram.value(atQuantile: 1) == 1 << 50)
        #expect(histogram.sum == 5 + 1 << 50)
        #expect(histogram.sparse.dense == histogram)
    }

    @Test func mergingIsWhatRecordingAllInOneWouldHaveBeen() throws {
        let values = Self.values(9_000, seed: 7)
        var (all, merged) = (Histogram(), Histogram())
        for value in values { all.record(value) }
        for part in 0..<3 {
            var histogram = Histogram()
            for index in stride(from: part, to: values.count, by: 3) { histogram.record(values[index]) }
            // Through the form in which results are kept, for one of them.
            let json = JSONValue.object([("part", histogram.json)])
            if part == 1 {
                merged.add(try ResultReader(json, "").histogram("part"))
            } else {
                merged.add(histogram)
            }
        }
        #expect(merged == all)
        merged.removeAll()
        #expect(merged == Histogram())
        merged.add(all)
        #expect(merged == all)
    }

    @Test func anEmptyHistogramHasZeros() {
        let histogram = Histogram()
        #expect(histogram.values(atQuantiles: [0.5, 1]) == [0, 0])
        #expect(histogram.mean == 0 && histogram.minimum == 0 && histogram.maximum == 0)
    }

    @Test(arguments: [
        (#"{"count":1,"sum":5,"min":5,"max":5,"slots":[5]}"#, "slots"),
        (#"{"count":2,"sum":5,"min":5,"max":5,"slots":[5,1]}"#, "count"),
        (#"{"count":2,"sum":9,"min":4,"max":5,"slots":[5,1,4,1]}"#, "slots"),
        (#"{"count":1,"sum":9,"min":3001,"max":3001,"slots":[3001,1]}"#, "slots"),
        (#"{"count":1,"sum":9,"min":7,"max":5,"slots":[5,1]}"#, "min"),
    ])
    func whatIsNoHistogramIsRefusedByName(_ text: String, _ name: String) throws {
        let json = JSONValue.object([("latency", try JSONValue(parsing: text))])
        let error = #expect(throws: (any Error).self) { try ResultReader(json, "").histogram("latency") }
        #expect("\(error!)".contains("latency.\(name)"))
    }
}
