/// Splits a text into the pieces that searches find: one after the other without a gap, each of about
/// ``SearchLimits/chunkWords`` words, cut at headings where it can be, else between paragraphs, else between sentences.
///
/// It is a pure function of the text: the same text is always split the same way.
public enum Chunker {
    /// The pieces, as ranges of code points that together are the text; none for an empty text.
    public static func chunks(of text: [Unicode.Scalar], words: [Tokenizer.Word]) -> [Range<Int>] {
        guard !text.isEmpty else { return [] }
        let pieces = sentences(of: text, words)
        var chunks: [Range<Int>] = []
        var start = 0
        var count = 0
        for piece in pieces {
            if count > 0, isCut(before: piece, after: count) {
                chunks.append(start..<piece.range.lowerBound)
                start = piece.range.lowerBound
                count = 0
            }
            count += piece.words
        }
        chunks.append(start..<text.count)
        return chunks
    }

    /// What stands before a sentence.
    private enum Boundary {
        case sentence, paragraph, heading
    }

    /// A sentence with the white space after it.
    private struct Sentence {
        var range: Range<Int>
        var boundary: Boundary
        var words: Int
    }

    /// Whether a chunk that has `count` words ends before a sentence: when there is no room, or when the place is good
    /// and the chunk is long enough to stand alone.
    private static func isCut(before sentence: Sentence, after count: Int) -> Bool {
        if count + sentence.words > SearchLimits.chunkWords { return true }
        return switch sentence.boundary {
        case .heading: count >= SearchLimits.chunkWords / 4
        case .paragraph: count >= SearchLimits.chunkWords * 3 / 4
        case .sentence: false
        }
    }

    /// Cuts a text into sentences; a heading is one, and so is a piece of a sentence that is too long.
    private static func sentences(of text: [Unicode.Scalar], _ words: [Tokenizer.Word]) -> [Sentence] {
        var sentences: [Sentence] = []
        var start = 0
        var boundary = isHeading(text, at: 0) ? Boundary.heading : .paragraph
        var word = 0
        func close(_ end: Int, _ next: Boundary) {
            guard end > start else { return }
            let first = word
            while word < words.count, words[word].range.lowerBound < end { word += 1 }
            append(start..<end, boundary, words[first..<word], to: &sentences)
            start = end
            boundary = next
        }
        var index = 0
        while index < text.count {
            let scalar = text[index]
            index += 1
            if scalar.isLineEnd {
                var ends = 1
                while index < text.count, text[index].properties.isWhitespace {
                    ends += text[index].isLineEnd ? 1 : 0
                    index += 1
                }
                if isHeading(text, at: index) {
                    close(index, .heading)
                } else if ends > 1 || boundary == .heading {
                    close(index, .paragraph)
                }
            } else if scalar.endsSentence(before: index < text.count ? text[index] : nil) {
                while index < text.count, text[index].properties.isWhitespace, !text[index].isLineEnd { index += 1 }
                close(index, .sentence)
            }
        }
        close(text.count, .sentence)
        return sentences
    }

    /// Adds a sentence; one that is too long in several parts, cut before words.
    private static func append(
        _ range: Range<Int>,
        _ boundary: Boundary,
        _ words: ArraySlice<Tokenizer.Word>,
        to sentences: inout [Sentence]
    ) {
        var range = range
        var boundary = boundary
        var words = words
        while words.count > SearchLimits.sentenceWords {
            let cut = words[words.startIndex + SearchLimits.sentenceWords].range.lowerBound
            let part = Sentence(range: range.lowerBound..<cut, boundary: boundary, words: SearchLimits.sentenceWords)
            sentences.append(part)
            range = cut..<range.upperBound
            boundary = .sentence
            words = words.dropFirst(SearchLimits.sentenceWords)
        }
        sentences.append(Sentence(range: range, boundary: boundary, words: words.count))
    }

    /// Whether a line that begins at `index` is a heading: one to six # and a space, as in Markdown.
    private static func isHeading(_ text: [Unicode.Scalar], at index: Int) -> Bool {
        var end = index
        while end < text.count, text[end] == "#" { end += 1 }
        return (1...6).contains(end - index) && end < text.count && text[end] == " "
    }
}

extension Unicode.Scalar {
    /// Whether a line ends here; of CR LF, at the LF.
    fileprivate var isLineEnd: Bool {
        switch value {
        case 0x0a, 0x0b, 0x0c, 0x85, 0x2028, 0x2029: true
        default: false
        }
    }

    /// Whether a sentence ends with this code point: a full stop and its like before white space, those of East Asia
    /// before anything.
    fileprivate func endsSentence(before next: Unicode.Scalar?) -> Bool {
        switch self {
        case "。", "！", "？": true
        case ".", "!", "?", "…", "؟", "।": next?.properties.isWhitespace ?? true
        default: false
        }
    }
}
