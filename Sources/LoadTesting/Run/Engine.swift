internal import EventLoop
internal import Glibc
internal import Primitives
internal import Protobuf
internal import RPCClient
internal import Synchronization
internal import Terminal

/// Runs a plan on threads of this process: a lane each.
final class Engine: Sendable {
    private let plan: RunPlan
    let group: EventLoopGroup
    private let channels: [[Channel]]
    private let lanes = Mutex<[Lane]>([])
    private let isStopped = Mutex(false)
    let board: ProgressBoard

    /// Starts the threads; nothing is connected yet.
    ///
    /// - Throws: `UsageError` when there can be no threads, or the address is none.
    init(_ plan: RunPlan) throws(UsageError) {
        self.plan = plan
        let threads = min(plan.threads, plan.connections)
        board = ProgressBoard(lanes: threads)
        do {
            group = try EventLoopGroup(count: threads, name: "load")
            var channels = [[Channel]](repeating: [], count: threads)
            for index in 0..<plan.connections {
                let lane = index % threads
                channels[lane].append(
                    try Channel(address: plan.address, configuration: plan.channel, loop: group.loops[lane])
                )
            }
            self.channels = channels
        } catch {
            throw UsageError("\(error)")
        }
    }

    /// A connection for what is asked before the run.
    var channel: Channel { channels[0][0] }

    /// Ends the run early: what was measured is still told. The second time, what is under way is not waited for.
    func interrupt() {
        let isSecond = isStopped.withLock { stopped in
            defer { stopped = true }
            return stopped
        }
        for lane in lanes.withLock({ $0 }) {
            lane.loop.submit { isSecond ? lane.abandon() : lane.stop("interrupted") }
        }
    }

    /// Closes the connections and ends the threads.
    func close() async {
        for channel in channels.joined() { await channel.close() }
        group.shutdown()
    }

    /// Puts the load on, and tells what was measured.
    ///
    /// - Parameters:
    ///   - saved: what ``setUp()`` gave.
    ///   - begin: when the warm-up begins, on the monotonic clock; nil for now.
    ///   - monitor: watches the server meanwhile.
    /// - Throws: `UsageError` when a request cannot be made, or the set-up fails.
    func run(
        saved: [String: JSONValue] = [:],
        begin: UInt64? = nil,
        monitor: ServerMonitor? = nil
    ) async throws(UsageError) -> RunResult {
        let loops = group.loops
        let begin = max(begin ?? 0, loops[0].now + 1_000_000)
        let total = loops.count * plan.process.count
        let machine = MachineLoad()
        let epoch = Instant.now().microseconds + (Int64(begin + plan.warmup) - Int64(loops[0].now)) / 1000
        let watching = Task { await monitor?.watch(from: begin + plan.warmup, every: plan.interval) }
        let parts = await withTaskGroup(of: Lane.Part.self) { tasks in
            for (index, loop) in loops.enumerated() {
                tasks.addTask { [self] in
                    await withCheckedContinuation { continuation in
                        loop.submit { [self] in
                            let lane = Lane(
                                plan: plan,
                                loop: loop,
                                channels: channels[index],
                                number: plan.process.index * loops.count + index,
                                count: total,
                                saved: saved,
                                begin: begin,
                                board: board
                            ) { continuation.resume(returning: $0) }
                            lanes.withLock { $0.append(lane) }
                            lane.start()
                            if isStopped.withLock({ $0 }) { lane.stop("interrupted") }
                        }
                    }
                }
            }
            var parts: [Lane.Part] = []
            for await part in tasks {
                parts.append(part)
                // A lane that cannot go on, or has no data any more, ends the others.
                if !part.endedEarly.isEmpty { stopAll(part.endedEarly) }
            }
            return parts
        }
        watching.cancel()
        let samples = await watching.value ?? []
        if let fault = parts.compactMap(\.fault).first { throw fault }
        return result(parts, epoch: epoch, begin: begin + plan.warmup, samples, machine.part)
    }

    private func stopAll(_ reason: String) {
        for lane in lanes.withLock({ $0 }) { lane.loop.submit { lane.stop(reason) } }
    }

    private func result(
        _ parts: [Lane.Part],
        epoch: Int64,
        begin: UInt64,
        _ samples: [ServerSample],
        _ machine: Double?
    ) -> RunResult {
        let end = parts.map(\.end).max() ?? begin
        var result = RunResult(
            startedAt: epoch,
            seconds: Double(end - min(end, begin)) / 1e9,
            intervalSeconds: Double(plan.interval) / 1e9,
            isOpenLoop: plan.load.isOpen,
            endedEarly: parts.map(\.endedEarly).first { !$0.isEmpty } ?? "",
            calls: plan.scenario.calls.map { CallResult(name: $0.label, method: $0.path) },
            server: samples
        )
        for part in parts {
            for index in part.calls.indices { result.calls[index].add(part.calls[index]) }
            result.generator.add(part.generator)
        }
        result.generator.machine = machine
        for (index, flow) in plan.scenario.flows.enumerated() where flow.isCounted {
            var sum = CallResult(name: flow.name, method: "")
            for part in parts { sum.add(part.flows[index]) }
            result.flows.append(sum)
        }
        return result
    }

    /// Does the set-up steps of the scenario, all of which must succeed, and gives what they save.
    ///
    /// - Throws: `UsageError` with the status of the one that failed.
    func setUp() async throws(UsageError) -> [String: JSONValue] {
        guard !plan.scenario.setup.isEmpty else { return [:] }
        var setup = plan
        setup.scenario.flows = [Flow(name: "setup", weight: 1, steps: plan.scenario.setup, needsVariables: true)]
        let loop = group.loops[0]
        let (plan, channel) = (setup, channel)
        let result: Result<[String: JSONValue], UsageError> = await withCheckedContinuation { continuation in
            loop.submit {
                loop.startTask {
                    let lane = Lane(
                        plan: plan,
                        loop: loop,
                        channels: [channel],
                        number: 0,
                        count: 1,
                        saved: [:],
                        begin: loop.now,
                        board: ProgressBoard(lanes: 1)
                    ) { _ in }
                    continuation.resume(returning: await lane.setUp())
                }
            }
        }
        return try result.get()
    }
}

extension Lane {
    /// Does the only flow once, and tells what it saved.
    func setUp() async -> Result<[String: JSONValue], UsageError> {
        var variables = Variables(saved: [:], rows: [:], user: 0, iteration: 0, random: random)
        for feeder in plan.scenario.feeders { variables.rows[feeder.name] = feeder.rows[0] }
        let outcome = await run(plan.scenario.setup, on: channels[0], intended: loop.now, &variables)
        if let fault { return .failure(fault) }
        if outcome.isFailed, let error = outcome.error {
            return .failure(UsageError("the set-up of the scenario failed: \(error)"))
        }
        return .success(variables.saved)
    }
}
