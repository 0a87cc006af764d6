import Testing

@testable import Search

@Suite("Snippets")
struct SnippetTests {
    static func cut(_ text: String, _ words: String...) -> SnippetCut {
        SnippetCut(text, Tokenizer.words(in: text)) { words.contains($0.text) ? $0.text : nil }
    }

    /// The pieces of the snippet that its ranges name.
    static func matched(_ snippet: SnippetCut) -> [String] {
        let scalars = Array(snippet.text.unicodeScalars)
        return snippet.matches.map { String(String.UnicodeScalarView(scalars[$0])) }
    }

    @Test("a short text is its own snippet, and ranges name the words as they are written")
    func short() {
        let snippet = Self.cut("😀 L’énergie, Cafe\u{301} and ENERGIE!", "energie", "cafe")
        #expect(snippet.range == 0..<31)
        #expect(Self.matched(snippet) == ["énergie", "Cafe\u{301}", "ENERGIE"])
    }

    @Test("of a long text it is the part with the most different words, near its beginning")
    func long() {
        let filler = Array(repeating: "😀 filler", count: 100).joined(separator: " ")
        let text = "clean clean \(filler) affordable and clean energy here \(filler)"
        let snippet = Self.cut(text, "clean", "affordable", "energy")
        #expect(Self.matched(snippet) == ["affordable", "clean", "energy"])
        #expect(Tokenizer.words(in: snippet.text).count == SearchLimits.snippetWords)
        let scalars = Array(text.unicodeScalars)
        #expect(String(String.UnicodeScalarView(scalars[snippet.range])) == snippet.text)
    }

    @Test("a text that was found by its title alone shows its beginning")
    func without() {
        let text = Array(repeating: "filler", count: 100).joined(separator: " ")
        let snippet = Self.cut(text, "title")
        #expect(snippet.matches.isEmpty && snippet.range.lowerBound == 0 && text.hasPrefix(snippet.text))
        #expect(Self.cut("", "x").text == "")
    }

    @Test("the last words of a text fill a snippet too")
    func end() {
        let text = Array(repeating: "filler", count: 100).joined(separator: " ") + " goal."
        let snippet = Self.cut(text, "goal")
        #expect(snippet.text.hasSuffix(" goal.") && Self.matched(snippet) == ["goal"])
        #expect(Tokenizer.words(in: snippet.text).count == SearchLimits.snippetWords)
    }
}
