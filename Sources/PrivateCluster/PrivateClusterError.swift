internal import Glibc

/// Why a private PostgreSQL cluster cannot be made or run, with what to do about it.
public enum PrivateClusterError: Error, Sendable, CustomStringConvertible {
    /// PostgreSQL's programs are not on this machine.
    case programsMissing(major: Int?, searched: [String])
    /// Another process runs a cluster in this home.
    case homeInUse(home: String)
    /// The user that PostgreSQL runs as cannot use the folder.
    case unreachable(path: String, user: String)
    /// Started as root, and there is no unprivileged user to run PostgreSQL as, or no `setpriv` to become it.
    case noUnprivilegedUser(reason: String)
    /// A system call failed.
    case system(operation: String, errno: Int32)
    /// A program of PostgreSQL's failed; `output` is the end of what it said.
    case programFailed(program: String, output: String)
    /// PostgreSQL did not become ready.
    case notReady(seconds: Int, log: String, output: String)

    /// What is wrong and what to do.
    public var description: String {
        switch self {
        case .programsMissing(let major, let searched):
            let what = major.map { "PostgreSQL \($0), which made this data folder," } ?? "PostgreSQL"
            return "\(what) is not installed (looked in \(searched.joined(separator: ", "))):"
                + " run scripts/setup, or give --database-url of a server of yours"
        case .homeInUse(let home):
            return "another trellisd uses \(home): stop it, or choose another --home"
        case .unreachable(let path, let user):
            return "PostgreSQL runs as the user \(user), who cannot use \(path):"
                + " choose a --home in a folder open to everybody, such as /var/lib/trellis,"
                + " or let others pass with chmod o+x on its parents"
        case .noUnprivilegedUser(let reason):
            return "PostgreSQL does not run as root, and \(reason):"
                + " start trellisd as another user, or add one named postgres"
        case .system(let operation, let code):
            return "\(operation): \(String(cString: strerror(code)))"
        case .programFailed(let program, let output):
            return "\(program) failed: \(output)"
        case .notReady(let seconds, let log, let output):
            return "PostgreSQL was not ready after \(seconds) s (its log is \(log)): \(output)"
        }
    }
}
