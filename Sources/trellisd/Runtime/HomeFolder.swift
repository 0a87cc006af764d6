private import Glibc

/// What went wrong with a file or folder of the server, with what to do.
struct HomeError: Error, CustomStringConvertible {
    let description: String
}

/// The folder in which the server keeps what is its own: the lock, the credentials, the private cluster.
///
/// At most one server runs on a home folder. The lock is a record lock on `trellisd.lock`: the kernel releases it when
/// the process ends, however it ends, and names its holder.
final class HomeFolder {
    let path: String
    private let lock: Int32

    /// Makes the folder if it is missing and takes its lock.
    ///
    /// The folder is open to other users for passing through only (0711): a private cluster of a server that root
    /// started lies inside it and belongs to another user. The credentials in it are for the owner alone.
    init(_ path: String) throws(HomeError) {
        self.path = path
        try Self.makeFolders(path)
        let file = path + "/trellisd.lock"
        lock = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard lock >= 0 else {
            throw HomeError(description: "--home: cannot write in '\(path)': \(Self.reason())")
        }
        var claim = flock()
        claim.l_type = Int16(F_WRLCK)
        claim.l_whence = Int16(SEEK_SET)
        guard fcntl(lock, F_SETLK, &claim) == 0 else {
            claim.l_type = Int16(F_WRLCK)
            // F_GETLK tells who is in the way.
            let holder = fcntl(lock, F_GETLK, &claim) == 0 && claim.l_type != Int16(F_UNLCK) ? claim.l_pid : 0
            close(lock)
            throw HomeError(
                description: "another trellisd\(holder > 0 ? " (pid \(holder))" : "") runs on '\(path)': "
                    + "stop it, or give this one another --home"
            )
        }
    }

    deinit { close(lock) }

    private static func makeFolders(_ path: String) throws(HomeError) {
        var made = ""
        for part in path.split(separator: "/", omittingEmptySubsequences: true) {
            made += (made.isEmpty && !path.hasPrefix("/") ? "" : "/") + part
            if mkdir(made, 0o711) != 0 && errno != EEXIST && !isFolder(made) {
                throw HomeError(description: "--home: cannot make the folder '\(made)': \(reason())")
            }
        }
        guard isFolder(path) else { throw HomeError(description: "--home: '\(path)' is not a folder") }
    }

    private static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// The content of a file of the folder, `nil` when there is none.
    func read(_ name: String) throws(HomeError) -> [UInt8]? {
        do { return try Files.read(path + "/" + name) } catch {
            if error.code == ENOENT { return nil }
            throw HomeError(description: "cannot read '\(path)/\(name)': \(error)")
        }
    }

    /// Writes a file of the folder for its owner only (0600), whole or not at all: into a new file, which is flushed to
    /// the disk and then takes the name.
    func write(_ name: String, _ content: String) throws(HomeError) {
        let target = path + "/" + name
        let temporary = target + ".new"
        let file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw HomeError(description: "cannot write '\(temporary)': \(Self.reason())") }
        var bytes = Array(content.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else {
                let reason = Self.reason()
                close(file)
                throw HomeError(description: "cannot write '\(temporary)': \(reason)")
            }
            bytes = bytes.dropFirst(count)
        }
        // An older file of that name may have had a wider mode.
        guard fchmod(file, 0o600) == 0, fsync(file) == 0, close(file) == 0, rename(temporary, target) == 0 else {
            throw HomeError(description: "cannot write '\(target)': \(Self.reason())")
        }
        let folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        if folder >= 0 {
            fsync(folder)
            close(folder)
        }
    }

    private static func reason() -> String { String(cString: strerror(errno)) }
}

/// Reading files without Foundation.
enum Files {
    /// Why a file cannot be read, in the words of the system.
    struct ReadError: Error, CustomStringConvertible {
        let code: Int32
        var description: String { String(cString: strerror(code)) }
    }

    static func read(_ path: String) throws(ReadError) -> [UInt8] {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw ReadError(code: errno) }
        defer { close(file) }
        var content: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = chunk.withUnsafeMutableBytes { Glibc.read(file, $0.baseAddress, $0.count) }
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw ReadError(code: errno) }
            if count == 0 { return content }
            content += chunk[..<count]
        }
    }
}
