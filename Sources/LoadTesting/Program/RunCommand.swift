internal import EventLoop
internal import Files
internal import Glibc
internal import Protobuf
internal import RPC
internal import RPCClient
internal import Terminal

/// `trellis-load run`: puts load on a server and tells what came of it.
struct RunCommand {
    let words: [String]
    let flags: ParsedFlags
    private let bars: [Bar]

    init(_ words: [String]) throws(UsageError) {
        self.words = words
        flags = try ParsedFlags(words, flags: RunFlags.flags + [RunFlags.worker])
        var bars: [Bar] = []
        for text in flags.all("bar") { bars.append(try Bar(text)) }
        self.bars = bars
        let most = flags["scenario"] == nil ? 3 : 1
        guard 1...most ~= flags.positional.count, most == 1 || flags.positional.count > 1 else {
            throw UsageError(
                most == 1
                    ? "trellis-load run HOST:PORT --scenario FILE: an address is needed, and nothing else"
                    : "trellis-load run HOST:PORT SERVICE/METHOD [JSON|@FILE]: an address and a method are needed, or "
                        + "--scenario FILE"
            )
        }
    }

    private var address: String { flags.positional[0] }

    /// Runs it, as the process that was started or as one of its workers.
    ///
    /// - Returns: the exit code.
    func run() async throws -> Int32 {
        let monitor = try monitor()
        _ = try monitor?.read()
        let processes = try RunFlags.whole(flags, "processes", 1...RunPlan.processesMax) ?? 1
        if let worker = flags["worker"] { return try await work(as: worker) }
        let result: RunResult
        if processes > 1 {
            // Flags that are wrong are told once, not by each worker.
            let plan = try RunFlags.plan(flags, address: address, scenario: Self.noScenario)
            result = try await WorkerProcesses(count: processes, words: words).run(view: view(plan), monitor: monitor)
        } else {
            let (plan, engine) = try await prepare(process: (0, 1))
            result = try await conduct(plan, engine, monitor)
        }
        return try finish(result)
    }

    private func monitor() throws(UsageError) -> ServerMonitor? {
        if let url = flags["server-metrics"] {
            if flags["server-pid"] != nil { throw UsageError("--server-pid and --server-metrics: give one of them") }
            return try ServerMonitor(url: url)
        }
        return try RunFlags.whole(flags, "server-pid", 1...Int(Int32.max)).map { ServerMonitor(process: Int32($0)) }
    }

    // MARK: One process

    private static let noScenario = Scenario(
        call: CallStep(index: 0, label: "", path: "", kind: .unary, request: .bytes([])),
        pool: nil
    )

    /// Learns the contract, reads the scenario, does the set-up.
    private func prepare(process: (index: Int, count: Int)) async throws(UsageError) -> (RunPlan, Engine) {
        // Flags that are wrong are told before anybody is asked anything.
        var plan = try RunFlags.plan(flags, address: address, scenario: Self.noScenario)
        plan.process = process
        plan.scenario = try await scenario(plan)
        return (plan, try Engine(plan))
    }

    private func scenario(_ plan: RunPlan) async throws(UsageError) -> Scenario {
        if let file = flags["body"] { return try bodyScenario(file) }
        if flags["kind"] != nil { throw UsageError("--kind is for --body; without it the contract tells the shape") }
        let contract = try await contract(plan)
        guard let file = flags["scenario"] else { return try methodScenario(contract) }
        for name in ["metadata", "messages", "expect", "body", "token"] where !flags.all(name).isEmpty {
            throw UsageError("--\(name) is for one method; with --scenario it is said in the file")
        }
        let text: String
        do { text = String(decoding: try Files.read(file), as: UTF8.self) } catch { throw UsageError("\(error)") }
        var reader = try ScenarioReader(text, name: file, process: plan.process)
        var scenario = try reader.read(contract)
        if let deadline = try RunFlags.time(flags, "deadline") {
            for flow in scenario.flows.indices {
                scenario.flows[flow].steps = scenario.flows[flow].steps.map { step in
                    guard case .call(var call) = step, call.deadline == nil else { return step }
                    call.deadline = deadline
                    return .call(call)
                }
            }
        }
        return scenario
    }

