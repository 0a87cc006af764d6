internal import Glibc
internal import Terminal

/// A stretch of a run in which a rate, or a number of users, stays or changes evenly.
struct Stage: Sendable, Equatable {
    /// The value at its begin.
    var from: Double
    /// The value at its end.
    var to: Double
    /// How long it is.
    var seconds: Double
}

/// How a rate, or a number of users, goes over the time of a run.
struct Stages: Sendable, Equatable {
    /// The highest rate a second, and number of users, that can be asked for.
    static let highestValue = 10_000_000.0

    private(set) var stages: [Stage]
    /// The sum of the values up to the begin of each stage: how many arrivals there were.
    private let before: [Double]
    /// When each stage begins, in seconds.
    private let begins: [Double]

    init(_ stages: [Stage]) {
        precondition(!stages.isEmpty, "a run has a stage at least")
        self.stages = stages
        var (sum, time) = (0.0, 0.0)
        var (before, begins) = ([Double](), [Double]())
        for stage in stages {
            before.append(sum)
            begins.append(time)
            sum += (stage.from + stage.to) / 2 * stage.seconds
            time += stage.seconds
        }
        self.before = before
        self.begins = begins
        total = sum
        seconds = time
    }

    /// How many arrivals there are in all, when the value is a rate a second.
    let total: Double
    /// How long all stages take.
    let seconds: Double
    /// The highest value.
    var highest: Double { stages.reduce(0) { max($0, $1.from, $1.to) } }

    /// With a time before the first stage at the value with which that begins.
    func preceded(bySeconds seconds: Double) -> Stages {
        guard seconds > 0, let first = stages.first else { return self }
        return Stages([Stage(from: first.from, to: first.from, seconds: seconds)] + stages)
    }

    /// The value at a time; after the end, what the last stage ended with.
    func value(at time: Double) -> Double {
        for (index, stage) in stages.enumerated() where time < begins[index] + stage.seconds {
            return stage.from + (stage.to - stage.from) * max(0, time - begins[index]) / stage.seconds
        }
        return stages.last?.to ?? 0
    }

    /// When so many arrivals have been, in seconds from the begin; nil when there are not as many.
    ///
    /// - Parameter stage: where to begin to look; becomes the stage in which it is.
    func time(ofArrival number: Double, from stage: inout Int) -> Double? {
        guard number < total else { return nil }
        while stage + 1 < stages.count, number >= before[stage + 1] { stage += 1 }
        let (current, rest) = (stages[stage], number - before[stage])
        guard rest > 0 else { return begins[stage] }
        // rest = from * t + slope / 2 * t^2, solved without taking the difference of near numbers.
        let slope = (current.to - current.from) / current.seconds
        let root = max(0, current.from * current.from + 2 * slope * rest).squareRoot()
        return begins[stage] + min(current.seconds, 2 * rest / (current.from + root))
    }

    /// Reads `100`, `100..500`, `100@30s` and `100..500@30s`.
    ///
    /// - Parameters:
    ///   - texts: a stage each.
    ///   - flag: the flag that they are values of, for messages.
    ///   - seconds: how long a stage is that does not say so itself; nil when each has to.
    static func parse(_ texts: [String], flag: String, seconds: Double?) throws(UsageError) -> Stages {
        var stages: [Stage] = []
        for text in texts {
            let parts = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
            let values: [Double?]
            if let range = parts[0].firstRange(of: "..") {
                values = [Double(parts[0][..<range.lowerBound]), Double(parts[0][range.upperBound...])]
            } else {
                values = [Double(parts[0])]
            }
            let numbers = values.compactMap { $0 }.filter { $0.isFinite && $0 >= 0 && $0 <= highestValue }
            guard numbers.count == values.count, let from = numbers.first, let to = numbers.last else {
                throw UsageError(
                    "--\(flag): '\(text)' is not a value from 0 to 10000000, such as 500, or 100..500 for a ramp, with "
                        + "@30s behind it for how long"
                )
            }
            var length = seconds
            if parts.count == 2 {
                guard let nanoseconds = DurationText.parse(parts[1]), nanoseconds > 0 else {
                    throw UsageError("--\(flag): '\(parts[1])' in '\(text)' is not \(DurationText.expectation)")
                }
                length = Double(nanoseconds) / 1e9
            }
            guard let length else {
                throw UsageError("--\(flag): '\(text)' does not say how long: \(text)@30s")
            }
            stages.append(Stage(from: from, to: to, seconds: length))
        }
        return Stages(stages)
    }

    /// As ``parse(_:flag:seconds:)`` reads it.
    var text: String {
        stages.map { stage in
            let ends = stage.from == stage.to ? [stage.from] : [stage.from, stage.to]
            let values = ends.map { $0 == $0.rounded() ? "\(Int($0))" : "\($0)" }.joined(separator: "..")
            return values + (stage.seconds.isFinite ? "@\(NumberText.digits(stage.seconds))s" : "")
        }.joined(separator: ", ")
    }
}

/// When calls are to be sent in open loop: times in nanoseconds from the begin, rising, decided before anything is sent and
/// so independent of how the server answers.
///
/// Each lane (a loop of a process) takes its share of one schedule: of evenly spaced arrivals each n-th; of Poisson arrivals
/// a Poisson process of an n-th of the rate, which add up to one.
struct Arrivals: Sendable {
    /// How arrivals follow each other.
    enum Spacing: String, Sendable, CaseIterable {
        /// Evenly.
        case constant
        /// At random, as those of many independent users: exponential gaps.
        case poisson
    }

    private let stages: Stages
    private let spacing: Spacing
    private let lanes: Double
    /// The number of the next arrival among those of all lanes.
    private var number: Double
    private var stage = 0
    private var random: SplitMix64

    init(_ stages: Stages, _ spacing: Spacing, lane: Int, lanes: Int, seed: UInt64) {
        self.stages = stages
        self.spacing = spacing
        self.lanes = Double(lanes)
        random = SplitMix64(seed: seed, lane: lane)
        number = Double(lane)
        if spacing == .poisson { number = random.exponential() * self.lanes }
    }

    /// The next arrival; nil when the schedule is over.
    mutating func next() -> UInt64? {
        guard let time = stages.time(ofArrival: number, from: &stage) else { return nil }
        number += spacing == .constant ? lanes : random.exponential() * lanes
        return UInt64(time * 1e9)
    }
}

/// A small random number generator whose sequence is known from its seed (Steele, Lea, Flood: Fast Splittable
/// Pseudorandom Number Generators, 2014): a run can be repeated.
struct SplitMix64: RandomNumberGenerator, Sendable {
    private var state: UInt64

    /// A sequence of its own for each lane.
    init(seed: UInt64, lane: Int) {
        state = seed
        // Far from the other lanes' states, which the generator itself would reach only after a long time.
        for _ in 0...(lane & 1023) { state = next() }
        state ^= UInt64(lane) << 32
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }

    /// A time between two events of a Poisson process of rate 1.
    mutating func exponential() -> Double { -log(1 - Double.random(in: 0..<1, using: &self)) }
}
