internal import EventLoop
internal import Glibc
internal import Protobuf
internal import RPC
internal import RPCClient
internal import Terminal

/// One loop's part of a run: its users or its arrivals, its connections, its counts. Confined to its loop.
final class Lane: @unchecked Sendable {
    // @unchecked: confined to its loop.

    /// What a lane has when its part is done.
    struct Part: Sendable {
        var calls: [CallResult]
        var flows: [CallResult]
        var generator: GeneratorResult
        /// When the measured time ended, on the loop's clock.
        var end: UInt64
        /// Why the run cannot go on; nil when it could.
        var fault: UsageError?
        /// Why the lane ended before its time.
        var endedEarly: String
    }

    /// How often the loop's own lateness is looked at.
    private static let clockInterval: UInt64 = 10_000_000

    /// How long a user waits who could not reach the server.
    private static let unreachablePause: UInt64 = 10_000_000

    let plan: RunPlan
    let loop: EventLoop
    let channels: [Channel]
    /// Which lane it is among those of all processes, and how many there are.
    let number: Int
    let count: Int
    /// What the set-up steps saved.
    let saved: [String: JSONValue]
    private let board: ProgressBoard
    private let done: (Part) -> Void

    /// When the measured time begins and ends. It ends when the last call does where the run goes by count.
    let windowBegin: UInt64
    private(set) var windowEnd: UInt64
    private var begin: UInt64 = 0

    var calls: [Recorder]
    var flows: [Recorder]
    private var generator = GeneratorResult()
    var random: SplitMix64
    let chooser: FlowChooser

    private var tickets: UInt64
    private(set) var iterations = 0
    private var inFlight = 0
    private var measuredInFlight = 0
    private var maxInFlight: Int
    private var users: Set<Int> = []
    private var nextChannel = 0
    private var arrivals: Arrivals?
    private var nextArrival: UInt64?
    private var isSending = true
    private(set) var isDone = false
    private(set) var fault: UsageError?
    private var endedEarly = ""
    var lastEnd: UInt64 = 0
    /// When calls under way are not waited for any more.
    private var drainEnd = UInt64.max

    private var sender: PreciseTimer?
    private var clock: PreciseTimer?
    private var clockDue: UInt64 = 0
    private var cpu: (begin: UInt64, wall: UInt64)?
    private var threadPart = 0.0
    private var interval = -1
    private var progressUnsent: UInt64 = 0

    /// - Parameters:
    ///   - begin: when the warm-up begins, on the clock of ``EventLoop/now``.
    ///   - done: is called once, on the loop.
    init(
        plan: RunPlan,
        loop: EventLoop,
        channels: [Channel],
        number: Int,
        count: Int,
        saved: [String: JSONValue],
        begin: UInt64,
        board: ProgressBoard,
        done: @escaping (Part) -> Void
    ) {
        self.plan = plan
        self.loop = loop
        self.channels = channels
        self.number = number
        self.count = count
        self.saved = saved
        self.board = board
        self.done = done
        self.begin = begin
        windowBegin = begin + plan.warmup
        windowEnd = plan.measured.map { begin + plan.warmup + $0 } ?? .max
        calls = plan.scenario.calls.map { Recorder(name: $0.label, method: $0.path) }
        flows = plan.scenario.flows.map { Recorder(name: $0.name, method: "") }
        random = SplitMix64(seed: plan.seed, lane: number)
        chooser = FlowChooser(plan.scenario.flows.map(\.weight))
        // A lane without a user can use no ticket.
        var holders = count
        if case .closed(let users) = plan.load { holders = min(count, Int(users.highest.rounded())) }
        tickets =
            plan.count.map { number < holders ? RunPlan.share(of: $0, lane: number, lanes: holders) : 0 } ?? .max
        maxInFlight = Int(RunPlan.share(of: UInt64(plan.maxInFlight), lane: number, lanes: count))
    }

    // MARK: Running