    private func contract(_ plan: RunPlan) async throws(UsageError) -> Contract {
        if let file = flags["protoset"] { return try Contract(file: file) }
        if flags["contract"] == "trellis" { return .trellis }
        let channel: Channel
        do { channel = try Channel(address: address, configuration: plan.channel) } catch {
            throw UsageError("\(error)")
        }
        var metadata = Metadata()
        if flags["scenario"] == nil {
            for (name, value) in try RunFlags.metadata(flags) { value.constant.map { metadata.append(name, $0) } }
        }
        let options = CallOptions(metadata: metadata, timeout: .seconds(10))
        let result: Result<Contract, UsageError>
        do throws(UsageError) {
            result = .success(try await ReflectionClient(channel: channel, options: options).contract())
        } catch {
            result = .failure(error)
        }
        await channel.close()
        return try result.get()
    }

    private var content: String { flags.positional.count == 3 ? flags.positional[2] : "{}" }

    private func methodScenario(_ contract: Contract) throws(UsageError) -> Scenario {
        let method: MethodDescriptor
        do { method = try contract.method(flags.positional[1]) } catch { throw UsageError("\(error)") }
        let text: String
        do {
            text =
                content.hasPrefix("@")
                ? String(decoding: try Files.read(String(content.dropFirst())), as: UTF8.self) : content
        } catch {
            throw UsageError("\(error)")
        }
        let request: CallStep.Request
        do {
            let template = try JSONTemplate(
                try CommentedJSON(text).value,
                TemplateScope(environment: Terminal.environment)
            )
            if let constant = template.constant {
                request = .bytes(try contract.pool.serialize(constant, as: method.input))
            } else {
                request = .template(template, message: method.input)
            }
        } catch {
            throw UsageError("the request is wrong: \(error)")
        }
        return Scenario(call: try call(method.name, method.path, CallStep.Kind(method), request), pool: contract.pool)
    }

    private func bodyScenario(_ file: String) throws(UsageError) -> Scenario {
        guard flags["scenario"] == nil, flags.positional.count == 2 else {
            throw UsageError("--body: the request is in the file; give an address and a method beside it")
        }
        let parts = flags.positional[1].split(separator: "/")
        guard parts.count == 2 else { throw UsageError("'\(flags.positional[1])' is not package.Service/Method") }
        let body: [UInt8]
        do { body = try Files.read(file) } catch { throw UsageError("--body: \(error)") }
        let kind = flags["kind"].flatMap { CallStep.Kind(rawValue: $0) } ?? .unary
        let path = "/\(parts[0])/\(parts[1])"
        return Scenario(call: try call(String(parts[1]), path, kind, .bytes(body)), pool: nil)
    }

    private func call(
        _ label: String,
        _ path: String,
        _ kind: CallStep.Kind,
        _ request: CallStep.Request
    ) throws(UsageError) -> CallStep {
        var call = CallStep(index: 0, label: label, path: path, kind: kind, request: request)
        let messages = try RunFlags.whole(flags, "messages", 1...ScenarioReader.messagesMax)
        if messages != nil, kind == .unary || kind == .server {
            throw UsageError("--messages is for methods that take a stream; \(label) takes one request")
        }
        call.messages = messages ?? 1
        call.metadata = try RunFlags.metadata(flags)
        call.settleMetadata()
        call.deadline = try RunFlags.time(flags, "deadline")
        call.expected = try RunFlags.expected(flags)
        return call
    }

    /// Runs an engine to its end, showing what it does.
    private func conduct(_ plan: RunPlan, _ engine: Engine, _ monitor: ServerMonitor?) async throws -> RunResult {
        let signals = try Interrupts { engine.interrupt() }
        let view = view(plan)
        let showing = Task { await show(view, engine.board) }
        let result: Result<RunResult, any Error>
        do {
            let saved = try await engine.setUp()
            result = .success(try await engine.run(saved: saved, monitor: monitor))
        } catch {
            result = .failure(error)
        }
        showing.cancel()
        await showing.value
        await engine.close()
        signals.close()
        var measured = try result.get()
        measured.configuration = configuration(plan)
        return measured
    }

    private func view(_ plan: RunPlan) -> LiveView? {
        guard !flags.isOn("quiet"), flags["worker"] == nil else { return nil }
        return LiveView(
            intervalSeconds: Double(plan.interval) / 1e9,
            totalSeconds: plan.measured.map { Double($0) / 1e9 },
            isTerminal: Terminal.isInteractive(.error) && Terminal.environment("TERM") != "dumb",
            width: Terminal.width(.error) ?? 160
        )
    }

    private func show(_ view: LiveView?, _ board: ProgressBoard) async {
        guard var view else { return }
        while !Task.isCancelled {
            // Cancellation ends the sleep, and with it the view.
            try? await Task.sleep(for: .milliseconds(100))
            for progress in board.take() { Terminal.write(view.text(progress), to: .error) }
        }
        Terminal.write(view.erase, to: .error)
    }

    // MARK: A worker

