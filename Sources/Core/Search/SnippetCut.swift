internal import TrellisAPI

/// The part of a text that shows best why it was found, and where the query's words are in it. Pure.
struct SnippetCut {
    /// The part, in code points of the text.
    let range: Range<Int>
    /// The query's words, in code points of the part.
    let matches: [Range<Int>]
    let text: String

    /// Cuts the part with the most different terms out of a text; with equally many, the one with the most words of the
    /// query; with equally many of these, the first. A short text is its own snippet.
    ///
    /// `words` are those of the text; `term` says which term of the query a word stands for, if any.
    init(_ body: String, _ words: [Tokenizer.Word], term: (Tokenizer.Word) -> String?) {
        let scalars = Array(body.unicodeScalars)
        let found = words.enumerated().compactMap { index, word in term(word).map { (index: index, term: $0) } }
        let window = Self.window(found, count: words.count)
        let start = window.lowerBound == 0 ? 0 : words[window.lowerBound].range.lowerBound
        let end = window.upperBound == words.count ? scalars.count : words[window.upperBound - 1].range.upperBound
        range = start..<end
        matches = found.filter { window.contains($0.index) }.map { match in
            let word = words[match.index].range
            return word.lowerBound - start..<word.upperBound - start
        }
        text = String(String.UnicodeScalarView(scalars[range]))
    }

    /// The best stretch of words.
    private static func window(_ found: [(index: Int, term: String)], count: Int) -> Range<Int> {
        guard count > SearchLimits.snippetWords else { return 0..<count }
        var best = (start: 0, terms: 0, words: 0)
        for (place, match) in found.enumerated() {
            let start = max(0, min(match.index - SearchLimits.snippetLead, count - SearchLimits.snippetWords))
            let within = found[place...].prefix { $0.index < start + SearchLimits.snippetWords }
            let (terms, words) = (Set(within.map(\.term)).count, within.count)
            if (terms, words) > (best.terms, best.words) { best = (start, terms, words) }
        }
        return best.start..<best.start + SearchLimits.snippetWords
    }

    /// The snippet of an answer.
    var message: Snippet {
        Snippet(
            text: text,
            range: TextRange(start: Int32(range.lowerBound), end: Int32(range.upperBound)),
            matches: matches.map { TextRange(start: Int32($0.lowerBound), end: Int32($0.upperBound)) }
        )
    }
}
