internal import Files
internal import Primitives
internal import Protobuf
internal import Terminal

/// Results as JSON: the schema is in docs/load.md, "Results".
extension RunResult {
    /// What the member `schema` is. A reader refuses any other; a change that old readers would misread makes a new number.
    static let schema = "trellis-load/1"
    /// The largest file of results that is read, in bytes.
    static let fileBytesMax = 1 << 30

    var json: JSONValue {
        .object([
            ("schema", .string(Self.schema)),
            ("program", .string("trellis-load \(ProgramVersion.current)")),
            ("startedAt", .string(Instant(microseconds: startedAt).rfc3339)),
            ("seconds", .number("\(seconds)")),
            ("intervalSeconds", .number("\(intervalSeconds)")),
            ("openLoop", .bool(isOpenLoop)),
            ("endedEarly", .string(endedEarly)),
            ("configuration", .object(configuration)),
            ("calls", .array(calls.map { $0.json(seconds) })),
            ("flows", .array(flows.map { $0.json(seconds) })),
            ("generator", generator.json),
            (
                "server",
                .array(
                    server.map { sample in
                        .object([
                            ("second", .number("\(sample.second)")), ("processors", .number("\(sample.processors)")),
                            ("residentBytes", .number("\(sample.residentBytes)")),
                        ])
                    }
                )
            ),
        ])
    }

    /// Reads what ``json`` writes.
    ///
    /// - Throws: `UsageError` that names the member that is wrong.
    init(_ value: JSONValue) throws(UsageError) {
        let reader = ResultReader(value, "")
        let schema = try reader.text("schema")
        guard schema == Self.schema else {
            throw UsageError("schema is \"\(schema)\"; this program reads \(Self.schema)")
        }
        let started = try reader.text("startedAt")
        guard let startedAt = Instant(rfc3339: started) else {
            throw UsageError("startedAt is \"\(started)\"; it must be a time such as 2026-11-25T22:00:00Z")
        }
        self.init(
            startedAt: startedAt.microseconds,
            seconds: try reader.double("seconds"),
            intervalSeconds: try reader.double("intervalSeconds"),
            isOpenLoop: try reader.bool("openLoop"),
            endedEarly: try reader.text("endedEarly"),
            configuration: value["configuration"]?.members ?? [],
            calls: try reader.list("calls").map { call throws(UsageError) in try CallResult(call) },
            flows: try reader.list("flows").map { flow throws(UsageError) in try CallResult(flow) },
            generator: try GeneratorResult(try reader.member("generator")),
            server: try reader.list("server").map { sample throws(UsageError) in
                ServerSample(
                    second: try sample.double("second"),
                    processors: try sample.double("processors"),
                    residentBytes: try sample.count("residentBytes")
                )
            }
        )
        guard intervalSeconds > 0, seconds >= 0 else {
            throw UsageError("seconds and intervalSeconds must not be below 0, and the latter not 0")
        }
    }

    /// Reads a file of results.
    static func read(_ path: String) throws(UsageError) -> RunResult {
        let bytes: [UInt8]
        do { bytes = try Files.read(path) } catch { throw UsageError(error.description) }
        let value: JSONValue
        do {
            let limits = JSONLimits(depth: JSONLimits.standard.depth, sizeBytes: fileBytesMax)
            value = try JSONValue(parsing: String(decoding: bytes, as: UTF8.self), limits: limits)
        } catch {
            throw UsageError("'\(path)' is no JSON: \(error)")
        }
        do { return try RunResult(value) } catch { throw UsageError("'\(path)': \(error)") }
    }
}

extension CallResult {
    /// - Parameter seconds: the measured time, for the rate, which is written for people and not read back.
    func json(_ seconds: Double) -> JSONValue {
        func number(_ value: UInt64) -> JSONValue { .number("\(value)") }
        return .object([
            ("name", .string(name)), ("method", .string(method)), ("calls", number(calls)), ("failed", number(failed)),
            ("endedWithin", number(endedWithin)),
            ("ratePerSecond", .number("\(seconds > 0 ? Double(endedWithin) / seconds : 0)")),
            ("sentMessages", number(sentMessages)), ("receivedMessages", number(receivedMessages)),
            ("sentBytes", number(sentBytes)), ("receivedBytes", number(receivedBytes)),
            (
                "statuses",
                .array(
                    statuses.map { status in
                        .object([
                            ("code", .number("\(status.code)")), ("message", .string(status.message)),
                            ("isError", .bool(status.isError)), ("count", number(status.count)),
                        ])
                    }
                )
            ),
            ("latency", latency.json), ("serviceTime", serviceTime.json), ("failedLatency", failedLatency.json),
            ("messageLatency", messageLatency.json),
            (
                "intervals",
                .array(
                    intervals.map { interval in
                        .object([
                            ("index", .number("\(interval.index)")), ("calls", number(interval.calls)),
                            ("failed", number(interval.failed)), ("latency", interval.latency.json),
                        ])
                    }
                )
            ),
        ])
    }

    init(_ reader: ResultReader) throws(UsageError) {
        self.init(
            name: try reader.text("name"),
            method: try reader.text("method"),
            calls: try reader.count("calls"),
            failed: try reader.count("failed"),
            endedWithin: try reader.count("endedWithin"),
            sentMessages: try reader.count("sentMessages"),
            receivedMessages: try reader.count("receivedMessages"),
            sentBytes: try reader.count("sentBytes"),
            receivedBytes: try reader.count("receivedBytes"),
            statuses: try reader.list("statuses").map { status throws(UsageError) in
                StatusCount(
                    code: Int(try status.count("code", most: 10_000)),
                    message: try status.text("message"),
                    isError: try status.bool("isError"),
                    count: try status.count("count")
                )
            },
            latency: try reader.histogram("latency").dense,
            serviceTime: try reader.histogram("serviceTime").dense,
            failedLatency: try reader.histogram("failedLatency").dense,
            messageLatency: try reader.histogram("messageLatency").dense,
            intervals: try reader.list("intervals").map { interval throws(UsageError) in
                IntervalResult(
                    index: Int(try interval.count("index", most: 100_000_000)),
                    calls: try interval.count("calls"),
                    failed: try interval.count("failed"),
                    latency: try interval.histogram("latency")
                )
            }
        )
    }
}

