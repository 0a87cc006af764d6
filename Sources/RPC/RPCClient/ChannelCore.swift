internal import EventLoop
internal import HTTP2
internal import RPC
internal import Synchronization

/// What a channel has on its loop: addresses, connections, and the tries that wait for one. Confined to its loop.
final class ChannelCore: @unchecked Sendable {
    // @unchecked: confined to its loop, but for `current`, which has a lock.
    let loop: EventLoop
    let configuration: ChannelConfiguration
    let methods: MethodTable
    /// The limits of the next connection.
    private(set) var limits: HTTP2Limits
    var throttle: RetryThrottle

    /// What the connections are doing, for any thread.
    let current = Mutex(ConnectivityState.idle)

    private let name: String
    private let resolver: Resolver
    private var balancer: Balancer!
    /// Addresses that are not used any more, until their last call is over.
    private var discarded: [Subchannel] = []
    private var queue = AttemptQueue()
    private var isFlushScheduled = false
    private var state = ConnectivityState.idle
    private var watchers: [Int: (ConnectivityState) -> Void] = [:]
    private var nextWatcher = 0
    private var failures = 0
    private var lastFailure = ""
    private var retry: LoopTimer?
    private var clock: LoopTimer?
    private var resolvedAt: UInt64 = 0
    private var keptShare: LoopShare?

    private var callCount = 0
    private var isDraining = false
    private var graceTimer: LoopTimer?
    private var whenClosed: [() -> Void] = []

    init(targets: [Target], configuration: ChannelConfiguration, loop: EventLoop) {
        self.configuration = configuration
        self.loop = loop
        name = targets.map(\.authority).joined(separator: ",")
        methods = MethodTable(configuration.serviceConfig)
        limits = configuration.connectionLimits
        throttle = RetryThrottle(configuration.serviceConfig.retryThrottling)
        resolver = Resolver(targets, loop: loop)
        balancer = .make(configuration.serviceConfig.loadBalancing, self)
    }

    /// What the channels of the loop share.
    var share: LoopShare {
        if let keptShare { return keptShare }
        let share = LoopShare.of(loop, limits: limits)
        keptShare = share
        return share
    }

    private static let plainFields = FixedHeaders([(":method", "POST"), (":scheme", "http")])
    private static let secureFields = FixedHeaders([(":method", "POST"), (":scheme", "https")])

    private var fixedFields: FixedHeaders { configuration.security == nil ? Self.plainFields : Self.secureFields }

    // MARK: Calls

    /// Counts a call that begins.
    ///
    /// - Returns: why there can be none; nil when there can.
    func callBegan() -> Status? {
        callCount += 1
        return isDraining ? Status(.unavailable, "the channel is closed") : nil
    }

    /// Counts a call that is over.
    func callEnded() {
        callCount -= 1
        if isDraining, callCount == 0, state != .shutdown { finishClosing() }
    }

    /// Sends a try, now or when there is a connection that takes it.
    func place(_ attempt: CallAttempt) {
        guard state != .shutdown else { return attempt.neverSent(Status(.unavailable, "the channel is closed")) }
        if queue.isEmpty, let subchannel = balancer.pick(), subchannel.open(attempt, fixedFields) { return }
        if state == .transientFailure, !attempt.waitsForReady { return attempt.neverSent(unreachable) }
        queue.append(attempt)
        if state == .idle { connect() }
    }

    /// Takes a try that waits for a connection out of the line.
    func withdraw(_ attempt: CallAttempt) { queue.withdraw() }

    /// Sends what waits, as far as connections take it.
    private func flush() {
        while let attempt = queue.first {
            guard let subchannel = balancer.pick() else { return }
            // A connection that has used up its numbers changes the state, and with it what is picked next.
            if subchannel.open(attempt, fixedFields) { queue.removeFirst() }
        }
    }

    /// A stream is over, or a server admits more of them: there may be room for a try that waits.
    func roomChanged() {
        guard !queue.isEmpty, !isFlushScheduled else { return }
        isFlushScheduled = true
        loop.atTurnEnd { [self] in
            isFlushScheduled = false
            flush()
        }
    }

    // MARK: Connecting

    /// Begins to connect, if nobody does.
    func connect() {
        guard state == .idle else { return }
        become(.connecting)
        resolve()
    }

    private func resolve() {
        guard !resolver.isRunning else { return }
        resolvedAt = loop.now
        resolver.run { [unowned self] result in
            guard state != .shutdown else { return }
            switch result {
            case .success(let endpoints): balancer.take(endpoints)
            case .failure(let error):
                // Addresses that are known are good until others are.
                guard state != .ready else { return }
                unreachable(error.reason)
            }
        }
    }

    /// Looks the names up again because a connection was lost; not more often than it makes sense to.
    func resolveAgain() {
        guard state != .shutdown, loop.now - resolvedAt >= configuration.resolutionPause.wholeNanoseconds else {
            return
        }
        // Not from inside a balancer that is being told something.
        loop.atTurnEnd { [weak self] in self?.resolve() }
    }

