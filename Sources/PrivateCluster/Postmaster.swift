internal import Glibc

/// PostgreSQL's main process of one home: finding what is left of an earlier one, starting, waiting, stopping. Blocking.
struct Postmaster: Sendable {
    static let readySecondsMax = 60
    /// How long a fast shutdown may take; an immediate one follows.
    static let stopSecondsMax = 30

    let process: pid_t

    /// Starts PostgreSQL and waits until it takes connections.
    static func start(
        _ home: ClusterHome,
        _ programs: ClusterPrograms,
        _ user: ClusterUser,
        settings: [(String, String)],
        endsWithUs: Bool
    ) throws(PrivateClusterError) -> Postmaster {
        home.rotateLog()
        let arguments = [programs.postgres, "-D", home.data] + settings.flatMap { ["-c", "\($0.0)=\($0.1)"] }
        let process = try ChildProcess.spawn(
            user.command(arguments, endsWithUs: endsWithUs),
            log: home.log,
            ownSession: !endsWithUs
        )
        for _ in 0..<(readySecondsMax * 100) {
            if isReady(home, process) { return Postmaster(process: process) }
            var status: Int32 = 0
            if waitpid(process, &status, WNOHANG) == process {
                throw .programFailed(program: programs.postgres, output: Files.tail(Files.read(home.log) ?? ""))
            }
            ChildProcess.pause(milliseconds: 10)
        }
        kill(process, SIGKILL)
        _ = ChildProcess.wait(process)
        throw .notReady(seconds: readySecondsMax, log: home.log, output: Files.tail(Files.read(home.log) ?? ""))
    }

    /// The running postmaster of a home, when it is ready.
    static func running(_ home: ClusterHome) -> Postmaster? {
        guard let process = recorded(home), isReady(home, process), processes(in: home).contains(process) else {
            return nil
        }
        return Postmaster(process: process)
    }

    /// Ends whatever an earlier server or PostgreSQL left running in this home, and its stale lock file.
    static func clear(_ home: ClusterHome) {
        let main = recorded(home)
        var left = processes(in: home)
        if let main, left.contains(main) { Postmaster(process: main).stop() }
        // Without their postmaster, PostgreSQL's processes end by themselves; a new one must not start before.
        for attempt in 0..<1000 {
            left = processes(in: home)
            if left.isEmpty { break }
            if attempt > 500 { for process in left { kill(process, SIGKILL) } }
            ChildProcess.pause(milliseconds: 10)
        }
        // After a restart of the machine the number in the file may be another program's, and PostgreSQL would give way
        // to it; so may one that was killed and that nobody has asked yet how it ended. A file with a dead process is left to
        // PostgreSQL, which looks closer. Lines 4 and 5 are the port and the folder of the socket, whose lock names the same.
        guard let main, ChildProcess.isAlive(main), left.isEmpty else { return }
        let lines = lines(home)
        if lines.count > 4, !lines[4].isEmpty { Files.remove("\(lines[4])/.s.PGSQL.\(lines[3]).lock") }
        Files.remove(home.postmasterFile)
    }

    /// Stops PostgreSQL: sessions are ended and a checkpoint is written; without mercy when that takes too long.
    func stop() {
        for (signal, seconds) in [(SIGINT, Self.stopSecondsMax), (SIGQUIT, 5), (SIGKILL, 5)] {
            kill(process, signal)
            for _ in 0..<(seconds * 100) {
                if !ChildProcess.isAlive(process) { return }
                var status: Int32 = 0
                // When it is our child, it stays a zombie until somebody asks how it ended.
                if waitpid(process, &status, WNOHANG) == process { return }
                ChildProcess.pause(milliseconds: 10)
            }
        }
    }

    /// Line 1 of postmaster.pid is the process, line 8 its state.
    private static func lines(_ home: ClusterHome) -> [Substring] {
        (Files.read(home.postmasterFile) ?? "").split(separator: "\n", omittingEmptySubsequences: false)
    }

    private static func recorded(_ home: ClusterHome) -> pid_t? {
        lines(home).first.flatMap { pid_t($0) }.flatMap { $0 > 1 ? $0 : nil }
    }

    private static func isReady(_ home: ClusterHome, _ process: pid_t) -> Bool {
        let lines = lines(home)
        return lines.count >= 8 && lines[0] == String(process) && lines[7].hasPrefix("ready")
    }

    /// The processes that work in the data folder: the postmaster and its children.
    private static func processes(in home: ClusterHome) -> [pid_t] {
        Files.names(in: "/proc").compactMap { name in
            guard let process = pid_t(name) else { return nil }
            var target = [CChar](repeating: 0, count: Int(PATH_MAX))
            let count = readlink("/proc/\(name)/cwd", &target, target.count - 1)
            guard count > 0 else { return nil }
            return target.withUnsafeBytes { String(decoding: $0.prefix(count), as: UTF8.self) } == home.data
                ? process : nil
        }
    }
}