extension GeneratorResult {
    var json: JSONValue {
        .object([
            ("lag", lag.json), ("threads", .array(threads.map { .number("\($0)") })),
            ("machine", machine.map { .number("\($0)") } ?? .null), ("scheduled", .number("\(scheduled)")),
            ("unsent", .number("\(unsent)")), ("unfinished", .number("\(unfinished)")),
            ("highestInFlight", .number("\(highestInFlight)")),
        ])
    }

    init(_ reader: ResultReader) throws(UsageError) {
        lag = try reader.histogram("lag").dense
        threads = try reader.list("threads").map { value throws(UsageError) in try value.double() }
        if reader.value["machine"] != .null { machine = try reader.double("machine") }
        scheduled = try reader.count("scheduled")
        unsent = try reader.count("unsent")
        unfinished = try reader.count("unfinished")
        highestInFlight = try reader.count("highestInFlight")
    }
}

extension Histogram {
    var json: JSONValue { sparse.json }
}

extension SparseHistogram {
    /// Slots by their lowest value in nanoseconds, each followed by its count.
    var json: JSONValue {
        .object([
            ("count", .number("\(count)")), ("sum", .number("\(sum)")), ("min", .number("\(minimum)")),
            ("max", .number("\(maximum)")),
            (
                "slots",
                .array(
                    slots.flatMap { slot in
                        [.number("\(Histogram.value(at: Int(slot.index)))"), .number("\(slot.count)")] as [JSONValue]
                    }
                )
            ),
        ])
    }
}

/// Reads members of a result, and names the one that is wrong.
struct ResultReader {
    let value: JSONValue
    private let path: String

    init(_ value: JSONValue, _ path: String) {
        self.value = value
        self.path = path
    }

    private func wrong(_ name: String, _ expected: String) -> UsageError {
        UsageError("\(path.isEmpty ? "" : path + ".")\(name) is missing or wrong; it must be \(expected)")
    }

    func member(_ name: String) throws(UsageError) -> ResultReader {
        guard let member = value[name], case .object = member else { throw wrong(name, "an object") }
        return ResultReader(member, path.isEmpty ? name : "\(path).\(name)")
    }

    func list(_ name: String) throws(UsageError) -> [ResultReader] {
        guard let elements = value[name]?.elements else { throw wrong(name, "an array") }
        return elements.enumerated().map { ResultReader($1, "\(path.isEmpty ? "" : path + ".")\(name)[\($0)]") }
    }

    func text(_ name: String) throws(UsageError) -> String {
        guard let text = value[name]?.text else { throw wrong(name, "a text") }
        return text
    }

    func bool(_ name: String) throws(UsageError) -> Bool {
        guard case .bool(let value)? = value[name] else { throw wrong(name, "true or false") }
        return value
    }

    func double(_ name: String) throws(UsageError) -> Double {
        guard case .number(let text)? = value[name], let number = Double(text), number.isFinite else {
            throw wrong(name, "a number")
        }
        return number
    }

    func double() throws(UsageError) -> Double {
        guard case .number(let text) = value, let number = Double(text), number.isFinite else {
            throw UsageError("\(path) must be a number")
        }
        return number
    }

    /// Whole numbers that doubles hold exactly, unless it says otherwise: sums of them cannot overflow.
    func count(_ name: String, most: UInt64 = 1 << 53) throws(UsageError) -> UInt64 {
        guard case .number(let text)? = value[name], let number = UInt64(text), number <= most else {
            throw wrong(name, "a whole number from 0 to \(most)")
        }
        return number
    }

    func histogram(_ name: String) throws(UsageError) -> SparseHistogram {
        let member = try member(name)
        guard let numbers = member.value["slots"]?.elements, numbers.count.isMultiple(of: 2) else {
            throw member.wrong("slots", "an array of pairs")
        }
        var slots: [SparseHistogram.Slot] = []
        var sum: UInt64 = 0
        for pair in stride(from: 0, to: numbers.count, by: 2) {
            guard case .number(let low) = numbers[pair], case .number(let times) = numbers[pair + 1],
                let value = UInt64(low), let count = UInt64(times), value <= Histogram.highestTrackable, count > 0
            else { throw member.wrong("slots", "pairs of a value and a count above 0") }
            let index = Histogram.index(of: value)
            let (total, isTooMuch) = sum.addingReportingOverflow(count)
            guard Histogram.value(at: index) == value, !isTooMuch, slots.last.map({ $0.index < index }) ?? true else {
                throw member.wrong("slots", "slots of three digits in rising order")
            }
            sum = total
            slots.append(.init(index: UInt32(index), count: count))
        }
        guard try member.count("count") == sum else { throw member.wrong("count", "the sum of the slots, \(sum)") }
        let (low, high) = (try member.count("min"), try member.count("max"))
        if let first = slots.first, let last = slots.last {
            let top = min(Histogram.index(of: high), Histogram.index(of: Histogram.highestTrackable))
            guard Histogram.index(of: low) == first.index, top == last.index, low <= high else {
                throw member.wrong("min", "a value of the first slot, and max one of the last")
            }
        }
        return SparseHistogram(
            slots: slots,
            count: sum,
            sum: try member.count("sum", most: .max),
            minimum: low,
            maximum: high
        )
    }
}
