internal import Glibc
internal import Primitives

/// The folders and files of one cluster: `data/` for PostgreSQL, its log, its locks and its socket.
struct ClusterHome: Sendable {
    /// The most bytes of a unix socket's path (sun_path without its final zero).
    private static let socketPathMax = 107
    /// How large the log may be when PostgreSQL starts before it is put aside.
    private static let logBytesMax: off_t = 8 << 20

    let path: String
    var data: String { "\(path)/data" }
    var log: String { "\(path)/postgres.log" }
    var lock: String { "\(path)/trellisd.lock" }
    var postmasterFile: String { "\(data)/postmaster.pid" }

    /// Makes the folder that is missing and resolves its path.
    init(_ path: String) throws(PrivateClusterError) {
        try Files.makeFolder(path, mode: 0o755)
        guard let canonical = Files.canonical(path) else { throw .system(operation: "open \(path)", errno: errno) }
        self.path = canonical
    }

    /// Makes the folder for the socket: in the home, or in a short place when the path would be too long for a socket.
    func makeSocketFolder(_ user: ClusterUser) throws(PrivateClusterError) -> String {
        let inHome = "\(path)/socket"
        if "\(inHome)/.s.PGSQL.5432".utf8.count <= Self.socketPathMax {
            try Files.makeFolder(inHome, mode: 0o700)
            try user.own(inHome, mode: 0o700)
            return inHome
        }
        let name = "trellis-\(Hex.encode(SHA256.hash(Array(path.utf8)).prefix(6)))"
        let place = "\(user.isOther && Files.isFolder("/run") ? "/run" : "/tmp")/\(name)"
        try Files.makeFolder(place, mode: 0o700)
        // Anybody may make folders in /tmp: it has to be ours.
        var status = stat()
        guard lstat(place, &status) == 0, status.st_mode & S_IFMT == S_IFDIR,
            status.st_uid == geteuid() || status.st_uid == user.uid
        else { throw .system(operation: "use \(place) for the socket, which belongs to somebody else", errno: EPERM) }
        try user.own(place, mode: 0o700)
        return place
    }

    /// The major version of the data that is there.
    var major: Int? {
        Files.read("\(data)/PG_VERSION").flatMap { Int($0.prefix { $0.isNumber }) }
    }

    /// Makes the cluster's data, with the database and the role that the server logs in as. An attempt that was
    /// interrupted leaves nothing that counts.
    func makeData(_ programs: ClusterPrograms, _ user: ClusterUser) throws(PrivateClusterError) {
        let new = "\(path)/data.new"
        Files.remove(new)
        try Files.makeFolder(new, mode: 0o700)
        try user.own(new, mode: 0o700)
        try user.checkReach(new, log: log)
        let locale =
            programs.major >= 17
            ? ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"] : ["--locale=C.UTF-8"]
        // The folder of the socket is closed to everybody else: whoever can open it is trusted.
        try ChildProcess.run(
            user.command(
                [
                    programs.initdb, "--pgdata", new, "--username", PrivateCluster.administrator, "--auth", "trust",
                    "--encoding", "UTF8", "--data-checksums", "--no-sync",
                ] + locale
            ),
            log: log
        )
        let script = "\(path)/initialize.sql"
        try Files.write(
            """
            CREATE DATABASE \(PrivateCluster.database);
            CREATE ROLE \(PrivateCluster.server) LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE;

            """,
            to: script,
            mode: 0o644
        )
        defer { Files.remove(script) }
        try ChildProcess.run(
            user.command([programs.postgres, "--single", "-D", new, "postgres"]),
            input: script,
            log: log
        )
        sync()
        guard rename(new, data) == 0 else { throw .system(operation: "rename \(new)", errno: errno) }
    }

    /// Puts a large log aside, so that at most two of them are kept.
    func rotateLog() {
        var status = stat()
        if stat(log, &status) == 0, status.st_size > Self.logBytesMax { rename(log, "\(log).1") }
    }
}
