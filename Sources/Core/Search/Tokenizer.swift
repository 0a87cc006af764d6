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
        var run = Run()
        var position = 0
        for scalar in text {
            let kind = Kind(scalar)
            switch kind {
            case .none:
                run.end(position, &words)
            case .mark:
                // A mark without a letter before it belongs to no word.
                if !run.isEmpty { run.append(mark: scalar) }
            case .spaced, .unspaced:
                if !run.isEmpty, run.isUnspaced != (kind == .unspaced) { run.end(position, &words) }
                if run.isEmpty { run.begin(position, isUnspaced: kind == .unspaced) }
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

    /// The letters since the last gap.
    private struct Run {
        private(set) var isUnspaced = false
        private var start = 0
        /// The number of letters.
        private var count = 0
        /// The word so far, of a script with spaces.
        private var text = String.UnicodeScalarView()
        /// The letters one by one, of a script without, and how many code points each takes with its marks.
        private var letters: [String.UnicodeScalarView] = []
        private var lengths: [Int] = []

        var isEmpty: Bool { count == 0 }

        mutating func begin(_ position: Int, isUnspaced: Bool) {
            start = position
            self.isUnspaced = isUnspaced
        }

        mutating func append(letter: Unicode.Scalar) {
            count += 1
            if isUnspaced {
                var view = String.UnicodeScalarView()
                letter.fold(into: &view)
                letters.append(view)
                lengths.append(1)
            } else if count <= SearchLimits.wordCodePoints {
                letter.fold(into: &text)
            }
        }

        mutating func append(mark: Unicode.Scalar) {
            let isKept = !AccentFolding.isDropped(mark)
            if isUnspaced {
                lengths[lengths.count - 1] += 1
                if isKept { letters[letters.count - 1].append(mark) }
            } else if isKept, count <= SearchLimits.wordCodePoints {
                text.append(mark)
            }
        }

        /// Ends the run before `end` and adds what it is to the words.
        mutating func end(_ end: Int, _ words: inout [Word]) {
            guard count > 0 else { return }
            if isUnspaced {
                addPairs(end, &words)
            } else {
                words.append(Word(text: String(text), range: start..<end))
            }
            count = 0
            text.removeAll()
            letters.removeAll()
            lengths.removeAll()
        }

        private func addPairs(_ end: Int, _ words: inout [Word]) {
            guard letters.count > 1 else {
                words.append(Word(text: String(letters[0]), range: start..<end))
                return
            }
            var position = start
            for index in 0..<letters.count - 1 {
                let range = position..<position + lengths[index] + lengths[index + 1]
                words.append(Word(text: String(letters[index]) + String(letters[index + 1]), range: range))
                position += lengths[index]
            }
        }
    }
}

extension Unicode.Scalar {
    /// Adds the letter in lower case and without accents: one or more code points.
    fileprivate func fold(into text: inout String.UnicodeScalarView) {
        if isASCII {
            text.append((0x41...0x5a).contains(value) ? Unicode.Scalar(UInt8(value) + 0x20) : self)
            return
        }
        for lower in properties.lowercaseMapping.unicodeScalars where !AccentFolding.isDropped(lower) {
            if let folded = AccentFolding.folded(lower) {
                text.append(contentsOf: folded)
            } else {
                text.append(lower)
            }
        }
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
