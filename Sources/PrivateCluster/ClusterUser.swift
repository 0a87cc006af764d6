internal import Glibc

/// Whom PostgreSQL runs as: us, or an unprivileged user when we are root, which PostgreSQL refuses to run as.
struct ClusterUser: Sendable {
    let name: String
    let uid: uid_t
    let gid: gid_t
    /// Whether we have to become that user.
    let isOther: Bool

    private static let setpriv = ["/usr/bin/setpriv", "/bin/setpriv"]

    static func current() throws(PrivateClusterError) -> ClusterUser {
        guard geteuid() == 0 else {
            let name = getpwuid(geteuid()).map { String(cString: $0.pointee.pw_name) } ?? "uid \(geteuid())"
            return ClusterUser(name: name, uid: geteuid(), gid: getegid(), isOther: false)
        }
        guard setpriv.contains(where: { access($0, X_OK) == 0 }) else {
            throw .noUnprivilegedUser(reason: "setpriv (package util-linux) is not installed")
        }
        for name in ["postgres", "nobody"] {
            if let entry = getpwnam(name) {
                return ClusterUser(name: name, uid: entry.pointee.pw_uid, gid: entry.pointee.pw_gid, isOther: true)
            }
        }
        throw .noUnprivilegedUser(reason: "there is neither a user postgres nor nobody")
    }

    /// The command line that runs `arguments` as this user.
    ///
    /// - Parameter endsWithUs: whether the program gets SIGINT when the thread that started it ends, however it ends. For
    ///   PostgreSQL that is a fast shutdown.
    func command(_ arguments: [String], endsWithUs: Bool = false) -> [String] {
        guard let setpriv = Self.setpriv.first(where: { access($0, X_OK) == 0 }) else { return arguments }
        var prefix = [setpriv]
        if isOther { prefix += ["--reuid", String(uid), "--regid", String(gid), "--clear-groups", "--inh-caps=-all"] }
        if endsWithUs { prefix += ["--pdeathsig", "INT"] }
        return prefix.count == 1 ? arguments : prefix + ["--"] + arguments
    }

    /// Gives this user a folder of its own.
    func own(_ path: String, mode: mode_t) throws(PrivateClusterError) {
        if isOther, chown(path, uid, gid) != 0 { throw .system(operation: "give \(path) to \(name)", errno: errno) }
        guard chmod(path, mode) == 0 else { throw .system(operation: "protect \(path)", errno: errno) }
    }

    /// Checks that this user can work in a folder, by asking as this user.
    func checkReach(_ path: String, log: String) throws(PrivateClusterError) {
        guard isOther else {
            guard access(path, W_OK | X_OK) == 0 else { throw .unreachable(path: path, user: name) }
            return
        }
        let process = try ChildProcess.spawn(command(["/usr/bin/test", "-w", path, "-a", "-x", path]), log: log)
        guard ChildProcess.wait(process) == 0 else { throw .unreachable(path: path, user: name) }
    }
}
