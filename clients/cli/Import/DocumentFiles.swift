import Files
import Protobuf

/// Documents in files: one a .txt or .md file, one a line in a .jsonl file.
struct DocumentFiles {
    /// A document before it is sent.
    struct Document: Equatable {
        var title: String
        var content: String
        var source: String
        var language = ""
        var metadata = "{}"
    }

    private(set) var documents: [Document] = []
    /// What was left out, and why.
    private(set) var findings: [String] = []

    /// The most code points that the server takes in a document.
    static let longestContent = 400_000
    static let longestTitle = 1000

    /// Reads the files at the paths; of folders, those with a known extension.
    init(_ paths: [String]) throws {
        for path in paths {
            for file in try Files.walk(path) {
                switch file.split(separator: ".").last?.lowercased() {
                case "txt", "md", "markdown": try addText(file)
                case "jsonl", "ndjson": try addLines(file)
                default:
                    // In a folder, other files are none of our business; one that was named is.
                    if file == path { throw ImportProblem("\(file): not a .txt, .md or .jsonl file") }
                }
            }
        }
    }

    private mutating func addText(_ path: String) throws {
        guard let content = String(validating: try Files.read(path), as: UTF8.self) else {
            throw ImportProblem("\(path): not UTF-8")
        }
        add(Document(title: Self.title(of: content, path), content: content, source: path), at: path)
    }

    /// The first heading of a Markdown file, else the file's name without its extension.
    static func title(of content: String, _ path: String) -> String {
        if !path.hasSuffix(".txt"),
            let heading = content.split(separator: "\n").first(where: { $0.hasPrefix("# ") })
        {
            let title = SourceFile.collapsed(String(heading.dropFirst(2)))
            if !title.isEmpty { return title }
        }
        let name = Files.name(of: path)
        return name.lastIndex(of: ".").map { String(name[..<$0]) } ?? name
    }

    /// A line has `title` or `name`, `text` or `content`, and may have `id`, `source` or `url`, and `language`; whatever
    /// else it has is kept as metadata.
    private mutating func addLines(_ path: String) throws {
        for (line, value) in try SourceFile.lines(path, try Files.read(path)) {
            func text(_ names: String...) -> String? { names.lazy.compactMap { value[$0]?.text }.first }
            let content = text("text", "content", "body") ?? ""
            let id = text("id", "_id") ?? value["id"]?.integer.map { "\($0)" }
            var title = SourceFile.collapsed(text("title", "name") ?? "")
            if title.isEmpty { title = id ?? Self.beginning(of: content) }
            guard !title.isEmpty else { throw ImportProblem("\(path):\(line): neither a title nor a text") }
            let taken: Set = ["text", "content", "body", "title", "name", "source", "url", "language"]
            let rest = (value.members ?? []).filter { !taken.contains($0.key) }
            let source = text("source", "url") ?? "\(Files.name(of: path))#\(id ?? "\(line)")"
            add(
                Document(
                    title: title,
                    content: content,
                    source: source,
                    language: text("language") ?? "",
                    metadata: JSONValue.object(rest).written()
                ),
                at: "\(path):\(line)"
            )
        }
    }

    private static func beginning(of content: String) -> String {
        String(SourceFile.collapsed(String(content.prefix(200))).prefix(80))
    }

    private mutating func add(_ document: Document, at place: String) {
        let length = document.content.unicodeScalars.count
        if length > Self.longestContent {
            findings.append(
                "\(place): left out, \(length) characters are more than the \(Self.longestContent) of a document: split it"
            )
        } else if document.content.unicodeScalars.contains("\0") || document.title.unicodeScalars.contains("\0") {
            findings.append("\(place): left out, it holds a NUL character: is it a text?")
        } else {
            var document = document
            document.title = String(document.title.unicodeScalars.prefix(Self.longestTitle))
            documents.append(document)
        }
    }
}
