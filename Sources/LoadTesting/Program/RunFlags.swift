internal import EventLoop
internal import Files
internal import HTTP2
internal import Protobuf
internal import RPC
internal import RPCClient
internal import SecurityFlags
internal import TLS
internal import Terminal

/// The flags of `trellis-load run`, and the plan that they make.
enum RunFlags {
    static let flags =
        [
            Flag("scenario", placeholder: "FILE", help: "Flows of calls to take, instead of one method."),
            Flag(
                "users",
                .repeated,
                placeholder: "N[..M][@TIME]",
                help:
                    "Closed loop: so many users, each waiting for its answer; a ramp with '..'; several are stages. Default: 10."
            ),
            Flag(
                "rate",
                .repeated,
                placeholder: "N[..M][@TIME]",
                help:
                    "Open loop: so many iterations begun a second, whatever the server does; latency counts from when each was to begin."
            ),
            Flag(
                "arrivals",
                placeholder: "HOW",
                help: "Open loop: spaced evenly or at random. Default: constant.",
                choices: Arrivals.Spacing.allCases.map(\.rawValue)
            ),
            Flag(
                "duration",
                placeholder: "TIME",
                help: "How long is measured, for stages without a time of their own. Default: 10s."
            ),
            Flag("count", placeholder: "N", help: "Ends the run after so many iterations, however long they take."),
            Flag(
                "warmup",
                placeholder: "TIME",
                help: "How long there is load before anything counts. Default: 1s, with --count 0s."
            ),
            Flag(
                "drain",
                placeholder: "TIME",
                help: "How long calls under way at the end are waited for. Default: 10s."
            ),
            Flag("connections", short: "c", placeholder: "N", help: "Connections in all. Default: 1 a thread."),
            Flag(
                "streams",
                short: "m",
                placeholder: "N",
                help:
                    "Calls at once a connection: closed loop: users = connections x streams; open loop: the most in flight."
            ),
            Flag(
                "threads",
                short: "t",
                placeholder: "N",
                help: "Threads of each process, an event loop each. Default: 1."
            ),
            Flag(
                "processes",
                placeholder: "N",
                help: "Processes that share the load; their results are merged. Default: 1."
            ),
            Flag(
                "max-in-flight",
                placeholder: "N",
                help: "Open loop: arrivals beyond so many under way are counted as not sent. Default: 10000."
            ),
            Flag(
                "deadline",
                placeholder: "TIME",
                help: "How long a call may take, for calls that do not say so themselves."
            ),
            Flag(
                "metadata",
                short: "H",
                .repeated,
                placeholder: "NAME=VALUE",
                help: "Metadata of the calls of a method."
            ),
            Flag(
                "token",
                placeholder: "KEY",
                help: "Adds 'authorization: Bearer KEY', also to reflection. [TRELLIS_TOKEN]"
            ),
            Flag(
                "expect",
                placeholder: "CODE,...",
                help: "Statuses that are no errors, such as OK,NOT_FOUND. Default: OK."
            ),
            Flag("messages", placeholder: "N", help: "Requests of each streaming call. Default: 1."),
            Flag(
                "contract",
                placeholder: "FROM",
                help: "Where the methods' shapes come from. Default: reflection.",
                choices: ["reflection", "trellis"]
            ),
            Flag("protoset", placeholder: "FILE", help: "A descriptor set of protoc (--include_imports) instead."),
            Flag("body", placeholder: "FILE", help: "The serialized request, for a method whose shape is not known."),
            Flag(
                "kind",
                placeholder: "KIND",
                help: "The shape of a method called with --body. Default: unary.",
                choices: CallStep.Kind.allCases.map(\.rawValue)
            ),
            Flag("interval", placeholder: "TIME", help: "Length of the intervals of the time series. Default: 1s."),
            Flag(
                "seed",
                placeholder: "N",
                help: "Begin of all random numbers, so that a run can be repeated. Default: 1."
            ),
            Flag(
                "server-pid",
                placeholder: "PID",
                help: "Shows processors and memory of this process beside the load."
            ),
            Flag(
                "server-metrics",
                placeholder: "URL",
                help: "The same, out of a metrics page: http://HOST:PORT/metrics."
            ),
            Flag(
                "bar",
                .repeated,
                placeholder: "BAR",
                help:
                    "What the run must reach, such as p99<5ms, rate>10000, errors<0.1%, GetSite:p99.9<20ms; exit code 3 when it is missed."
            ),
            Flag("strict", .toggle, help: "Exit code 4 when the generator was saturated."),
            Flag("json", placeholder: "FILE", help: "Writes the result with its whole histograms."),
            Flag("html", placeholder: "FILE", help: "Writes the result as one page with charts."),
            Flag("quiet", short: "q", .toggle, help: "Shows the report only, nothing while it runs."),
        ] + SecurityFlags.flags

    /// Between the process that was started and its workers; not for people.
    static let worker = Flag("worker", placeholder: "I/N", help: "")

    // MARK: Values

    static func whole(_ flags: ParsedFlags, _ name: String, _ range: ClosedRange<Int>) throws(UsageError) -> Int? {
        guard let text = flags[name] else { return nil }
        guard let value = Int(text), range.contains(value) else {
            throw UsageError(
                "--\(name): '\(text)' is not a whole number from \(range.lowerBound) to \(range.upperBound)"
            )
        }
        return value
    }

    static func time(_ flags: ParsedFlags, _ name: String, isZeroFine: Bool = false) throws(UsageError) -> UInt64? {
        guard let text = flags[name] else { return nil }
        guard let value = DurationText.parse(text == "0" && isZeroFine ? "0s" : text), value > 0 || isZeroFine else {
            throw UsageError("--\(name): '\(text)' is not \(DurationText.expectation)")
        }
        return value
    }

