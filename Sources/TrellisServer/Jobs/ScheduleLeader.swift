import Domain
import EventLoop
import Logging
import Operations
import Postgres
import Primitives

/// Starts the jobs of the schedules, in one of the servers of a database: the one whose listening session holds the advisory
/// lock. A session that is lost loses the lock, and another server goes on.
///
/// Even two that believe to lead start each time once: the statement that makes the job also moves the time on.
final class ScheduleLeader: @unchecked Sendable {
    // @unchecked: confined to its loop.

    private let loop: EventLoop
    private let database: Database
    private let schedules: [ScheduledJob]
    private let interval: Duration
    private let log: Logger
    private var task: Task<Void, Never>?
    private var isFailing = false
    /// Whether this process leads.
    private(set) var leads = false

    /// - Parameter interval: how often it looks for what is due, and how often others look for whether somebody leads.
    init(_ part: LoopServices, _ schedules: [ScheduledJob], interval: Duration = .seconds(1)) {
        loop = part.loop
        database = part.database
        log = part.log
        self.schedules = schedules
        self.interval = interval
    }

    /// Begins to lead, or to wait until nobody does. The session holds the lock, and may have to be opened anew.
    func start(on session: NotificationListener) {
        loop.assertOnLoop()
        task = loop.startTask { await self.runUntilCancelled(session) }
    }

    /// Leads no more; the lock goes with the session.
    func stop() async {
        loop.assertOnLoop()
        task?.cancel()
        await task?.value
        leads = false
    }

    /// The session was lost, and with it the lock.
    func sessionWasLost() { leads = false }

    private func runUntilCancelled(_ session: NotificationListener) async {
        while !Task.isCancelled {
            do {
                try await lead(session)
                isFailing = false
            } catch {
                leads = false
                if !isFailing, !Task.isCancelled {
                    log.warning("no jobs of schedules can be started", metadata: ["error": "\(error)"])
                }
                isFailing = true
            }
            // Cancelled: the loop sees it.
            try? await loop.sleep(for: interval)
        }
    }

    /// Asks for the lock, which whoever has it gets again, and starts what is due.
    private func lead(_ session: NotificationListener) async throws {
        guard session.process != nil, try await session.run(LeadershipTake()).certain.isTaken else {
            leads = false
            return
        }
        if !leads {
            try await declare()
            leads = true
            log.info("this server leads the schedules")
        }
        for due in try await database.run(ScheduleDue(), Scope.platformSettings) {
            guard let schedule = schedules.first(where: { $0.name == due.name }),
                let following = schedule.timing.next(after: max(due.now, due.nextTime))
            else { continue }
            _ = try await database.run(
                ScheduleStart(
                    scheduleName: due.name,
                    nextTime: due.nextTime,
                    jobID: .v7(),
                    kind: schedule.kind,
                    payload: schedule.payload,
                    following: following
                ),
                Scope.platformSettings
            )
        }
    }

    /// Makes the schedules known, and forgets those that are no longer declared.
    private func declare() async throws {
        let now = try await database.run(ProbeDatabase(), Scope.platformSettings).certain.time
        let known = schedules.compactMap { schedule -> ScheduleDeclare? in
            guard let next = schedule.timing.next(after: now) else { return nil }
            return ScheduleDeclare(
                scheduleName: schedule.name,
                expression: schedule.timing.description,
                kind: schedule.kind,
                nextTime: next
            )
        }
        _ = try await database.run(all: known, settings: Scope.platformSettings)
        let names = schedules.map(\.name)
        _ = try await database.run(ScheduleForgetOthers(scheduleNames: names), Scope.platformSettings)
    }
}
