import Protobuf
import TrellisAPI

/// A release of reference knowledge as its publisher's files say it, before it is sent.
struct ReferenceSource {
    typealias Kind = ConceptKind
    typealias Relation = EdgeKind

    /// What names a concept; `framework` is `nil` for one of the release itself.
    struct Key: Hashable, CustomStringConvertible {
        var framework: String?
        var kind: Kind
        var code: String

        var description: String {
            let name = kind.protoName.map { $0.dropFirst("CONCEPT_KIND_".count) } ?? "?"
            return (framework.map { "\($0) " } ?? "") + "\(name) \(code)"
        }
    }

    struct Concept {
        var key: Key
        var name: String
        var description = ""
        /// What else the publisher says.
        var attributes: [(key: String, value: JSONValue)] = []
        var parent: Key?
        /// The name in other languages.
        var labels: [(language: String, name: String)] = []
    }

    struct Edge: Hashable {
        var kind: Relation
        var source: Key
        var target: Key
    }

    var framework: String
    var version: String
    var title: String
    var licence: String
    var attribution: String
    var concepts: [Concept] = []
    var edges: [Edge] = []
    /// What is odd about the files and what was made of it, a sentence each.
    var findings: [String] = []

    /// Adds a concept; one that is there already is reported and left out.
    mutating func add(_ concept: Concept, in file: String) {
        if known.insert(concept.key).inserted {
            concepts.append(concept)
        } else {
            findings.append("\(file): \(concept.key) stands twice; the first one counts")
        }
    }

    /// Adds an edge; one that is there already says nothing new.
    mutating func add(_ edge: Edge) {
        if knownEdges.insert(edge).inserted { edges.append(edge) }
    }

    /// Whether a concept of this key has been added.
    func contains(_ key: Key) -> Bool { known.contains(key) }

    private var known: Set<Key> = []
    private var knownEdges: Set<Edge> = []

    init(framework: String, version: String, title: String, licence: String, attribution: String) {
        self.framework = framework
        self.version = version
        self.title = title
        self.licence = licence
        self.attribution = attribution
    }
}

/// A file that cannot be imported: which one, where in it, and why.
struct ImportProblem: Error, Equatable, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}

/// Reading the files of publishers.
enum SourceFile {
    /// The objects of a file with one JSON object a line.
    static func lines(_ path: String, _ bytes: [UInt8]) throws(ImportProblem) -> [(line: Int, value: JSONValue)] {
        var result: [(line: Int, value: JSONValue)] = []
        for (index, line) in bytes.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated() {
            if line.allSatisfy({ $0 == 0x20 || $0 == 0x0D || $0 == 0x09 }) { continue }
            let value = try json(line, at: "\(path):\(index + 1)")
            guard value.members != nil else {
                throw ImportProblem("\(path):\(index + 1): an object is expected, not \(value.kind)")
            }
            result.append((index + 1, value))
        }
        return result
    }

    /// One JSON value.
    ///
    /// - Parameter place: what to call the text in a message.
    static func json(_ bytes: some Sequence<UInt8>, at place: String) throws(ImportProblem) -> JSONValue {
        guard let text = String(validating: Array(bytes), as: UTF8.self) else {
            throw ImportProblem("\(place): not UTF-8")
        }
        do { return try JSONValue(parsing: text) } catch { throw ImportProblem("\(place): \(error)") }
    }

    /// A text that must be there.
    static func text(_ value: JSONValue, _ name: String, at place: String) throws(ImportProblem) -> String {
        guard let text = value[name]?.text.map(collapsed), !text.isEmpty else {
            throw ImportProblem("\(place): the text '\(name)' is missing")
        }
        return text
    }

    /// The text without white space at its ends and with single spaces within.
    static func collapsed(_ text: String) -> String {
        text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }

    /// A code made out of a name: lower-case letters and digits, words joined by hyphens, at most 128 characters.
    static func code(from name: String) -> String {
        let folded = name.lowercased().replacing("&", with: " and ")
        var words: [String] = [""]
        for scalar in folded.unicodeScalars {
            if scalar.isASCII && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil) {
                words[words.count - 1].unicodeScalars.append(scalar)
            } else if words.last != "" && scalar != "'" && scalar != "\u{2019}" {
                words.append("")
            }
        }
        return String(words.filter { !$0.isEmpty }.joined(separator: "-").prefix(128))
    }
}