    /// Begins at the time that was given.
    func start() {
        loop.assertOnLoop()
        do throws(EventLoopError) {
            clock = try PreciseTimer(loop: loop) { [unowned self] in tick() }
            sender = try PreciseTimer(loop: loop) { [unowned self] in send() }
        } catch {
            return fail(UsageError("the run cannot begin: \(error)"))
        }
        clockDue = max(begin, loop.now)
        clock?.set(at: clockDue)
        if case .open(let rate, let spacing) = plan.load {
            let warm = rate.preceded(bySeconds: Double(plan.warmup) / 1e9)
            arrivals = Arrivals(warm, spacing, lane: number, lanes: count, seed: plan.seed)
            nextArrival = arrivals?.next().map { $0 + begin }
            if let nextArrival { sender?.set(at: nextArrival) }
        }
    }

    /// The loop's own clock: begins and ends the measured time, lets users come and go, and tells how late it is.
    private func tick() {
        let now = loop.now
        if now >= begin, cpu == nil, now >= windowBegin { cpu = (threadTime(), now) }
        if !plan.load.isOpen, measures(clockDue) { generator.lag.record(now - min(now, clockDue)) }
        if now >= windowEnd { endWindow(now) }
        if tickets == 0, now >= windowBegin { stopSending() }
        if isSending, now >= begin, !plan.load.isOpen { admitUsers(now) }
        report(now)
        if !isSending, inFlight == 0 || now >= drainEnd { return finish() }
        clockDue += Self.clockInterval
        // After a stall the clock goes on from now: one lateness is not told many times.
        if clockDue < now { clockDue = now + Self.clockInterval }
        clock?.set(at: clockDue)
    }

    func measures(_ time: UInt64) -> Bool { time >= windowBegin && time < windowEnd }

    private func endWindow(_ now: UInt64) {
        guard isSending else { return }
        // What was due before the end is part of the load, however late this lane is.
        send()
        isSending = false
        drainEnd = now + plan.drain
        settleThread(now)
        if let arrivals = nextArrival, arrivals >= windowEnd { nextArrival = nil }
    }

    private func settleThread(_ now: UInt64) {
        guard let cpu, now > cpu.wall, threadPart == 0 else { return }
        threadPart = Double(threadTime() - cpu.begin) / Double(now - cpu.wall)
    }

    /// Ends the measured time now: because somebody asks for it, because data are used up, or because all tickets are.
    ///
    /// - Parameter reason: for the report; empty when that was to be.
    func stop(_ reason: String) {
        loop.assertOnLoop()
        guard isSending else { return }
        let now = loop.now
        endedEarly = reason
        windowEnd = min(windowEnd, max(now, windowBegin))
        endWindow(now)
        nextArrival = nil
    }

    /// Gives up waiting for calls that are under way.
    func abandon() {
        loop.assertOnLoop()
        stop("interrupted")
        finish()
    }

    /// Ends all because it makes no sense to go on.
    func fail(_ fault: UsageError) {
        loop.assertOnLoop()
        guard self.fault == nil else { return }
        self.fault = fault
        abandon()
    }

    private func finish() {
        guard !isDone else { return }
        isDone = true
        isSending = false
        clock?.close()
        sender?.close()
        let now = loop.now
        settleThread(now)
        // A run by count ends with its last call.
        if windowEnd == .max { windowEnd = max(windowBegin, lastEnd) }
        report(now, isLast: true)
        generator.threads = [threadPart]
        generator.unfinished = UInt64(measuredInFlight)
        done(
            Part(
                calls: calls.indices.map { calls[$0].finish() },
                flows: flows.indices.map { flows[$0].finish() },
                generator: generator,
                end: windowEnd,
                fault: fault,
                endedEarly: endedEarly
            )
        )
    }

    private func threadTime() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    // MARK: Open loop

