private import Glibc

/// Why the system refused something about a file or folder.
public struct FileError: Error, Equatable, CustomStringConvertible {
    /// What was tried, such as "read".
    public let action: String
    /// The file or folder.
    public let path: String
    /// The system's number, as in `errno`.
    public let code: Int32

    /// Whether there is no such file.
    public var isMissing: Bool { code == ENOENT }

    /// The system's words for it.
    public var reason: String { String(cString: strerror(code)) }

    /// All of it in one phrase.
    public var description: String { "cannot \(action) '\(path)': \(reason)" }

    init(_ action: String, _ path: String, code: Int32 = errno) {
        self.action = action
        self.path = path
        self.code = code
    }
}

/// Whole files, for programs that do not link Foundation. Every call blocks: not for an event loop's thread.
public enum Files {
    /// The content of a file.
    public static func read(_ path: String) throws(FileError) -> [UInt8] {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw FileError("read", path) }
        defer { close(file) }
        return try read(descriptor: file, name: path)
    }

    /// What is left of standard input.
    public static func readStandardInput() throws(FileError) -> [UInt8] { try read(descriptor: 0, name: "-") }

    private static func read(descriptor: Int32, name: String) throws(FileError) -> [UInt8] {
        var content: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = chunk.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw FileError("read", name) }
            if count == 0 { return content }
            content += chunk[..<count]
        }
    }

    /// Writes a file for its owner only (0600), whole or not at all: into a new file beside it, which is flushed to the
    /// disk and then takes the name. A crash at any point leaves the old content or the new one.
    public static func writePrivately(_ content: String, to path: String) throws(FileError) {
        let temporary = path + ".new"
        let file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw FileError("write", temporary) }
        do throws(FileError) {
            var bytes = Array(content.utf8)[...]
            while !bytes.isEmpty {
                let count = bytes.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
                if count < 0 && errno == EINTR { continue }
                guard count >= 0 else { throw FileError("write", temporary) }
                bytes = bytes.dropFirst(count)
            }
            // A file of that name that a crash left behind may have had a wider mode.
            guard fchmod(file, 0o600) == 0, fsync(file) == 0 else { throw FileError("write", temporary) }
        } catch {
            close(file)
            unlink(temporary)
            throw error
        }
        guard close(file) == 0, rename(temporary, path) == 0 else { throw FileError("write", path) }
        // The name is in the folder, which is flushed too; a file system that cannot is no reason to fail.
        let folder = open(parent(of: path), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        if folder >= 0 {
            fsync(folder)
            close(folder)
        }
    }

    /// Makes a folder and those above it that are missing.
    ///
    /// - Parameter mode: the permissions of what is made, before the process's umask.
    public static func makeFolder(_ path: String, mode: UInt32) throws(FileError) {
        var made = ""
        for part in path.split(separator: "/") {
            made += (made.isEmpty && !path.hasPrefix("/") ? "" : "/") + part
            if mkdir(made, mode) != 0 && !isFolder(made) { throw FileError("make the folder", made) }
        }
    }

    /// Whether the path leads to a folder.
    public static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// Whether the path leads to anything.
    public static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// The names in a folder in alphabetical order, hidden ones left out.
    public static func list(_ path: String) throws(FileError) -> [String] {
        guard let folder = opendir(path) else { throw FileError("list", path) }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names.sorted()
    }

    /// The files at a path: itself, or those in the folder and the folders in it, in alphabetical order.
    public static func walk(_ path: String) throws(FileError) -> [String] {
        guard isFolder(path) else {
            if !exists(path) { throw FileError("read", path, code: ENOENT) }
            return [path]
        }
        var files: [String] = []
        for name in try list(path) { files += try walk(path.hasSuffix("/") ? path + name : "\(path)/\(name)") }
        return files
    }

    /// The last part of a path.
    public static func name(of path: String) -> String { path.split(separator: "/").last.map(String.init) ?? path }

    /// The path from the root, for what is used in another folder later.
    public static func absolute(_ path: String) -> String {
        guard !path.hasPrefix("/"), let folder = getcwd(nil, 0) else { return path }
        defer { free(folder) }
        return "\(String(cString: folder))/\(path)"
    }

    /// The path of the folder that a path lies in.
    public static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}
