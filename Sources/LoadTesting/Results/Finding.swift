/// What makes a result mean less than it seems to: said loudly beside the figures.
struct Finding: Sendable, Equatable {
    /// What is wrong.
    enum Kind: String, Sendable {
        /// The generator, not the server, set the figures.
        case saturated
        /// Part of the load never reached the server, or never came back.
        case missing
        /// Something to know when reading.
        case note
    }

    /// From which part of a processor on a thread counts as busy all the time.
    static let busyThread = 0.9
    /// From which part of the machine's processors on it counts as full.
    static let busyMachine = 0.95
    /// How late the 99th percentile of the generator's own clock may be, in nanoseconds.
    static let lagMax: UInt64 = 1_000_000

    /// From how many values on that percentile means anything.
    static let lagValuesMin: UInt64 = 100

    let kind: Kind
    let text: String

    /// What there is to say of a result.
    static func all(_ result: RunResult) -> [Finding] {
        var findings: [Finding] = []
        func add(_ kind: Kind, _ text: String) { findings.append(Finding(kind: kind, text: text)) }
        let generator = result.generator
        let busy = generator.threads.filter { $0 >= busyThread }.count
        if busy > 0 {
            let highest = NumberText.percent(generator.threads.max() ?? 0)
            add(
                .saturated,
                "the generator was saturated: \(busy) of its \(generator.threads.count) threads used up to \(highest) of a "
                    + "processor. The server may be faster than this. Give it --threads or --processes on free processors."
            )
        }
        let lag = generator.lag.value(atQuantile: 0.99)
        if lag > lagMax, generator.lag.count >= lagValuesMin {
            let what = result.isOpenLoop ? "began 1 % of the calls" : "was for 1 % of its time"
            add(
                .saturated,
                "the generator lagged: it \(what) \(DurationText.show(lag)) late or more (at most "
                    + "\(DurationText.show(generator.lag.maximum))), which is in the latencies. It needs free processors."
            )
        }
        if let machine = generator.machine, machine >= busyMachine {
            add(
                .note,
                "all processors of the generator's machine were \(NumberText.percent(machine)) busy: whatever else ran "
                    + "there, the server included, competed with the generator."
            )
        }
        if generator.unsent > 0 {
            let part = Double(generator.unsent) / Double(max(1, generator.scheduled))
            add(
                .missing,
                "\(NumberText.grouped(generator.unsent)) of \(NumberText.grouped(generator.scheduled)) arrivals "
                    + "(\(NumberText.percent(part))) were not sent because as many calls as --max-in-flight allows were "
                    + "under way. Their latency is in no percentile."
            )
        }
        if generator.unfinished > 0 {
            add(
                .missing,
                "\(NumberText.grouped(generator.unfinished)) iterations had not ended when the run gave up waiting for "
                    + "them (--drain). Their latency is in no percentile."
            )
        }
        if !result.endedEarly.isEmpty { add(.note, "ended early: \(result.endedEarly).") }
        return findings
    }
}
