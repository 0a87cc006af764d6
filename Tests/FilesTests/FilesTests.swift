import Files
import Glibc
import Testing

@Suite struct FilesTests {
    let folder: String

    init() throws {
        var template = Array("/tmp/trellis-files-XXXXXX".utf8CString)
        folder = String(cString: try #require(mkdtemp(&template)))
    }

    @Test func whatIsWrittenPrivatelyIsReadAgainAndForItsOwnerOnly() throws {
        let path = "\(folder)/secret"
        try Files.writePrivately("one", to: path)
        try Files.writePrivately("two", to: path)
        #expect(try Files.read(path) == Array("two".utf8))
        var status = stat()
        #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
        #expect(try Files.list(folder) == ["secret"], "nothing temporary is left")
    }

    @Test func walksFoldersInOrderWithoutHiddenFiles() throws {
        try Files.makeFolder("\(folder)/b/c", mode: 0o700)
        for name in ["b/c/2.txt", "a.txt", "b/1.txt", ".hidden"] {
            try Files.writePrivately("x", to: "\(folder)/\(name)")
        }
        #expect(try Files.walk(folder) == ["a.txt", "b/1.txt", "b/c/2.txt"].map { "\(folder)/\($0)" })
        #expect(try Files.walk("\(folder)/a.txt") == ["\(folder)/a.txt"])
    }

    @Test func anErrorNamesTheFileAndTheReason() {
        let error = #expect(throws: FileError.self) { try Files.read("\(folder)/nothing") }
        #expect(error?.description == "cannot read '\(folder)/nothing': No such file or directory")
        #expect(error?.isMissing == true)
        #expect(throws: FileError.self) { try Files.makeFolder("/proc/none/x", mode: 0o700) }
        #expect(throws: FileError.self) { try Files.walk("\(folder)/nothing") }
    }

    @Test func aPathHasANameAndAParent() {
        #expect(Files.name(of: "/a/b.txt") == "b.txt" && Files.parent(of: "/a/b.txt") == "/a")
        #expect(Files.parent(of: "b.txt") == "." && Files.parent(of: "/b") == "/")
    }
}
