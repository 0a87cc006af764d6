/// Finds the words of a text, in the form in which they are compared and where they stand.
///
/// A word is a run of letters, digits and the marks on them; apostrophes and hyphens end it. Scripts that write without
/// spaces (Han, kana, Thai, Lao, Khmer, Burmese) are cut into pairs of neighbouring letters that overlap. The same text
/// always gives the same words; queries and contents go through here alike.
public enum Tokenizer {
    /// A word and where it stands.
    public struct Word: Equatable, Sendable {
        /// The word in lower case, without accents, at most ``SearchLimits/wordCodePoints`` long.
        public var text: String
        /// Where it stands in the text, in code points.
        public var range: Range<Int>
    }

    /// The words of a text, in its order.
    public static func words(in text: some Sequence<Unicode.Scalar>) -> [Word] {
        var words: [Word] = []
        var run = Run(start: 0, isUnspaced: false)
        var position = 0
        for scalar in text {
            switch Kind(scalar) {
            case .none:
                run.end(position, &words)
                run = Run(start: position + 1, isUnspaced: false)
            case .mark where run.isEmpty:
                run = Run(start: position + 1, isUnspaced: false)
            case .mark:
                run.append(mark: scalar)
            case .spaced, .unspaced:
                let isUnspaced = Kind(scalar) == .unspaced
                if isUnspaced != run.isUnspaced {
                    run.end(position, &words)
                    run = Run(start: position, isUnspaced: isUnspaced)
                }
                run.append(letter: scalar)
            }
            position += 1
        }
        run.end(position, &words)
        return words
    }

    /// The words of a text, in its order.
    public static func words(in text: String) -> [Word] { words(in: text.unicodeScalars) }

    /// What a code point is to words.
    private enum Kind {
        case none, mark, spaced, unspaced

        init(_ scalar: Unicode.Scalar) {
            if scalar.isASCII {
                switch scalar.value {
                case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: self = .spaced
                default: self = .none
                }
                return
            }
            switch scalar.value {
            // Thai, Lao; Burmese; Khmer; Hiragana and Katakana.
            case 0x0e00...0x0eff, 0x1000...0x109f, 0x1780...0x17ff, 0x3041...0x30ff, 0x31f0...0x31ff:
                self = scalar.properties.isAlphabetic || scalar.properties.numericType != nil ? .unspaced : .none
                if case .none = self, scalar.properties.generalCategory.isMark { self = .mark }
            default:
                let properties = scalar.properties
                if properties.isIdeographic {
                    self = .unspaced
                } else if properties.generalCategory.isMark || scalar.value == 0x0640 {
                    self = .mark
                } else if properties.isAlphabetic || properties.generalCategory == .decimalNumber {
                    self = .spaced
                } else {
                    self = .none
                }
            }
        }
    }

    /// The letters since the last gap, one piece for each that may begin a pair.
    private struct Run {
        let start: Int
        let isUnspaced: Bool
        private var letters: [String.UnicodeScalarView] = []
        private var lengths: [Int] = []

        init(start: Int, isUnspaced: Bool) {
            self.start = start
            self.isUnspaced = isUnspaced
        }

        var isEmpty: Bool { letters.isEmpty }

        mutating func append(letter: Unicode.Scalar) {
            letters.append(letter.comparable)
            lengths.append(1)
        }

        mutating func append(mark: Unicode.Scalar) {
            lengths[lengths.count - 1] += 1
            if !AccentFolding.isDropped(mark) { letters[letters.count - 1].append(mark) }
        }

        func end(_ end: Int, _ words: inout [Word]) {
            guard !isEmpty else { return }
            guard isUnspaced, letters.count > 1 else {
                words.append(Word(text: text(letters[...]), range: start..<end))
                return
            }
            var position = start
            for index in 0..<letters.count - 1 {
                let length = lengths[index] + lengths[index + 1]
                words.append(Word(text: text(letters[index...index + 1]), range: position..<position + length))
                position += lengths[index]
            }
        }

        private func text(_ letters: ArraySlice<String.UnicodeScalarView>) -> String {
            var text = String.UnicodeScalarView()
            for letter in letters.prefix(SearchLimits.wordCodePoints) { text.append(contentsOf: letter) }
            return String(text)
        }
    }
}

extension Unicode.Scalar {
    /// The letter in lower case and without accents: one or more code points.
    fileprivate var comparable: String.UnicodeScalarView {
        if isASCII {
            let lower = (0x41...0x5a).contains(value) ? Unicode.Scalar(UInt8(value) + 0x20) : self
            return String.UnicodeScalarView([lower])
        }
        var result = String.UnicodeScalarView()
        for lower in properties.lowercaseMapping.unicodeScalars where !AccentFolding.isDropped(lower) {
            if let folded = AccentFolding.folded(lower) {
                result.append(contentsOf: folded)
            } else {
                result.append(lower)
            }
        }
        return result
    }
}

extension Unicode.GeneralCategory {
    fileprivate var isMark: Bool {
        switch self {
        case .nonspacingMark, .spacingMark, .enclosingMark: true
        default: false
        }
    }
}
