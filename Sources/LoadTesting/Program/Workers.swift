internal import EventLoop
internal import Glibc
internal import Protobuf
internal import Synchronization
internal import Terminal

/// Processes that share a run: each is this program with the same words, told which part it is. They learn the contract and
/// do the set-up each, say so, begin at one time, and tell their results by lines on standard output.
final class WorkerProcesses: @unchecked Sendable {
    // @unchecked: confined to its loop, but for what is set before that.

    /// The longest line that a worker may write, in bytes: its result.
    private static let lineBytesMax = 1 << 30
    /// How long after the last was ready all begin, in nanoseconds.
    private static let headStart: UInt64 = 50_000_000

    private final class Worker {
        let process: pid_t
        let input: Int32
        let output: Int32
        var watcher: FDWatcher?
        var line: [UInt8] = []
        var isReady = false
        var result: RunResult?

        init(process: pid_t, input: Int32, output: Int32) {
            self.process = process
            self.input = input
            self.output = output
        }
    }

    private let count: Int
    private let words: [String]
    private let loop: EventLoop
    private var workers: [Worker] = []
    private let board: ProgressBoard
    private var begin: UInt64?
    private var ended = 0
    private var fault: UsageError?
    private var isInterrupted = false
    private var done: CheckedContinuation<Void, Never>?
    private var started: CheckedContinuation<UInt64?, Never>?

    init(count: Int, words: [String]) throws {
        self.count = count
        self.words = words
        loop = try EventLoop.startThread(name: "workers")
        board = ProgressBoard(lanes: count)
    }

    /// Runs them to their ends and merges what they measured.
    func run(view: LiveView?, monitor: ServerMonitor?) async throws -> RunResult {
        let signals = try Interrupts { [self] in loop.submit { [self] in interrupt() } }
        let begin = await withCheckedContinuation { continuation in
            loop.submit { [self] in
                started = continuation
                startAll()
            }
        }
        let flags = try ParsedFlags(words, flags: RunFlags.flags)
        let interval = try RunFlags.time(flags, "interval") ?? 1_000_000_000
        let warmup = try RunFlags.time(flags, "warmup", isZeroFine: true) ?? (flags["count"] == nil ? 1_000_000_000 : 0)
        let watching = Task { () -> [ServerSample] in
            guard let begin else { return [] }
            return await monitor?.watch(from: begin + warmup, every: interval) ?? []
        }
        let showing = Task { [board] in
            guard var view else { return }
            while !Task.isCancelled {
                // Cancellation ends the sleep, and with it the view.
                try? await Task.sleep(for: .milliseconds(100))
                for progress in board.take() { Terminal.write(view.text(progress), to: .error) }
            }
            Terminal.write(view.erase, to: .error)
        }
        await withCheckedContinuation { continuation in
            loop.submit { [self] in
                done = continuation
                lookForEnd()
            }
        }
        showing.cancel()
        watching.cancel()
        await showing.value
        let samples = await watching.value
        signals.close()
        loop.stop()
        loop.join()
        for worker in workers { waitpid(worker.process, nil, 0) }
        if let fault { throw fault }
        var merged = try RunResult.merged(workers.compactMap(\.result), mode: .together)
        merged.server = samples
        return merged
    }

    // MARK: On the loop

    private func startAll() {
        for index in 0..<count {
            do {
                let worker = try start(index)
                workers.append(worker)
                let watcher = try loop.watch(worker.output) { [unowned self, unowned worker] _ in read(worker) }
                watcher.interest = .readable
                worker.watcher = watcher
            } catch {
                fail(UsageError("a process cannot be started: \(error)"))
                return
            }
        }
    }

    private func start(_ index: Int) throws -> Worker {
        var (input, output): ([Int32], [Int32]) = ([0, 0], [0, 0])
        guard pipe(&input) == 0, pipe(&output) == 0 else {
            throw EventLoopError.system(operation: "pipe", code: -errno)
        }
        for descriptor in [input[1], output[0]] { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        _ = fcntl(output[0], F_SETFL, O_NONBLOCK)
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, input[0], 0)
        posix_spawn_file_actions_adddup2(&actions, output[1], 1)
        posix_spawn_file_actions_addclose(&actions, input[0])
        posix_spawn_file_actions_addclose(&actions, output[1])
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // Ctrl-C at the terminal is for this process, which tells the workers once.
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
        var arguments: [UnsafeMutablePointer<CChar>?] =
            (["trellis-load", "run"] + words + ["--worker", "\(index)/\(count)"]).map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var process = pid_t()
        let failure = posix_spawn(&process, "/proc/self/exe", &actions, &attributes, &arguments, environ)
        Glibc.close(input[0])
        Glibc.close(output[1])
        guard failure == 0 else {
            Glibc.close(input[1])
            Glibc.close(output[0])
            throw EventLoopError.system(operation: "posix_spawn", code: -failure)
        }
        return Worker(process: process, input: input[1], output: output[0])
    }

