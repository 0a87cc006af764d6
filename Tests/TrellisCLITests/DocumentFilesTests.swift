import Files
import Testing

@testable import trellis

@Suite struct DocumentFilesTests {
    let folder = "/tmp/trellis-documents-test-\(UInt64.random(in: 0 ... .max))"

    init() throws { try Files.makeFolder(folder, mode: 0o700) }

    @Test func readsTextsMarkdownAndLines() throws {
        try Files.writePrivately("# Returns \n\ntext", to: "\(folder)/a.md")
        try Files.writePrivately("# not a title", to: "\(folder)/b.txt")
        try Files.writePrivately(
            #"{"id":7,"title":"T","text":"x","year":1958}"# + "\n\n" + #"{"id":"8","title":"","text":"only text"}"#,
            to: "\(folder)/c.jsonl"
        )
        try Files.writePrivately("ignored", to: "\(folder)/d.png")
        let documents = try DocumentFiles([folder]).documents
        #expect(documents.map(\.title) == ["Returns", "b", "T", "8"])
        #expect(documents[2].metadata == #"{"id":7,"year":1958}"# && documents[2].source == "c.jsonl#7")
        #expect(documents[0].source == "\(folder)/a.md")
    }

    @Test func whatCannotBeADocumentIsReported() throws {
        try Files.writePrivately(String(repeating: "a", count: 400_001), to: "\(folder)/long.txt")
        try Files.writePrivately("a\0b", to: "\(folder)/nul.txt")
        let files = try DocumentFiles([folder])
        #expect(files.documents.isEmpty)
        #expect(files.findings.count == 2 && files.findings[0].contains("400001 characters are more than the 400000"))
        #expect(throws: ImportProblem("\(folder)/x.pdf: not a .txt, .md or .jsonl file")) {
            try Files.writePrivately("%PDF", to: "\(folder)/x.pdf")
            _ = try DocumentFiles(["\(folder)/x.pdf"])
        }
        #expect(throws: FileError.self) { try DocumentFiles(["\(folder)/missing.txt"]) }
    }
}
