/// Guessing what somebody meant to type.
public enum Suggestion {
    /// The candidate nearest to a word, if it is near enough to be a slip: at most a third of the word's letters
    /// inserted, deleted, replaced or swapped, or one that the word begins.
    public static func closest(to word: String, among candidates: some Sequence<String>) -> String? {
        if let best = closest(to: word, among: candidates, limit: max(1, word.count / 3)) { return best }
        return word.count >= 3 ? candidates.first { $0.hasPrefix(word) } : nil
    }

    /// The candidate with the least distance to a word, the first of equals, if that is at most `limit`.
    public static func closest(to word: String, among candidates: some Sequence<String>, limit: Int) -> String? {
        var best: (candidate: String, distance: Int)?
        for candidate in candidates where abs(candidate.count - word.count) <= limit {
            let distance = distance(word, candidate)
            if distance <= limit, distance < best?.distance ?? .max { best = (candidate, distance) }
        }
        return best?.candidate
    }

    /// The optimal string alignment distance: insertions, deletions, replacements, swaps of neighbours.
    static func distance(_ a: String, _ b: String) -> Int {
        let a = Array(a)
        let b = Array(b)
        var before: [Int] = []
        var last = Array(0...b.count)
        for i in a.indices {
            var row = [i + 1]
            for j in b.indices {
                var cost = min(last[j] + (a[i] == b[j] ? 0 : 1), last[j + 1] + 1, row[j] + 1)
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { cost = min(cost, before[j - 1] + 1) }
                row.append(cost)
            }
            before = last
            last = row
        }
        return last[b.count]
    }
}