    private func read(_ worker: Worker) {
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = Glibc.read(worker.output, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EAGAIN { return }
            guard count > 0 else { return end(worker) }
            worker.line += chunk[..<count]
            guard worker.line.count <= Self.lineBytesMax else {
                kill(worker.process, SIGKILL)
                return fail(UsageError("a process wrote a line of more than \(Self.lineBytesMax) bytes"))
            }
            while let newline = worker.line.firstIndex(of: 0x0A) {
                let line = String(decoding: worker.line[..<newline], as: UTF8.self)
                worker.line.removeSubrange(...newline)
                do { try take(line, worker) } catch { fail(UsageError("a process said what makes no sense: \(error)")) }
            }
        }
    }

    private func take(_ line: String, _ worker: Worker) throws {
        let parts = line.split(separator: " ", maxSplits: 1).map(String.init)
        switch (parts.first, parts.count) {
        case ("ready", 1):
            worker.isReady = true
            guard workers.count == count, workers.allSatisfy(\.isReady) else { return }
            let begin = loop.now + Self.headStart
            self.begin = begin
            for worker in workers { tell("begin \(begin)\n", worker) }
            started.take()?.resume(returning: begin)
        case ("progress", 2): board.report(try Progress(ResultReader(try JSONValue(parsing: parts[1]), "")))
        case ("result", 2):
            let limits = JSONLimits(depth: JSONLimits.standard.depth, sizeBytes: Self.lineBytesMax)
            worker.result = try RunResult(try JSONValue(parsing: parts[1], limits: limits))
        default: throw UsageError("'\(line.prefix(80))'")
        }
    }

    private func tell(_ text: String, _ worker: Worker) {
        // A worker that is gone is noticed by the end of its output.
        _ = text.utf8CString.withUnsafeBytes { Glibc.write(worker.input, $0.baseAddress, $0.count - 1) }
    }

    private func end(_ worker: Worker) {
        worker.watcher?.close()
        worker.watcher = nil
        Glibc.close(worker.output)
        Glibc.close(worker.input)
        ended += 1
        // What it had to say about why is on standard error.
        if worker.result == nil { fail(UsageError("process \(worker.process) ended without a result")) }
        lookForEnd()
    }

    private func interrupt() {
        isInterrupted = true
        for worker in workers where worker.watcher != nil { kill(worker.process, SIGINT) }
        if begin == nil { fail(UsageError("interrupted before the load began")) }
    }

    private func fail(_ fault: UsageError) {
        guard self.fault == nil else { return }
        self.fault = fault
        for worker in workers where worker.watcher != nil { kill(worker.process, SIGTERM) }
        started.take()?.resume(returning: nil)
        lookForEnd()
    }

    private func lookForEnd() {
        guard ended == workers.count, workers.count == count || fault != nil else { return }
        done.take()?.resume()
    }
}

/// A worker's side: the time to begin comes on standard input, and its end is the end of the other process.
final class ParentLink: @unchecked Sendable {
    // @unchecked: confined to its loop, but for what is set before that.
    private let loop: EventLoop
    private let interrupts: Interrupts
    private var watcher: FDWatcher?
    private var text: [UInt8] = []
    private var begun: UInt64?
    private var waiting: CheckedContinuation<UInt64, Never>?

    /// - Parameter interrupt: is called when the run is to end early.
    init(interrupt: @escaping @Sendable () -> Void) throws {
        loop = try EventLoop.startThread(name: "parent")
        interrupts = try Interrupts(interrupt)
        loop.submit { [self] in
            do throws(EventLoopError) {
                watcher = try loop.watch(0) { [unowned self] _ in
                    read()
                }
            } catch {
                // Without the time to begin there is nothing to do.
                Terminal.print("trellis-load: \(error)", to: .error)
                exit(ExitCode.failure)
            }
            watcher?.interest = .readable
        }
    }

    private func read() {
        var chunk = [UInt8](repeating: 0, count: 256)
        let count = Glibc.read(0, &chunk, chunk.count)
        guard count > 0 else {
            // Nobody is left to tell the result to.
            exit(ExitCode.failure)
        }
        text += chunk[..<count]
        let words = String(decoding: text, as: UTF8.self).split(separator: " ")
        guard text.last == 0x0A, words.count == 2, let time = UInt64(words[1].dropLast()) else { return }
        begun = time
        waiting.take()?.resume(returning: time)
    }

    /// When to begin, on the monotonic clock.
    func begin() async -> UInt64 {
        await withCheckedContinuation { continuation in
            loop.submit { [self] in
                if let begun { continuation.resume(returning: begun) } else { waiting = continuation }
            }
        }
    }

    func close() {
        interrupts.close()
        loop.stop()
        loop.join()
    }
}