    /// Does a share of the load, and tells the process that started this one by lines on standard output.
    private func work(as text: String) async throws -> Int32 {
        let parts = text.split(separator: "/").compactMap { Int($0) }
        guard parts.count == 2, parts[1] > 0, 0..<parts[1] ~= parts[0] else {
            throw UsageError("--worker is between processes of trellis-load; use --processes")
        }
        let (plan, engine) = try await prepare(process: (parts[0], parts[1]))
        let saved = try await engine.setUp()
        let parent = try ParentLink { engine.interrupt() }
        Terminal.print("ready")
        let begin = await parent.begin()
        let reporting = Task {
            while !Task.isCancelled {
                // Cancellation ends the sleep, and with it the reports.
                try? await Task.sleep(for: .milliseconds(50))
                for progress in engine.board.take() { Terminal.print("progress \(progress.json.written())") }
            }
        }
        var result = try await engine.run(saved: saved, begin: begin)
        reporting.cancel()
        await reporting.value
        await engine.close()
        parent.close()
        result.configuration = configuration(plan)
        Terminal.print("result \(result.json.written())")
        return ExitCode.success
    }

    // MARK: The result

    private func configuration(_ plan: RunPlan) -> [(key: String, value: JSONValue)] {
        let what =
            flags["scenario"].map { "scenario \($0)" } ?? plan.scenario.calls.map(\.path).joined(separator: ", ")
        let load =
            switch plan.load {
            case .closed(let users): "closed loop, users \(users.text)"
            case .open(let rate, let spacing): "open loop, \(rate.text) a second, \(spacing.rawValue) arrivals"
            }
        var all: [(key: String, value: JSONValue)] = [
            ("address", .string(plan.address)), ("what", .string(what)), ("load", .string(load)),
            ("warmup", .string(DurationText.show(plan.warmup))),
            ("connections", .number("\(plan.connections * plan.process.count)")),
            ("threads", .number("\(min(plan.threads, plan.connections) * plan.process.count)")),
            ("processes", .number("\(plan.process.count)")), ("seed", .number("\(plan.seed)")),
        ]
        if let count = plan.count { all.append(("count", .number("\(count)"))) }
        if plan.load.isOpen { all.append(("maxInFlight", .number("\(plan.maxInFlight)"))) }
        if let deadline = flags["deadline"] { all.append(("deadline", .string(deadline))) }
        return all
    }

    private func finish(_ result: RunResult) throws -> Int32 {
        if let file = flags["json"] { try Files.writePrivately(result.json.written() + "\n", to: file) }
        if let file = flags["html"] { try Files.writePrivately(HTMLReport(result: result).page, to: file) }
        var verdicts: [Bar.Verdict] = []
        for bar in bars { verdicts.append(try bar.verdict(on: result)) }
        let report = TextReport(
            result: result,
            width: Terminal.width(.output),
            colours: Terminal.colours(.output)
        )
        for line in report.lines(verdicts: verdicts) { Terminal.print(line) }
        return ExitCode.of(result, verdicts, isStrict: flags.isOn("strict"))
    }
}

/// The exit codes of trellis-load; docs/load.md lists them.
enum ExitCode {
    static let success: Int32 = 0
    /// Nothing was measured, or no call succeeded.
    static let failure: Int32 = 1
    static let usage: Int32 = 2
    static let missedBar: Int32 = 3
    static let saturated: Int32 = 4
    /// Two results differ for the worse.
    static let worse: Int32 = 5
    static let interrupted: Int32 = 130

    static func of(_ result: RunResult, _ verdicts: [Bar.Verdict], isStrict: Bool) -> Int32 {
        let total = result.total
        if verdicts.contains(where: { !$0.isMet }) { return missedBar }
        if total.calls == total.failed { return failure }
        if isStrict, Finding.all(result).contains(where: { $0.kind == .saturated }) { return saturated }
        return result.endedEarly == "interrupted" ? interrupted : success
    }
}

/// Calls back when somebody asks the process to end: Ctrl-C, or SIGTERM.
final class Interrupts: Sendable {
    private let loop: EventLoop

    init(_ body: @escaping @Sendable () -> Void) throws(EventLoopError) {
        let loop = try EventLoop.startThread(name: "signals")
        self.loop = loop
        loop.submit {
            for number in [SIGINT, SIGTERM] {
                // The watchers live as long as their loop. Without one the signal ends the process, as always.
                _ = try? SignalWatcher(loop: loop, signal: number, body)
            }
        }
    }

    /// Gives the signals their usual effect again.
    func close() {
        loop.stop()
        loop.join()
    }
}
