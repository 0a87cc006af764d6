internal import Domain
internal import Primitives
public import TrellisAPI

/// A document split into chunks whose words are counted: all that takes time and needs no database. Pure.
public struct PreparedDocument: Sendable {
    /// A piece of the content.
    struct Chunk: Sendable {
        var range: Range<Int>
        var text: String
        /// How often each word stands in the title and the text.
        var counts: [String: Int32]
    }

    let document: NewDocument
    let chunks: [Chunk]
    /// The SHA-256 of title and content, each after its length.
    let hash: [UInt8]

    /// Splits a document. One without content is a single empty chunk, found by its title.
    public init(_ document: NewDocument) {
        self.document = document
        var titleCounts: [String: Int32] = [:]
        WordCounts.add(Tokenizer.words(in: document.title)[...], to: &titleCounts)
        let text = Array(document.content.unicodeScalars)
        let words = Tokenizer.words(in: text)
        let ranges = text.isEmpty ? [0..<0] : Chunker.chunks(of: text, words: words)
        var rest = words[...]
        chunks = ranges.map { range in
            let own = rest.prefix { $0.range.lowerBound < range.upperBound }
            rest = rest.dropFirst(own.count)
            var counts = titleCounts
            WordCounts.add(own, to: &counts)
            return Chunk(range: range, text: String(String.UnicodeScalarView(text[range])), counts: counts)
        }
        var writer = PositionWriter()
        writer.write(document.title)
        writer.write(document.content)
        hash = SHA256.hash(writer.bytes)
    }

    /// How much there is to split: code points of the content. Above ``offloadCodePoints`` it belongs off the loop.
    public static func size(_ documents: [NewDocument]) -> Int {
        documents.reduce(0) { $0 + $1.content.unicodeScalars.count }
    }

    /// From this size on, splitting takes longer than a loop should be held: about a millisecond.
    public static let offloadCodePoints = 10_000
}
