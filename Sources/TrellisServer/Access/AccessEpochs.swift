import Domain
import EventLoop
import Logging
import Postgres
import Primitives

/// Lets all servers of a database know of each change of who may do what, and those who made it know when they all do.
/// Decision 0010.
///
/// Whoever changes access sends a notification with the change (`Work.changesAccess`). Each server has one session that
/// listens; it forgets the tenant's callers on all its loops, and sends an acknowledgement. A call that has changed access is
/// answered when all sessions that listen have acknowledged, or after ``lease`` and a margin: a server whose session does
/// not answer within the lease stops trusting what it remembers, by itself, and asks the database with each call.
///
/// So two things are promised. Once such a call is answered, no server acts on what was true before. And a server that
/// cannot hear is slower, not wrong.
final class AccessEpochs: @unchecked Sendable {
    // @unchecked: confined to its loop.

    /// For how long after a question to which the listening session has an answer what is remembered may be trusted.
    static let lease = Duration.milliseconds(500)
    /// The pause between two such questions.
    static let interval = Duration.milliseconds(100)
    /// By how much longer than the lease whoever waits for others waits: more than `EventLoop.recently` may be behind.
    static let margin = Duration.milliseconds(50)
    /// By this name `pg_stat_activity` shows the listening sessions of all servers.
    static let applicationName = "trellis-access"

    private static let changeChannel = "trellis_access"
    private static let ackChannel = "trellis_access_ack"
    /// Changes in one acknowledgement: PostgreSQL takes less than 8,000 bytes.
    private static let changesPerAck = 100

    /// A change as it is notified and acknowledged: `<tenant> <epoch>`.
    private typealias Change = String

    private let database: Database
    private let news: [AccessNews]
    private let log: Logger
    private var listener: NotificationListener?
    private var heart: Task<Void, Never>?

    /// Since when the session listens; nil while there is none.
    private var listeningSince: UInt64?
    /// Since when this server has looked who listens without a pause longer than the lease.
    private var watchingSince: UInt64?
    /// When it last did.
    private var lastLook: UInt64 = 0
    /// When each listening session, by its server process, was last seen; forgotten after two leases.
    private var seen: [Int32: UInt64] = [:]
    /// Who has acknowledged what, lately.
    private var acks: [Change: Set<Int32>] = [:]
    private var ackTimes: [(time: UInt64, change: Change)] = []
    /// Acknowledgements to be sent at the end of the turn.
    private var unsent: [Change] = []
    private var waiters: [Waiter] = []

    /// Somebody who waits for acknowledgements, or, without changes, for the time to pass.
    private final class Waiter {
        let changes: [Change]?
        let processes: Set<Int32>
        private var continuation: CheckedContinuation<Void, Never>?
        var timer: LoopTimer?

        init(_ changes: [Change]?, _ processes: Set<Int32>, _ continuation: CheckedContinuation<Void, Never>) {
            self.changes = changes
            self.processes = processes
            self.continuation = continuation
        }

        func finish() {
            timer?.cancel()
            continuation.take()?.resume()
        }
    }

    init(_ database: Database, _ news: [AccessNews], _ log: Logger) {
        self.database = database
        self.news = news
        self.log = log
    }

    private var loop: EventLoop { database.loop }

    // MARK: Life

    /// Begins to listen, for as long as the database is open. On its loop.
    func start() {
        loop.assertOnLoop()
        listener = database.listen(
            to: [Self.changeChannel, Self.ackChannel],
            applicationName: Self.applicationName
        ) { [weak self] event in self?.handle(event) }
        heart = loop.startTask { [weak self, loop] in
            // Sleeping ends with an error when the server stops.
            while (try? await loop.sleep(for: Self.interval)) != nil { await self?.look() }
        }
    }

    /// Stops looking; the listening session ends with the database. On its loop.
    func stop() {
        loop.assertOnLoop()
        heart?.cancel()
        distrust()
        for waiter in waiters { waiter.finish() }
        waiters = []
    }

    private func handle(_ event: ListenerEvent) {
        switch event {
        case .listening:
            // What changed while nobody listened was not heard; what was asked meanwhile may be older than that.
            for inbox in news { inbox.tell(of: nil) }
            listeningSince = loop.now
            loop.startTask { [weak self] in await self?.look() }
        case .lost:
            distrust()
        case .notified(let notification):
            if notification.channel == Self.changeChannel {
                changed(notification.payload)
            } else {
                acknowledged(notification)
            }
        }
    }

    private func distrust() {
        listeningSince = nil
        watchingSince = nil
        for inbox in news { inbox.trustedUntil = 0 }
    }

    // MARK: Hearing

    private func changed(_ change: Change) {
        guard let tenant = change.split(separator: " ").first.flatMap({ UUID($0) }) else {
            log.warning("a change of access was notified that names no tenant", metadata: ["payload": "\(change)"])
            return
        }
        for inbox in news { inbox.tell(of: tenant) }
        if unsent.isEmpty { loop.atTurnEnd { [weak self] in self?.acknowledge() } }
        unsent.append(change)
    }

    /// Tells all servers that this one acts on what it has heard in this turn.
    private func acknowledge() {
        let changes = unsent
        unsent = []
        for start in stride(from: 0, to: changes.count, by: Self.changesPerAck) {
            let part = changes[start..<min(start + Self.changesPerAck, changes.count)].joined(separator: "\n")
            loop.startTask { [self] in
                do {
                    _ = try await listener?.run(AccessNotify(channel: Self.ackChannel, payload: part))
                } catch {
                    // Whoever waits for it waits for the whole lease instead.
                    log.warning("changes of access could not be acknowledged", metadata: ["error": "\(error)"])
                }
            }
        }
    }