    /// Begins all iterations that are due.
    private func send() {
        let now = loop.now
        while isSending, let due = nextArrival, due <= now {
            nextArrival = arrivals?.next().map { $0 + begin }
            let isMeasured = measures(due)
            guard due < windowEnd else { break }
            if isMeasured {
                guard tickets > 0 else { break }
                tickets -= 1
                generator.scheduled += 1
                generator.lag.record(now - due)
            }
            guard inFlight < maxInFlight else {
                if isMeasured { generator.unsent += 1 }
                continue
            }
            begin(user: number, intended: due, isMeasured: isMeasured)
        }
        if let nextArrival, isSending, tickets > 0 {
            sender?.set(at: nextArrival)
        } else if tickets == 0 {
            stopSending()
        }
    }

    private func begin(user: Int, intended: UInt64, isMeasured: Bool) {
        began(isMeasured)
        loop.loopTaskExecutor.start(Iteration(lane: self, user: user, intended: intended, isMeasured: isMeasured))
    }

    private func began(_ isMeasured: Bool) {
        inFlight += 1
        if isMeasured { measuredInFlight += 1 }
        iterations += 1
        generator.highestInFlight = max(generator.highestInFlight, UInt64(inFlight))
    }

    private func ended(_ isMeasured: Bool) {
        inFlight -= 1
        if isMeasured { measuredInFlight -= 1 }
    }

    /// No more iterations begin, but the measured time goes on until the last has ended: runs by count.
    private func stopSending() {
        guard isSending else { return }
        isSending = false
        nextArrival = nil
        drainEnd = loop.now + plan.drain
    }

    private struct Iteration: LoopWork {
        let lane: Lane
        let user: Int
        let intended: UInt64
        let isMeasured: Bool

        func run() async {
            await lane.iterate(user: user, channel: lane.channel(), intended: intended)
            lane.ended(isMeasured)
        }
    }

    private func channel() -> Channel {
        nextChannel = nextChannel + 1 < channels.count ? nextChannel + 1 : 0
        return channels[nextChannel]
    }

    // MARK: Closed loop

    /// Lets users begin until there are as many as there should be now.
    private func admitUsers(_ now: UInt64) {
        let wanted = wantedUsers(now)
        for user in stride(from: number, to: wanted, by: count) where users.insert(user).inserted {
            loop.loopTaskExecutor.start(User(lane: self, number: user))
        }
    }

    private func wantedUsers(_ now: UInt64) -> Int {
        let second = Double(now - min(now, windowBegin)) / 1e9
        return Int(plan.load.stages.value(at: now < windowBegin ? 0 : second).rounded())
    }

    private struct User: LoopWork {
        let lane: Lane
        let number: Int

        func run() async { await lane.live(number) }
    }

    /// One user: an iteration after another, as long as the user is wanted.
    private func live(_ user: Int) async {
        let channel = channels[(user / count) % channels.count]
        while isSending {
            let now = loop.now
            guard now < windowEnd, user < wantedUsers(now) else { break }
            let isMeasured = measures(now)
            if isMeasured {
                guard tickets > 0 else {
                    stopSending()
                    break
                }
                tickets -= 1
            }
            began(isMeasured)
            let isUnreachable = await iterate(user: user, channel: channel, intended: now)
            ended(isMeasured)
            // A server that is not there refuses at once: trying without a pause would only heat the machine.
            if isUnreachable { await pause(Self.unreachablePause) }
        }
        users.remove(user)
    }

    // MARK: Progress

    /// Tells the board of the intervals that are over.
    private func report(_ now: UInt64, isLast: Bool = false) {
        guard now >= windowBegin else { return }
        let current = Int((now - windowBegin) / plan.interval)
        if interval < 0 { interval = 0 }
        while interval < current || (isLast && interval == current) {
            var progress = Progress(interval: interval, inFlight: UInt64(inFlight))
            for index in calls.indices {
                guard let closed = calls[index].advance(to: interval + 1) ?? calls[index].closed(interval) else {
                    continue
                }
                progress.calls += closed.calls
                progress.failed += closed.failed
                var sum = progress.latency.dense
                sum.add(closed.latency)
                progress.latency = sum.sparse
            }
            for index in flows.indices { flows[index].advance(to: interval + 1) }
            progress.unsent = generator.unsent - progressUnsent
            progressUnsent = generator.unsent
            board.report(progress)
            interval += 1
        }
    }
}
