public import Primitives
public import Protobuf
public import TrellisAPI

/// A kind of background work: its name, what it is told, and how it is run.
///
/// A job runs at least once: a server that is killed while it works on one, or loses the database before it could say that
/// the job has ended, leaves it to another, which begins anew. So a job that runs twice must do no harm. Two ways there: say
/// what is to be so and not what is to be done ("no row is older than a day"), or do everything in the one
/// transaction that ends the job, too: ``JobContext/finish(_:)``.
///
/// The payload is kept for 30 days after the job has ended: put ids in it, not personal data.
public struct JobKind<Payload: Message>: Sendable {
    /// The kind's name: the area and what is done, such as "tenancy.purge_users". Never changed, as jobs of it wait.
    public let name: String
    /// What becomes of a job that fails.
    public let retries: RetryPolicy
    /// How many jobs of this kind a server process runs at once at most.
    public let concurrency: Int

    /// Declares a kind; a constant of its area.
    public init(_ name: String, retries: RetryPolicy = .standard, concurrency: Int = .max) {
        self.name = name
        self.retries = retries
        self.concurrency = concurrency
    }
}

/// A kind of background work whose progress and result are shown to who started it: a long-running operation.
///
/// What ``JobKind`` says of jobs holds for operations.
public struct OperationKind<Payload: Message, Response: Message>: Sendable {
    /// The kind as a job.
    public let job: JobKind<Payload>

    /// Declares a kind; a constant of its area.
    public init(_ name: String, retries: RetryPolicy = .standard, concurrency: Int = .max) {
        job = JobKind(name, retries: retries, concurrency: concurrency)
    }
}

/// How jobs of one kind are run, whatever their payload is.
public struct JobHandler: Sendable {
    /// The kind's name.
    public let kind: String
    /// What becomes of a job that fails.
    public let retries: RetryPolicy
    /// How many of them a server process runs at once at most.
    public let concurrency: Int
    /// Does the work; answers with the serialized google.protobuf.Any that an operation leads to.
    public let run: @Sendable (_ payload: [UInt8], JobContext) async throws -> [UInt8]?
}

/// Everything that a server can run, and when it runs by itself.
public struct JobRegistry: Sendable {
    /// By kind.
    public private(set) var handlers: [String: JobHandler] = [:]
    /// What starts jobs at given times.
    public private(set) var schedules: [ScheduledJob] = []

    /// Nothing.
    public init() {}

    /// Says how jobs of a kind are run. Once for each kind.
    public mutating func handle<Payload: Message>(
        _ kind: JobKind<Payload>,
        _ body: @escaping @Sendable (Payload, JobContext) async throws -> Void
    ) {
        add(kind) { payload, context in
            try await body(try Self.decode(payload), context)
            return nil
        }
    }

    /// Says how operations of a kind are run: the handler answers with what they lead to. Once for each kind.
    public mutating func handle<Payload: Message, Response: Message>(
        _ kind: OperationKind<Payload, Response>,
        _ body: @escaping @Sendable (Payload, JobContext) async throws -> Response
    ) {
        add(kind.job) { payload, context in
            AnyMessage(packing: try await body(try Self.decode(payload), context)).serialized()
        }
    }

    /// Starts a job of the platform whenever its time comes, once for all servers. When the one before has not ended, there
    /// is no other. Times that passed while no server ran are made up for by one job.
    public mutating func schedule<Payload: Message>(
        _ name: String,
        _ timing: ScheduleTiming,
        _ kind: JobKind<Payload>,
        _ payload: Payload
    ) {
        precondition(!schedules.contains { $0.name == name }, "there are two schedules \(name)")
        schedules.append(
            ScheduledJob(name: name, timing: timing, kind: kind.name, payload: payload.serialized())
        )
    }

    /// Takes over what another registry has.
    public mutating func merge(_ other: JobRegistry) {
        handlers.merge(other.handlers) { _, new in preconditionFailure("there are two handlers of \(new.kind)") }
        schedules += other.schedules
    }

    private mutating func add<Payload: Message>(
        _ kind: JobKind<Payload>,
        _ run: @escaping @Sendable ([UInt8], JobContext) async throws -> [UInt8]?
    ) {
        precondition(handlers[kind.name] == nil, "there are two handlers of \(kind.name)")
        handlers[kind.name] = JobHandler(
            kind: kind.name,
            retries: kind.retries,
            concurrency: kind.concurrency,
            run: run
        )
    }

    private static func decode<Payload: Message>(_ bytes: [UInt8]) throws -> Payload {
        do { return try Payload(serialized: bytes) } catch { throw PermanentJobFailure(error) }
    }
}

/// A job that is started at given times.
public struct ScheduledJob: Sendable {
    /// The schedule's name, in lower case with hyphens.
    public let name: String
    /// When.
    public let timing: ScheduleTiming
    /// Of which kind the job is.
    public let kind: String
    /// The job's payload, serialized.
    public let payload: [UInt8]
}

/// When a schedule starts its jobs.
public enum ScheduleTiming: Sendable, Equatable, CustomStringConvertible {
    /// At the times of a cron expression, in UTC.
    case cron(CronExpression)
    /// At intervals, of whole seconds, counted from the Unix epoch.
    case every(seconds: Int64)

    /// The first time after an instant; nil when there is none.
    public func next(after instant: Instant) -> Instant? {
        switch self {
        case .cron(let expression): return expression.next(after: instant)
        case .every(let seconds):
            let count = instant.secondsFloor / seconds + 1
            return Instant(microseconds: count * seconds * 1_000_000)
        }
    }

    /// As the schedule's row has it.
    public var description: String {
        switch self {
        case .cron(let expression): expression.text
        case .every(let seconds): "every \(seconds) s"
        }
    }
}

extension AnyMessage {
    /// A message with the name of its type.
    public init<Packed: Message>(packing message: Packed) {
        self.init(typeURL: "type.googleapis.com/\(Packed.fullName)", value: message.serialized())
    }
}
