import Terminal

/// The spellings of one thing in a column of data that many people typed.
///
/// Values that differ in case, in "&" against "and" or in spaces are one; so is a value that is rare and nearly the same
/// as one that is ten times as frequent. Nothing is known in advance about the values.
struct Spellings {
    /// What each value that occurs is read as.
    private(set) var readings: [String: String] = [:]
    private var counts: [String: Int] = [:]

    /// - Parameter values: every value of the column, as often as it occurs.
    init(_ values: [String]) {
        for value in values where !value.isEmpty { counts[value, default: 0] += 1 }
        // The most frequent spelling of each group stands for it; of equals, the first in the alphabet.
        let groups = Dictionary(grouping: counts.keys, by: Self.folded)
        var total: [String: Int] = [:]
        for (_, spellings) in groups {
            let best = spellings.min { (-counts[$0, default: 0], $0) < (-counts[$1, default: 0], $1) } ?? ""
            total[best] = spellings.reduce(0) { $0 + counts[$1, default: 0] }
            for spelling in spellings { readings[spelling] = best }
        }
        for (rare, count) in total {
            let frequent = total.filter { $0.value >= 10 * count }.map(\.key).sorted()
            guard rare.count >= 8, let near = Suggestion.closest(to: rare, among: frequent, limit: 2) else { continue }
            for (spelling, reading) in readings where reading == rare { readings[spelling] = near }
        }
    }

    /// What a value is read as; itself when it is not in the column.
    subscript(_ value: String) -> String { readings[value] ?? value }

    /// Every value that is read as another, with how often it occurs, in alphabetical order.
    var corrections: [(value: String, reading: String, count: Int)] {
        readings.filter { $0.key != $0.value }.sorted { $0.key < $1.key }
            .map { ($0.key, $0.value, counts[$0.key, default: 0]) }
    }

    /// A value without what people vary: case, "&", spaces.
    static func folded(_ value: String) -> String {
        SourceFile.collapsed(value.lowercased().replacing("&", with: " and "))
    }
}
