import Testing

@testable import Search

@Suite("Words of a text")
struct TokenizerTests {
    static func texts(_ text: String) -> [String] { Tokenizer.words(in: text).map(\.text) }

    @Test("words are compared without case and accents, whether composed or not")
    func folding() {
        #expect(Self.texts("Educación de NIÑOS") == ["educacion", "de", "ninos"])
        #expect(Self.texts("cafe\u{301} CAFÉ") == ["cafe", "cafe"])
        #expect(Self.texts("Straße, Œuvre, ﬁnal, ＡＢ１") == ["strasse", "oeuvre", "final", "ab1"])
        #expect(Self.texts("Ёлка йод") == ["елка", "йод"])
        #expect(Self.texts("Ἀθῆναι") == ["αθηναι"])
        #expect(Self.texts("مُحَمَّد") == ["محمد"])
    }

    @Test("positions are code points of the text as it was given, whatever folding does to a word")
    func positions() {
        let words = Tokenizer.words(in: "😀 cafe\u{301}s — Straße 𝒳𝒴!")
        #expect(words.map(\.range) == [2..<8, 11..<17, 18..<20])
        #expect(words.map(\.text).prefix(2) == ["cafes", "strasse"])
        let text = Array("😀 cafe\u{301}s — Straße 𝒳𝒴!".unicodeScalars)
        #expect(String(String.UnicodeScalarView(text[words[1].range])) == "Straße")
    }

    @Test("apostrophes, hyphens and underscores end a word; digits belong to it")
    func boundaries() {
        #expect(
            Self.texts("l'eau company's well-being a_b OI4127 1.4.1") == [
                "l", "eau", "company", "s", "well", "being", "a", "b", "oi4127", "1", "4", "1",
            ]
        )
        #expect(Self.texts("") == [] && Self.texts(" .,\u{301}\n") == [])
    }

    @Test("scripts without spaces become overlapping pairs")
    func pairs() {
        let words = Tokenizer.words(in: "在全世界a水")
        #expect(words.map(\.text) == ["在全", "全世", "世界", "a", "水"])
        #expect(words.map(\.range) == [0..<2, 1..<3, 2..<4, 4..<5, 5..<6])
        #expect(Self.texts("カタカナ") == ["カタ", "タカ", "カナ"])
    }

    @Test("what is beyond the limit of a word is not compared, but belongs to it")
    func longWords() {
        let words = Tokenizer.words(in: String(repeating: "é", count: 200) + " x")
        #expect(words.map(\.text.count) == [SearchLimits.wordCodePoints, 1])
        #expect(words[0].range == 0..<200)
    }
}
