internal import Glibc

/// Starting programs with posix_spawn, without a shell. Blocking: never on a loop.
enum ChildProcess {
    /// POSIX_SPAWN_SETSID, which glibc's headers show only to those who define _GNU_SOURCE.
    private static let newSession: Int32 = 0x80

    /// Starts a program in a process group of its own, with default signals, its output appended to `log`, and no
    /// descriptor of ours but those three.
    ///
    /// - Parameters:
    ///   - arguments: the program's path first.
    ///   - input: the file that it reads from.
    ///   - ownSession: whether it must outlive this process and its terminal.
    static func spawn(
        _ arguments: [String],
        input: String = "/dev/null",
        log: String,
        ownSession: Bool = false
    ) throws(PrivateClusterError) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, input, O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0o640)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        // What we open is closed on exec already; a library may not be as careful.
        for descriptor in Files.names(in: "/proc/self/fd").compactMap({ Int32($0) }) where descriptor > 2 {
            posix_spawn_file_actions_addclose(&actions, descriptor)
        }

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        // Ctrl-C at the terminal is for us; we stop the child in our own time.
        let group = ownSession ? newSession : Int32(POSIX_SPAWN_SETPGROUP)
        posix_spawnattr_setflags(
            &attributes,
            Int16(group | Int32(POSIX_SPAWN_SETSIGMASK) | Int32(POSIX_SPAWN_SETSIGDEF))
        )

        var pointers: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) }
        // The parent's locale and PG* variables must not decide how the cluster works.
        var environment: [UnsafeMutablePointer<CChar>?] = [
            strdup("PATH=/usr/local/bin:/usr/bin:/bin"), strdup("LC_ALL=C.UTF-8"), strdup("TZ=UTC"),
        ]
        pointers.append(nil)
        environment.append(nil)
        defer {
            for pointer in pointers + environment { free(pointer) }
        }
        var process = pid_t()
        let failure = posix_spawn(&process, arguments[0], &actions, &attributes, pointers, environment)
        guard failure == 0 else { throw .system(operation: "start \(arguments[0])", errno: failure) }
        return process
    }

    /// Waits for a child to end.
    ///
    /// - Returns: its exit status, or 128 + the signal that ended it.
    static func wait(_ process: pid_t) -> Int32 {
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0 {
            if errno != EINTR { return -1 }
        }
        let signal = status & 0x7f
        return signal == 0 ? status >> 8 & 0xff : 128 + signal
    }

    /// Runs a program to its end.
    ///
    /// - Throws: ``PrivateClusterError/programFailed(program:output:)`` when it does not exit with 0.
    static func run(_ arguments: [String], input: String = "/dev/null", log: String) throws(PrivateClusterError) {
        let process = try spawn(arguments, input: input, log: log)
        guard wait(process) == 0 else {
            throw .programFailed(
                program: arguments.first { !$0.hasPrefix("-") && $0.contains("/postgres/") } ?? arguments[0],
                output: Files.tail(Files.read(log) ?? "")
            )
        }
    }

    static func isAlive(_ process: pid_t) -> Bool { kill(process, 0) == 0 || errno == EPERM }

    /// Sleeps on this thread.
    static func pause(milliseconds: UInt32) { usleep(milliseconds * 1000) }
}