    /// All of the plan but the scenario.
    static func plan(_ flags: ParsedFlags, address: String, scenario: Scenario) throws(UsageError) -> RunPlan {
        let count = try whole(flags, "count", 1...1_000_000_000_000)
        let processes = try whole(flags, "processes", 1...RunPlan.processesMax) ?? 1
        let threads = try whole(flags, "threads", 1...RunPlan.threadsMax) ?? 1
        let connections = try whole(flags, "connections", 1...RunPlan.connectionsMax) ?? threads * processes
        let streams = try whole(flags, "streams", 1...1_000_000)
        var plan = RunPlan(
            address: address,
            scenario: scenario,
            load: try load(flags, isCounted: count != nil, users: streams.map { $0 * connections })
        )
        plan.count = count.map { UInt64($0) }
        plan.warmup = try time(flags, "warmup", isZeroFine: true) ?? (count == nil ? 1_000_000_000 : 0)
        plan.drain = try time(flags, "drain", isZeroFine: true) ?? plan.drain
        plan.interval = try time(flags, "interval") ?? plan.interval
        guard plan.interval >= 10_000_000 else { throw UsageError("--interval: at least 10ms") }
        plan.threads = threads
        // Each process has as many lanes as any other, so that they can share one schedule.
        plan.connections = (connections + processes - 1) / processes
        plan.maxInFlight =
            try whole(flags, "max-in-flight", 1...1_000_000) ?? streams.map { $0 * connections } ?? plan.maxInFlight
        plan.seed = UInt64(try whole(flags, "seed", 0...Int.max) ?? 1)
        plan.channel.security = try security(flags)
        return plan
    }

    private static func security(_ flags: ParsedFlags) throws(UsageError) -> (any ClientTransportSecurity)? {
        guard let tls = try SecurityFlags.configuration(flags, Terminal.environment, known: nil) else { return nil }
        do { return try ClientTLS(tls) } catch { throw UsageError("\(error)") }
    }

    private static func load(
        _ flags: ParsedFlags,
        isCounted: Bool,
        users: Int?
    ) throws(UsageError) -> LoadModel {
        let duration = try time(flags, "duration")
        if isCounted, duration != nil {
            throw UsageError("--count and --duration: a run ends by one of them, not both")
        }
        let seconds = isCounted ? Double.infinity : Double(duration ?? 10_000_000_000) / 1e9
        let (rates, given) = (flags.all("rate"), flags.all("users"))
        if !rates.isEmpty, !given.isEmpty {
            throw UsageError("--rate and --users: a run is an open loop (--rate) or a closed one (--users)")
        }
        if given.count + rates.count > 1, isCounted {
            throw UsageError("--count: stages go by time; give one --rate or --users")
        }
        if !rates.isEmpty {
            let stages = try Stages.parse(rates, flag: "rate", seconds: seconds)
            if isCounted, stages.stages.contains(where: { $0.from != $0.to }) {
                throw UsageError("--count: a ramp goes by time; give a --rate that stays")
            }
            guard stages.highest > 0 else { throw UsageError("--rate: one stage at least must be above 0") }
            let spacing = flags["arrivals"].flatMap { Arrivals.Spacing(rawValue: $0) } ?? .constant
            return .open(rate: stages, spacing: spacing)
        }
        if flags["arrivals"] != nil { throw UsageError("--arrivals is for the open loop: give a --rate") }
        let texts = given.isEmpty ? ["\(users ?? 10)"] : given
        let stages = try Stages.parse(texts, flag: "users", seconds: seconds)
        guard stages.highest >= 1, stages.highest <= 1_000_000 else {
            throw UsageError("--users: the highest stage must be from 1 to 1000000")
        }
        if isCounted, stages.stages.contains(where: { $0.from != $0.to }) {
            throw UsageError("--count: a ramp goes by time; give --users that stay")
        }
        return .closed(users: stages)
    }

    /// The metadata of calls that flags describe, as scenario files have it.
    static func metadata(_ flags: ParsedFlags) throws(UsageError) -> [(name: String, value: TextTemplate)] {
        var result: [(name: String, value: TextTemplate)] = []
        let scope = TemplateScope(environment: Terminal.environment)
        for text in flags.all("metadata") {
            let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 2 else { throw UsageError("--metadata: '\(text)' is not NAME=VALUE") }
            if let fault = MetadataName.fault(parts[0]) { throw UsageError("--metadata: '\(text)' \(fault)") }
            do { result.append((parts[0], try TextTemplate(parts[1], scope))) } catch {
                throw UsageError("--metadata: '\(text)': \(error)")
            }
        }
        if let token = flags["token"] ?? Terminal.environment("TRELLIS_TOKEN"),
            !result.contains(where: { $0.name == "authorization" })
        {
            result.append(("authorization", TextTemplate(constant: "Bearer \(token)")))
        }
        return result
    }

    static func expected(_ flags: ParsedFlags) throws(UsageError) -> Set<StatusCode> {
        guard let text = flags["expect"] else { return [.ok] }
        var codes: Set<StatusCode> = []
        for word in text.split(separator: ",") {
            guard let code = StatusCode.allCases.first(where: { $0.name == word.uppercased() }) else {
                let guess = Suggestion.closest(to: word.uppercased(), among: StatusCode.allCases.map(\.name))
                throw UsageError("--expect: '\(word)' is no status" + (guess.map { ": did you mean \($0)?" } ?? ""))
            }
            codes.insert(code)
        }
        guard !codes.isEmpty else { throw UsageError("--expect needs a status at least, such as OK") }
        return codes
    }
}