    func changed(_ subchannel: Subchannel) {
        guard state != .shutdown else { return }
        balancer.changed(subchannel)
    }

    func becameReady() {
        failures = 0
        become(.ready)
        flush()
    }

    func becameConnecting() {
        // A channel that could reach nobody says so until it can.
        if state == .ready { become(.connecting) }
    }

    func becameIdle() {
        become(.idle)
        if !queue.isEmpty { connect() }
    }

    /// Nobody can be reached: ends the tries that do not wait for it, and waits.
    ///
    /// - Parameter retries: whether the channel tries again by itself; if not, the balancer does.
    func unreachable(_ reason: String, retries: Bool = true) {
        lastFailure = reason
        failures += 1
        become(.transientFailure)
        if retries || balancer.subchannels.isEmpty {
            retry?.cancel()
            retry = loop.schedule(after: backoff(afterFailure: failures)) { [unowned self] in
                retry = nil
                guard state == .transientFailure else { return }
                become(.idle)
                if !queue.isEmpty { connect() }
            }
        }
        for attempt in queue.takeImpatient() { attempt.neverSent(unreachable) }
    }

    private var unreachable: Status {
        Status(.unavailable, "cannot connect to \(name): \(lastFailure)")
    }

    /// What a call that waited in vain should say of why.
    var waitReason: String {
        switch state {
        case .ready: "no server had room for it"
        case .transientFailure: "cannot connect to \(name): \(lastFailure)"
        default: lastFailure.isEmpty ? "no connection to \(name)" : "cannot connect to \(name): \(lastFailure)"
        }
    }

    func backoff(afterFailure failure: Int) -> Duration {
        Backoff.wait(
            configuration.initialBackoff,
            configuration.maximumBackoff,
            configuration.backoffMultiplier,
            jitter: configuration.backoffJitter,
            failure: failure
        )
    }

    // MARK: Connections

    /// Lets an address go that is not used any more.
    func discard(_ subchannel: Subchannel) {
        subchannel.drain()
        if subchannel.hasConnections { discarded.append(subchannel) }
    }

    /// The last connection of an address that is not used any more has ended.
    func forget(_ subchannel: Subchannel) {
        // It is telling us so: it goes when it has done that.
        loop.atTurnEnd { [weak self] in self?.discarded.removeAll { $0 === subchannel } }
    }

    /// A server was asked for a sign of life more often than it allows.
    func pingLessOften() {
        limits.keepaliveSeconds = min(limits.keepaliveSeconds * 2, 24 * 3600)
    }

    /// The time after which the next connection is asked for a sign of life, in seconds; 0 is never.
    var keepaliveSeconds: Int { limits.keepaliveSeconds }

    /// Sees to the connections' time limits, as long as there are any.
    func keepTime() {
        guard clock == nil else { return }
        clock = loop.schedule(after: .seconds(1)) { [weak self] in
            guard let self else { return }
            clock = nil
            let all = balancer.subchannels + discarded
            for subchannel in all { subchannel.keepTime() }
            if all.contains(where: \.hasConnections) { keepTime() }
        }
    }

    // MARK: State

    private func become(_ new: ConnectivityState) {
        guard state != new, state != .shutdown else { return }
        state = new
        current.withLock { $0 = new }
        for watcher in watchers.values { watcher(new) }
    }

    /// Calls `body` with the state now and with each further one, until the end or ``unwatch(_:)``.
    func watch(_ body: @escaping (ConnectivityState) -> Void) -> Int {
        body(state)
        nextWatcher += 1
        if state != .shutdown { watchers[nextWatcher] = body }
        return nextWatcher
    }

    func unwatch(_ id: Int) { watchers[id] = nil }

    // MARK: The end

    /// Takes no new calls, and closes when those under way are over, or after so long; `done` is called then.
    func close(grace: Duration, _ done: @escaping () -> Void) {
        guard state != .shutdown else { return done() }
        whenClosed.append(done)
        isDraining = true
        guard callCount > 0, grace > .zero else { return finishClosing() }
        graceTimer?.cancel()
        graceTimer = loop.schedule(after: grace) { [self] in finishClosing() }
    }

    private func finishClosing() {
        guard state != .shutdown else { return }
        isDraining = true
        become(.shutdown)
        watchers = [:]
        for timer in [graceTimer, retry, clock] { timer?.cancel() }
        (graceTimer, retry, clock) = (nil, nil, nil)
        resolver.cancel()
        balancer.close()
        for attempt in queue.takeAll() { attempt.neverSent(Status(.unavailable, "the channel is closed")) }
        for subchannel in balancer.subchannels + discarded { subchannel.close() }
        let done = whenClosed
        whenClosed = []
        for body in done { body() }
    }
}
