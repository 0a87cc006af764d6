import Files
private import Glibc

/// What went wrong with a file or folder of the server, with what to do.
struct HomeError: Error, CustomStringConvertible {
    let description: String
}

/// The folder in which the server keeps what is its own: the lock, the credentials, the private cluster.
///
/// At most one server runs on a home folder. The lock is a record lock on `trellisd.lock`: the kernel releases it when
/// the process ends, however it ends, and names its holder.
final class HomeFolder: Sendable {
    let path: String
    private let lock: Int32

    /// Makes the folder if it is missing and takes its lock.
    ///
    /// The folder is open to other users for passing through only (0711): a private cluster of a server that root
    /// started lies inside it and belongs to another user. The credentials in it are for the owner alone.
    init(_ path: String) throws(HomeError) {
        self.path = path
        do { try Files.makeFolder(path, mode: 0o711) } catch { throw HomeError(description: "--home: \(error)") }
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

    /// Lets the next server have the folder. To be called last of all.
    func unlock() { close(lock) }

    /// The content of a file of the folder, `nil` when there is none.
    func read(_ name: String) throws(HomeError) -> [UInt8]? {
        do { return try Files.read(path + "/" + name) } catch {
            if error.isMissing { return nil }
            throw HomeError(description: error.description)
        }
    }

    /// Writes a file of the folder for its owner only (0600), whole or not at all.
    func write(_ name: String, _ content: String) throws(HomeError) {
        do { try Files.writePrivately(content, to: path + "/" + name) } catch {
            throw HomeError(description: error.description)
        }
    }

    private static func reason() -> String { String(cString: strerror(errno)) }
}
