/// A histogram after Gil Tene's HdrHistogram: counts of nanoseconds, each value to three significant digits, from 1 ns to
/// more than an hour, with its lowest, highest and total value exact.
///
/// Values below 2048 ns have a slot each. Above, each doubling is divided into 1024 slots, so that a slot is at most a
/// thousandth of its values wide. Two histograms add up without loss.
public struct Histogram: Sendable, Equatable {
    /// The bits of a value that a slot distinguishes: 2^11 > 10^3, three digits.
    private static let bits = 11
    private static let half = 1 << (bits - 1)
    /// The longest time that is told from longer ones, in nanoseconds: 73 minutes.
    public static let highestTrackable: UInt64 = (1 << 42) - 1
    private static let slots = index(of: highestTrackable) + 1

    /// How many values there are.
    public private(set) var count: UInt64 = 0
    /// The lowest value; 0 when there is none.
    public var minimum: UInt64 { count == 0 ? 0 : lowest }
    /// The highest value; 0 when there is none.
    public private(set) var maximum: UInt64 = 0
    /// The sum of all values.
    public private(set) var sum: UInt64 = 0
    private var lowest = UInt64.max
    /// Made at the first value: most histograms of an interval stay empty.
    private var counts: [UInt64] = []

    /// An empty histogram.
    public init() {}

    /// The slot of a value.
    @inline(__always)
    static func index(of value: UInt64) -> Int {
        let shift = max(0, (UInt64.bitWidth - bits) - (value | 1).leadingZeroBitCount)
        return shift * half + Int(value >> UInt64(shift))
    }

    /// The lowest value of a slot.
    static func value(at index: Int) -> UInt64 {
        guard index >= 2 * half else { return UInt64(index) }
        let shift = index / half - 1
        return UInt64(index - shift * half) << UInt64(shift)
    }

    /// The highest value of a slot.
    private static func highest(at index: Int) -> UInt64 { value(at: index + 1) - 1 }

    /// Counts a value; one beyond ``highestTrackable`` goes to the last slot, and is exact in ``maximum`` and ``sum``.
    @inline(__always)
    mutating func record(_ value: UInt64) { record(value, times: 1) }

    /// Counts a value that occurred a number of times.
    mutating func record(_ value: UInt64, times: UInt64) {
        guard times > 0 else { return }
        if counts.isEmpty { counts = [UInt64](repeating: 0, count: Self.slots) }
        counts[min(Self.index(of: value), Self.slots - 1)] &+= times
        count &+= times
        sum &+= value &* times
        if value > maximum { maximum = value }
        if value < lowest { lowest = value }
    }

    /// Adds what another histogram counted.
    mutating func add(_ other: Histogram) {
        guard other.count > 0 else { return }
        if counts.isEmpty {
            self = other
            return
        }
        for index in Self.index(of: other.lowest)...Self.lastIndex(other.maximum) {
            counts[index] &+= other.counts[index]
        }
        take(other.count, other.sum, other.lowest, other.maximum)
    }

    /// Adds what a sparse histogram counted.
    mutating func add(_ other: SparseHistogram) {
        guard other.count > 0 else { return }
        if counts.isEmpty { counts = [UInt64](repeating: 0, count: Self.slots) }
        for slot in other.slots { counts[Int(slot.index)] &+= slot.count }
        take(other.count, other.sum, other.minimum, other.maximum)
    }

    private mutating func take(_ count: UInt64, _ sum: UInt64, _ lowest: UInt64, _ highest: UInt64) {
        self.count &+= count
        self.sum &+= sum
        self.lowest = min(self.lowest, lowest)
        maximum = max(maximum, highest)
    }

    /// Forgets all values and keeps the memory.
    mutating func removeAll() {
        guard count > 0 else { return }
        for index in Self.index(of: lowest)...Self.lastIndex(maximum) { counts[index] = 0 }
        (count, sum, lowest, maximum) = (0, 0, .max, 0)
    }

    private static func lastIndex(_ maximum: UInt64) -> Int { min(index(of: maximum), slots - 1) }

    /// The slots that are not empty.
    var sparse: SparseHistogram {
        guard count > 0 else { return SparseHistogram() }
        var found: [SparseHistogram.Slot] = []
        for index in Self.lastIndex(lowest)...Self.lastIndex(maximum) where counts[index] > 0 {
            found.append(.init(index: UInt32(index), count: counts[index]))
        }
        return SparseHistogram(slots: found, count: count, sum: sum, minimum: lowest, maximum: maximum)
    }

    /// The value that the given part of all values does not exceed, as the highest value of its slot but never more than
    /// the maximum; 0 when there is none.
    ///
    /// - Parameter quantile: from 0 to 1; 0.99 is the 99th percentile.
    public func value(atQuantile quantile: Double) -> UInt64 {
        values(atQuantiles: [quantile])[0]
    }

    /// The values at several quantiles in rising order, in one pass.
    public func values(atQuantiles quantiles: [Double]) -> [UInt64] {
        guard count > 0 else { return quantiles.map { _ in 0 } }
        var result: [UInt64] = []
        var index = Self.lastIndex(lowest)
        var seen = counts[index]
        for quantile in quantiles {
            let wanted = Self.rank(quantile, count)
            while seen < wanted {
                index += 1
                seen += counts[index]
            }
            let isLast = index == Self.slots - 1
            result.append(max(lowest, isLast ? maximum : min(maximum, Self.highest(at: index))))
        }
        return result
    }

    /// The number of values at or below the quantile: at least one. What rounding adds to a whole number is not counted
    /// as one more.
    private static func rank(_ quantile: Double, _ count: UInt64) -> UInt64 {
        let exact = min(max(quantile, 0), 1) * Double(count)
        return min(count, max(1, UInt64((exact - exact.ulp * 2).rounded(.up))))
    }

    /// The mean of all values; 0 when there is none.
    public var mean: Double { count == 0 ? 0 : Double(sum) / Double(count) }

    /// Whether both counted the same.
    public static func == (left: Histogram, right: Histogram) -> Bool { left.sparse == right.sparse }
}

/// A histogram as a list of the slots that are not empty, for keeping and for sending.
public struct SparseHistogram: Sendable, Equatable {
    struct Slot: Sendable, Equatable {
        var index: UInt32
        var count: UInt64
    }

    /// In rising order.
    private(set) var slots: [Slot] = []
    /// How many values there are.
    public private(set) var count: UInt64 = 0
    /// The sum of all values.
    public private(set) var sum: UInt64 = 0
    /// The lowest value; 0 when there is none.
    public private(set) var minimum: UInt64 = 0
    /// The highest value; 0 when there is none.
    public private(set) var maximum: UInt64 = 0

    init() {}

    init(slots: [Slot], count: UInt64, sum: UInt64, minimum: UInt64, maximum: UInt64) {
        self.slots = slots
        self.count = count
        self.sum = sum
        self.minimum = minimum
        self.maximum = maximum
    }

    /// All of it in a histogram.
    var dense: Histogram {
        var histogram = Histogram()
        histogram.add(self)
        return histogram
    }
}
