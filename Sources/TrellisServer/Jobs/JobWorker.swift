import Domain
import EventLoop
import Logging
import Operations
import Postgres
import Primitives

/// How a server process works on jobs.
public struct JobLimits: Sendable {
    /// Jobs that run at once at most, each of which may hold a connection of the pool; 0: none, and no schedules are led.
    public var slots = 8
    /// For how long a job is this process's without its being heard of.
    var lease = Duration.seconds(30)
    /// How often the queue is looked at when nobody says that there is work: jobs whose time comes later.
    var pollInterval = Duration.seconds(1)
    /// How long jobs have to end that were cancelled because the server stops.
    var cancelGrace = Duration.seconds(5)

    /// The defaults above.
    public init() {}
}

/// Takes jobs from the queue and runs them, spread over the loops; keeps them its own while they run.
///
/// A job is fenced by the number of its attempt: whatever a process writes about a job that it has lost changes nothing.
final class JobWorker: @unchecked Sendable {
    // @unchecked: confined to its loop.

    /// How jobs of one kind have ended here, by ``JobVerdict/name``.
    typealias Counts = [String: [String: Int]]

    /// One attempt at a job: this process may have lost a job to itself.
    private struct Run: Hashable {
        let job: UUID
        let attempt: Int32

        init(_ job: UUID, _ attempt: Int32) { (self.job, self.attempt) = (job, attempt) }

        init(_ job: ClaimedJob) { self.init(job.jobID, job.attempts) }
    }

    /// Tells this process from others.
    let id = UUID.v7()
    private let loop: EventLoop
    private let database: Database
    private let parts: [LoopServices]
    private let registry: JobRegistry
    private let limits: JobLimits
    private let log: Logger

    private var running: [Run: RunningJob] = [:]
    private var kinds: [JobHandler]
    private var nextPart = 0
    private var isClaiming = false
    private var renewing: Task<Void, Never>?
    private var nap: Nap?
    private var drain: Nap?
    /// Whether the queue is to be looked at at once.
    private var isWoken = false
    /// Of each kind: whose job was taken last, after whom it is the next one's turn.
    private var lastHolders: [String: UUID] = [:]
    /// Whether the last look took all that there was room for.
    private var wasFull = false
    private var isStopping = false
    private var isDown = false
    /// How jobs have ended here, by kind.
    private(set) var counts: Counts = [:]

    init(_ parts: [LoopServices], _ registry: JobRegistry, _ limits: JobLimits) {
        self.parts = parts
        self.registry = registry
        self.limits = limits
        loop = parts[0].loop
        database = parts[0].database
        log = parts[0].log
        kinds = registry.handlers.values.sorted { $0.kind < $1.kind }
    }

    /// Begins to take jobs.
    func start() {
        loop.assertOnLoop()
        isClaiming = true
        loop.startTask { await self.claimUntilStopped() }
        renewing = loop.startTask { await self.renewUntilCancelled() }
    }

    /// There may be work.
    func wake() {
        loop.assertOnLoop()
        isWoken = true
        nap?.wake()
    }

    /// A job is to be given up; one of another process is its own matter.
    func cancel(_ job: UUID) {
        loop.assertOnLoop()
        for run in running.values where run.job.jobID == job { run.end(.cancelled) }
    }

    /// Takes no more jobs, gives those that run the grace to end, and gives back what has not ended by then.
    func stop(grace: Duration) async {
        loop.assertOnLoop()
        isStopping = true
        nap?.wake()
        await wait(within: grace) { isIdle }
        // Before anything is given back: a look that is under way could take it again.
        await wait(within: limits.cancelGrace) { !isClaiming }
        for job in running.values { job.end(.stopping) }
        await wait(within: limits.cancelGrace) { isIdle }
        if !running.isEmpty {
            log.warning("jobs go on after they were cancelled", metadata: ["count": "\(running.count)"])
        }
        renewing?.cancel()
        await renewing?.value
    }

    /// Whether nothing is under way.
    private var isIdle: Bool { running.isEmpty && !isClaiming }

