import Domain
import EventLoop
import Operations
import Postgres

/// What a server process does beside its calls: the jobs that it takes from the queue, and the schedules, if it leads.
final class Background: @unchecked Sendable {
    // @unchecked: confined to its loop.

    /// By this name `pg_stat_activity` shows the session that listens, and that leads the schedules, of each server.
    static let applicationName = "trellis-jobs"

    private let worker: JobWorker
    private let leader: ScheduleLeader
    private let signals: JobSignals
    private let part: LoopServices

    /// Begins. On the first loop.
    init(_ parts: [LoopServices], _ registry: JobRegistry, _ limits: JobLimits) {
        let (loop, worker) = (parts[0].loop, JobWorker(parts, registry, limits))
        part = parts[0]
        let signals = part.jobSignals
        self.signals = signals
        self.worker = worker
        let leader = ScheduleLeader(part, registry.schedules)
        self.leader = leader
        let session = part.database.listen(to: [JobSignals.channel], applicationName: Self.applicationName) {
            [weak leader] event in
            switch event {
            case .notified(let notification): signals.heard(notification.payload)
            case .listening: signals.missed()
            case .lost: leader?.sessionWasLost()
            }
        }
        guard limits.slots > 0 else { return }
        signals.tell(
            queued: { loop.submit { worker.wake() } },
            cancelled: { id in loop.submit { worker.cancel(id) } }
        )
        worker.start()
        leader.start(on: session)
    }

    /// Leads no more, takes no more jobs, and gives those that run the grace to end. From wherever.
    func stop(grace: Duration) async {
        await part.loop.run { [leader, worker] in
            await leader.stop()
            await worker.stop(grace: grace)
        }
        signals.tell(queued: nil, cancelled: nil)
    }

    /// What `/metrics` shows of jobs: of this process, and, when the database answers, of the queue. From wherever.
    func metrics() async -> JobMetrics {
        await part.loop.run { [part, worker, leader] in
            var settings = Scope.platformSettings
            settings.deadline = part.loop.now + 2_000_000_000
            return JobMetrics(
                queue: try? await part.database.run(JobCounts(), settings),
                ended: worker.counts,
                leads: leader.leads
            )
        }
    }
}

/// What `/metrics` shows of jobs.
struct JobMetrics: Sendable {
    /// What waits and runs on all servers, by kind; nil when the database does not answer.
    let queue: [JobCountsRow]?
    /// How jobs have ended in this process, by kind.
    let ended: JobWorker.Counts
    /// Whether this process starts the jobs of the schedules.
    let leads: Bool

    func write(_ out: inout PrometheusText) {
        out.begin("trellis_scheduler_leads", "gauge", "Whether this process starts the jobs of the schedules.")
        out.sample("trellis_scheduler_leads", leads ? 1 : 0)
        out.begin("trellis_jobs_ended_total", "counter", "Runs of jobs that ended here, by kind and outcome.")
        for (kind, outcomes) in ended.sorted(by: { $0.key < $1.key }) {
            for name in JobVerdict.names {
                guard let count = outcomes[name] else { continue }
                out.sample("trellis_jobs_ended_total", count, ["kind": kind, "outcome": name])
            }
        }
        guard let queue else { return }
        out.begin("trellis_jobs_queued", "gauge", "Jobs of all servers that wait, by kind.")
        for row in queue { out.sample("trellis_jobs_queued", row.queued, ["kind": row.kind]) }
        out.begin("trellis_jobs_running", "gauge", "Jobs of all servers that run, by kind.")
        for row in queue { out.sample("trellis_jobs_running", row.running, ["kind": row.kind]) }
        out.begin("trellis_jobs_lag_seconds", "gauge", "For how long the oldest job has been due, by kind.")
        for row in queue { out.sample("trellis_jobs_lag_seconds", row.lag, ["kind": row.kind]) }
    }
}