    private func acknowledged(_ notification: DatabaseNotification) {
        let now = loop.now
        for change in notification.payload.split(separator: "\n").map(String.init) {
            if acks[change] == nil { ackTimes.append((now, change)) }
            acks[change, default: []].insert(notification.sender)
        }
        let old = ackTimes.prefix { now - $0.time > Self.nanoseconds(Self.lease * 2) }
        for entry in old { acks[entry.change] = nil }
        ackTimes.removeFirst(old.count)
        let (done, open) = (waiters.filter(isDone), waiters.filter { !isDone($0) })
        waiters = open
        for waiter in done { waiter.finish() }
    }

    private func isDone(_ waiter: Waiter) -> Bool {
        waiter.changes?.allSatisfy { waiter.processes.isSubset(of: acks[$0] ?? []) } ?? false
    }

    // MARK: Looking

    /// Asks the listening session who listens: its answer says, too, that everything committed before has been heard.
    private func look() async {
        guard let listener, let since = listeningSince else { return }
        let asked = loop.now
        let rows: [AccessListenersRow]
        do {
            rows = try await listener.run(AccessListeners(applicationName: Self.applicationName))
        } catch {
            // The listener says so itself when its session is over.
            log.debug("the session that listens did not answer", metadata: ["error": "\(error)"])
            return
        }
        guard listeningSince == since else { return }
        let (now, lease) = (loop.now, Self.nanoseconds(Self.lease))
        if watchingSince == nil || now - lastLook > lease { watchingSince = now }
        lastLook = asked
        for row in rows { seen[row.process] = asked }
        seen = seen.filter { now - $0.value <= 2 * lease }
        // A session is trusted only after it has been there for so long that all others have seen it: see `settle`.
        guard asked - since >= lease else { return }
        for inbox in news { inbox.trustedUntil = asked + lease }
    }

    // MARK: Waiting for the others

    /// Waits until no server acts any more on what was true before changes that are committed: tenants, each with its epoch.
    /// At most ``lease`` and ``margin``. From any loop.
    func settle(_ access: [UUID: Int64]) async {
        await loop.run { [self] in await wait(for: Self.changes(access)) }
    }

    /// Waits for what an earlier call has changed in tenants: the servers are notified again. From any loop.
    ///
    /// - Returns: the epoch of each; nothing when the database did not say.
    func settleAgain(_ tenants: [UUID]) async -> [UUID: Int64] {
        await loop.run { [self] in
            do {
                let announced = try await database.run(AccessEpochAnnounce(tenants: tenants), Scope.platformSettings)
                let access = Dictionary(uniqueKeysWithValues: announced.map { ($0.tenantID, $0.epoch) })
                await wait(for: Self.changes(access))
                return access
            } catch {
                log.warning("changes of access could not be notified again", metadata: ["error": "\(error)"])
                await sleepLease(from: loop.now)
                return [:]
            }
        }
    }

    /// Waits until no server acts any more on what was true before anything that is committed by now, whosever access it changed:
    /// ``lease`` and ``margin``. From any loop.
    func settleEverything() async { await loop.run { [self] in await sleepLease(from: loop.now) } }

    private static func changes(_ access: [UUID: Int64]) -> [Change] { access.map { "\($0.key) \($0.value)" } }

    private func wait(for changes: [Change]) async {
        let begin = loop.now
        let processes = isWatching(begin) ? await listeners() : nil
        let leases = 2 * Self.nanoseconds(Self.lease)
        // Who was there a moment ago and is no more cannot say what it knows, and may trust itself until its lease ends.
        let isWhole = processes.map { now in seen.allSatisfy { now.contains($0.key) || $0.value + leases < begin } }
        await suspend(for: isWhole == true ? changes : nil, processes ?? [], from: begin)
    }

    private func sleepLease(from begin: UInt64) async { await suspend(for: nil, [], from: begin) }

    /// Waits until all of `processes` have acknowledged, or the lease and the margin have passed since `begin`. A caller who
    /// gives up does not end it: nobody may be answered before.
    private func suspend(for changes: [Change]?, _ processes: Set<Int32>, from begin: UInt64) async {
        await withCheckedContinuation { continuation in
            let waiter = Waiter(changes, processes, continuation)
            if isDone(waiter) { return waiter.finish() }
            waiters.append(waiter)
            waiter.timer = loop.schedule(after: remaining(from: begin)) { [self] in
                waiters.removeAll { $0 === waiter }
                waiter.finish()
            }
        }
    }

    /// Whether every server that trusts itself now, or did until a moment ago, is one that this server has seen: each was there
    /// for a lease before it did, and this one has looked at least once a lease.
    private func isWatching(_ now: UInt64) -> Bool {
        let lease = Self.nanoseconds(Self.lease)
        guard let watchingSince else { return false }
        return now - watchingSince >= 2 * lease && now - lastLook <= lease
    }

    private func listeners() async -> Set<Int32>? {
        do {
            let rows = try await database.run(AccessListeners(applicationName: Self.applicationName))
            return Set(rows.map(\.process))
        } catch {
            log.warning("it cannot be found out which servers listen", metadata: ["error": "\(error)"])
            return nil
        }
    }

    private func remaining(from begin: UInt64) -> Duration {
        let end = begin + Self.nanoseconds(Self.lease + Self.margin)
        return .nanoseconds(Int64(end - min(end, loop.now)))
    }

    private static func nanoseconds(_ duration: Duration) -> UInt64 { UInt64(duration / .nanoseconds(1)) }
}