    private func wait(within grace: Duration, until isOver: () -> Bool) async {
        let end = loop.now + grace.nanoseconds
        while !isOver() {
            let now = loop.now
            guard now < end else { return }
            let nap = Nap(on: loop, for: .nanoseconds(Int64(end - now)))
            drain = nap
            // Its own task is not cancelled: the server waits for it.
            try? await nap.wait()
            drain = nil
        }
    }

    // MARK: Taking jobs

    private func claimUntilStopped() async {
        while !isStopping {
            isWoken = false
            do {
                try await claim()
                isDown = false
            } catch {
                if !isDown { log.warning("the job queue cannot be read", metadata: ["error": "\(error)"]) }
                isDown = true
            }
            guard !isStopping, !isWoken else { continue }
            let nap = Nap(on: loop, for: limits.pollInterval)
            self.nap = nap
            // This task is never cancelled.
            try? await nap.wait()
            self.nap = nil
        }
        isClaiming = false
        drain?.wake()
    }

    private func claim() async throws(PostgresError) {
        let free = limits.slots - running.count
        guard free > 0, !kinds.isEmpty else {
            wasFull = true
            return
        }
        // Another kind is the first each time, so that none is left behind when there is little room.
        kinds.append(kinds.removeFirst())
        var wanted: [(kind: String, count: Int)] = []
        for kind in kinds {
            let count = min(free, kind.concurrency - running.values.count { $0.job.kind == kind.kind })
            if count > 0 { wanted.append((kind.kind, count)) }
        }
        let asked = loop.now
        let claimed = try await database.run(
            JobClaim(
                kinds: wanted.map(\.kind),
                counts: wanted.map { Int64($0.count) },
                afterHolders: wanted.map { lastHolders[$0.kind] ?? .zero },
                count: Int64(free),
                workerID: id,
                leaseMilliseconds: Int64(limits.lease / .milliseconds(1))
            ),
            Scope.platformSettings
        )
        let taken = Dictionary(grouping: claimed, by: \.kind).mapValues(\.count)
        wasFull = claimed.count == free || wanted.contains { taken[$0.kind] == $0.count } || wanted.count < kinds.count
        for job in claimed.sorted(by: { $0.turn < $1.turn }) {
            lastHolders[job.kind] = job.tenantID
            start(job, validUntil: asked + limits.lease.nanoseconds)
        }
        // Each holder's share may be less than there was room for.
        if !claimed.isEmpty, claimed.count < free { isWoken = true }
    }

    private func start(_ job: ClaimedJob, validUntil: UInt64) {
        guard let handler = registry.handlers[job.kind] else { preconditionFailure("only known kinds are claimed") }
        let entry = RunningJob(job, validUntil: validUntil)
        running[Run(job)] = entry
        let part = parts[nextPart % parts.count]
        nextPart += 1
        part.loop.submit { entry.begin(part.loop.startTask { await self.run(entry, handler, on: part) }) }
    }

    // MARK: Running, on the job's loop

    private func run(_ entry: RunningJob, _ handler: JobHandler, on part: LoopServices) async {
        let job = entry.job
        let context = JobContext(
            id: job.jobID,
            kind: job.kind,
            tenant: job.tenantID,
            attempt: job.attempts,
            database: part.database,
            keyring: part.keyring,
            settle: { await part.epochs.settle($0) }
        )
        let outcome: Result<[UInt8]?, any Error>
        do { outcome = .success(try await perform(entry, handler, context, on: part)) } catch {
            outcome = .failure(error)
        }
        let finished = context.finished
        let verdict = JobVerdict(entry, handler, finished, outcome)
        // A task of its own, because this one may be cancelled.
        part.loop.startTask {
            if let access = finished?.access, !access.isEmpty { await part.epochs.settle(access) }
            await self.settle(entry, handler, verdict, on: part)
        }
    }

    private func perform(
        _ entry: RunningJob,
        _ handler: JobHandler,
        _ context: JobContext,
        on part: LoopServices
    ) async throws -> [UInt8]? {
        let job = entry.job
        if let response = job.response {
            // It has taken effect, and whoever had it was lost before all servers knew.
            await part.epochs.settleEverything()
            return response
        }
        if job.isCancelled {
            entry.end(.cancelled)
            throw CancellationError()
        }
        // Servers that work on it keep dying: that is a failure, too.
        if handler.retries.pause(after: Int(job.failures)) == nil, job.failures > 0 {
            throw PermanentJobFailure(JobAbandoned(times: Int(job.failures)))
        }
        return try await handler.run(job.payload, context)
    }

