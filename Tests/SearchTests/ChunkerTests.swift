import Testing

@testable import Search

@Suite("Chunks of a document")
struct ChunkerTests {
    static func chunks(_ text: String) -> [Range<Int>] {
        let scalars = Array(text.unicodeScalars)
        return Chunker.chunks(of: scalars, words: Tokenizer.words(in: scalars))
    }

    static func texts(_ text: String) -> [String] {
        let scalars = Array(text.unicodeScalars)
        return chunks(text).map { String(String.UnicodeScalarView(scalars[$0])) }
    }

    static func sentence(_ words: Int, _ word: String = "word") -> String {
        Array(repeating: word, count: words).joined(separator: " ") + ". "
    }

    /// A text made of a seed: sentences, paragraphs, headings, long words, other scripts.
    static func text(seed: UInt64) -> String {
        var generator = SplitMix(state: seed)
        let parts = [
            "word ", "wort. ", "Ende!\n", "\n\n", "# Kopf\n", "😀", "水水。", "e\u{301} ", "x", "\r\n", " ", "...", "##",
        ]
        return (0..<Int.random(in: 0...3000, using: &generator))
            .map { _ in parts.randomElement(using: &generator) ?? "" }.joined()
    }

    @Test("they cover the text without a gap and none is too long", arguments: 0..<40)
    func partition(seed: UInt64) {
        let text = Self.text(seed: seed)
        let chunks = Self.chunks(text)
        #expect(Self.texts(text).joined().unicodeScalars.elementsEqual(text.unicodeScalars))
        for (left, right) in zip(chunks, chunks.dropFirst()) { #expect(left.upperBound == right.lowerBound) }
        #expect(chunks.allSatisfy { !$0.isEmpty })
        let words = Tokenizer.words(in: text)
        for chunk in chunks {
            #expect(words.count { chunk.contains($0.range.lowerBound) } <= SearchLimits.chunkWords)
        }
    }

    @Test("the same text is always split the same way")
    func deterministic() {
        let text = Self.text(seed: 7)
        #expect(Self.chunks(text) == Self.chunks(text))
    }

    @Test("a short text is one chunk, an empty one none")
    func short() {
        #expect(Self.chunks("") == [])
        #expect(Self.texts("One. Two.\n\nThree.") == ["One. Two.\n\nThree."])
    }

    @Test("a chunk ends between sentences where there is no better place")
    func sentences() {
        let text = Self.sentence(90) + Self.sentence(90) + Self.sentence(90)
        #expect(Self.texts(text) == [Self.sentence(90) + Self.sentence(90), Self.sentence(90)])
    }

    @Test("a heading begins a chunk when the one before can stand alone, and stays with its text")
    func headings() {
        let text = Self.sentence(60) + "\n# Two\n" + Self.sentence(60) + "\n# Three\n" + Self.sentence(5)
        let texts = Self.texts(text)
        #expect(texts.count == 3 && texts[1].hasPrefix("# Two\n") && texts[2].hasPrefix("# Three\n"))
        #expect(Self.texts("# A\nshort\n# B\nshort\n").count == 1)
    }

    @Test("a paragraph begins a chunk when the one before is nearly full")
    func paragraphs() {
        let texts = Self.texts(Self.sentence(160) + "\n\n" + Self.sentence(30))
        #expect(texts.count == 2 && texts[1].hasPrefix("word"))
        #expect(Self.texts(Self.sentence(100) + "\n\n" + Self.sentence(30)).count == 1)
    }

    @Test("a sentence without an end is cut before a word")
    func endless() {
        let texts = Self.texts(Array(repeating: "word", count: 450).joined(separator: " "))
        #expect(texts.count == 3 && texts.dropFirst().allSatisfy { $0.hasPrefix("word") })
    }
}

/// A generator of the same numbers for the same seed.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
        return value ^ (value >> 31)
    }
}