    private func settle(
        _ entry: RunningJob,
        _ handler: JobHandler,
        _ verdict: JobVerdict,
        on part: LoopServices
    ) async {
        var isOurs = true
        while true {
            do {
                isOurs = try await verdict.record(entry.job, part.database)
                break
            } catch {
                // Without a database there is nobody to tell. When it does not come back in time, another server begins anew.
                guard part.loop.now < entry.validUntil else {
                    isOurs = false
                    break
                }
                try? await part.loop.sleep(for: .milliseconds(500))
            }
        }
        let known = isOurs ? verdict : .lost
        report(entry.job, handler, known)
        loop.submit { self.ended(entry, known) }
    }

    private func report(_ job: ClaimedJob, _ handler: JobHandler, _ verdict: JobVerdict) {
        var metadata: Logger.Metadata = [
            "job": "\(job.jobID)", "kind": "\(job.kind)", "attempt": "\(job.attempts)",
        ]
        if job.tenantID != .zero { metadata["tenant"] = "\(job.tenantID)" }
        switch verdict {
        case .finished, .succeeded: log.debug("a job has ended", metadata: metadata)
        case .cancelled: log.info("a job was cancelled", metadata: metadata)
        case .givenBack: log.info("a job was given back", metadata: metadata)
        case .lost: log.warning("a job was lost to another server", metadata: metadata)
        case .failed(let error):
            metadata["error"] = "\(error)"
            log.error("a job has failed for good", metadata: metadata)
        case .retried(let error, let pause):
            metadata["error"] = "\(error)"
            metadata["retry_in"] = "\(pause)"
            let failures = Int(job.failures) + 1
            if let warnsAfter = handler.retries.warnsAfter, failures >= warnsAfter {
                metadata["failures"] = "\(failures)"
                log.warning("a job keeps failing", metadata: metadata)
            } else {
                log.info("a job has failed and is tried again", metadata: metadata)
            }
        }
    }

    private func ended(_ entry: RunningJob, _ verdict: JobVerdict) {
        running[Run(entry.job)] = nil
        counts[entry.job.kind, default: [:]][verdict.name, default: 0] += 1
        drain?.wake()
        if wasFull { wake() }
    }

    // MARK: Keeping them

    private func renewUntilCancelled() async {
        while !Task.isCancelled {
            // Cancelled: the loop sees it.
            try? await loop.sleep(for: limits.lease / 3)
            await renew()
        }
    }

    /// Says that the jobs that run here still do.
    private func renew() async {
        let entries = Array(running.values)
        guard !entries.isEmpty, !Task.isCancelled else { return }
        let asked = loop.now
        do {
            let rows = try await database.run(
                JobRenew(
                    leaseMilliseconds: Int64(limits.lease / .milliseconds(1)),
                    tenants: entries.map(\.job.tenantID),
                    jobs: entries.map(\.job.jobID),
                    attempts: entries.map(\.job.attempts)
                ),
                Scope.platformSettings
            )
            let kept = Dictionary(uniqueKeysWithValues: rows.map { (Run($0.jobID, $0.attempts), $0.isCancelled) })
            for entry in entries {
                switch kept[Run(entry.job)] {
                case nil: entry.end(.lost)
                case false?: entry.validUntil = asked + limits.lease.nanoseconds
                case true?:
                    entry.validUntil = asked + limits.lease.nanoseconds
                    entry.end(.cancelled)
                }
            }
        } catch {
            for entry in entries where entry.validUntil <= loop.now { entry.end(.lost) }
        }
    }
}

/// Servers that worked on a job were not heard of again, as often as the job is tried.
private struct JobAbandoned: Error, CustomStringConvertible {
    let times: Int

    var description: String { "servers that worked on it were not heard of again, or it failed, \(times) times" }
}

extension Duration {
    /// Whole nanoseconds.
    fileprivate var nanoseconds: UInt64 { UInt64(self / .nanoseconds(1)) }
}
