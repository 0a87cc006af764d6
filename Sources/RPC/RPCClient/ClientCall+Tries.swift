internal import EventLoop
internal import RPC

/// The tries of one call. Confined to the channel's loop.
struct Tries {
    /// Those under way.
    private(set) var running: [CallAttempt] = []
    /// The one that is the call, once that is settled.
    private(set) var committed: CallAttempt?
    /// How many have been made by the policy: the first one, retries and hedges, not those that no server saw.
    var made = 0
    /// Failures in a row, for the back-off.
    var failures = 0
    /// How often it was sent again because it had never left.
    var unsentRepeats = 0
    /// Whether it was sent again because a server had refused it.
    var wasRefused = false
    /// Whether a server said that it should not be sent again.
    var isOver = false
    /// How the last try ended that failed.
    var lastFailure: CallAttempt.End?
    /// Runs out when the next try is due.
    var timer: LoopTimer?

    mutating func began(_ attempt: CallAttempt) { running.append(attempt) }

    mutating func ended(_ attempt: CallAttempt) {
        running.removeAll { $0 === attempt }
        attempt.letGo()
    }

    mutating func commit(_ attempt: CallAttempt) {
        committed = attempt
        stopTimer()
        for other in running where other !== attempt { other.abandon() }
        running = []
    }

    mutating func stopTimer() {
        timer?.cancel()
        timer = nil
    }

    /// Gives all of them up.
    mutating func abandonAll() {
        for attempt in running { attempt.abandon() }
        committed?.abandon()
        running = []
        stopTimer()
    }

    /// The call is over; what the committed try brought may still be read.
    mutating func finish() {
        for attempt in running { attempt.abandon() }
        running = []
        stopTimer()
        if committed?.stream == nil { committed = nil }
    }

    /// Everything has been read.
    mutating func letGo() {
        committed?.letGo()
        committed = nil
    }
}

// When a call is sent, and sent again (gRFC A6).
extension ClientCall {
    /// Tries that never left, after which a call is given up: a peer could take connections and drop them for ever.
    private static let unsentRepeatsMax = 8

    private var maximumAttempts: Int { core.configuration.maximumAttempts }

    func firstTry() {
        launch()
        if case .hedge(let policy) = method.sending, options.isIdempotent { hedgeLater(policy, policy.hedgingDelay) }
    }

    /// Makes a try that counts.
    private func launch() {
        tries.made += 1
        send(again: tries.made - 1)
    }

    private func send(again previous: Int) {
        let attempt = CallAttempt(self, previous: previous)
        tries.began(attempt)
        core.place(attempt)
    }

    /// A try has ended.
    func ended(_ attempt: CallAttempt, _ end: CallAttempt.End) {
        guard !isFinished else { return }
        account(end)
        if tries.committed === attempt { return finish(end.status, end.trailers) }
        guard tries.committed == nil else { return }
        tries.ended(attempt)
        if end.status.code == .ok { return finish(end.status, end.trailers) }
        if repeats(end) { return send(again: attempt.previous) }
        switch method.sending {
        case .retry(let policy):
            guard let wait = wait(policy, end) else { return finish(end.status, end.trailers) }
            tries.timer = core.loop.schedule(after: wait) { [self] in
                tries.timer = nil
                launch()
            }
        case .hedge(let policy) where options.isIdempotent: hedgeEnded(policy, end)
        case .once, .hedge: finish(end.status, end.trailers)
        }
    }

    /// Counts a try for the channel's throttle.
    private func account(_ end: CallAttempt.End) {
        if end.status.code == .ok { return core.throttle.succeeded() }
        let counts =
            switch method.sending {
            case .once: false
            case .retry(let policy): policy.retryableStatusCodes.contains(end.status.code)
            case .hedge(let policy): policy.nonFatalStatusCodes.contains(end.status.code)
            }
        if counts || end.pushback == .never { core.throttle.failed() }
    }

    /// Whether a try that no server looked at is made again at once: always if it never left, and once if a server refused it.
    private func repeats(_ end: CallAttempt.End) -> Bool {
        guard !end.isUnreachable else { return false }
        switch end.sight {
        case .neverSent:
            tries.unsentRepeats += 1
            return tries.unsentRepeats <= Self.unsentRepeatsMax
        case .refused:
            guard !tries.wasRefused else { return false }
            tries.wasRefused = true
            return true
        case .seen: return false
        }
    }

    /// How long to wait before the next try; nil when there is none.
    private func wait(_ policy: RetryPolicy, _ end: CallAttempt.End) -> Duration? {
        guard policy.retryableStatusCodes.contains(end.status.code),
            options.isIdempotent || end.sight != .seen || !policy.onlyIdempotent,
            tries.made < min(policy.maxAttempts, maximumAttempts), core.throttle.allowsRetry
        else { return nil }
        let wait: Duration
        switch end.pushback {
        case .never: return nil
        case .after(let pushback):
            tries.failures = 0
            wait = pushback
        case nil:
            tries.failures += 1
            wait = policy.wait(afterFailure: tries.failures)
        }
        // A try that would come after the deadline would only hide why this one failed.
        if let left = timeRemaining, wait >= left { return nil }
        return wait
    }

    // MARK: Hedging

    private func hedgeLater(_ policy: HedgingPolicy, _ delay: Duration) {
        tries.stopTimer()
        guard !tries.isOver, tries.made < min(policy.maxAttempts, maximumAttempts) else { return }
        tries.timer = core.loop.schedule(after: delay) { [self] in
            tries.timer = nil
            hedge(policy)
        }
    }

    /// Makes the next try, and sees to the one after it.
    private func hedge(_ policy: HedgingPolicy) {
        guard core.throttle.allowsRetry else {
            tries.isOver = true
            if tries.running.isEmpty, let end = tries.lastFailure { finish(end.status, end.trailers) }
            return
        }
        launch()
        if !isFinished, tries.committed == nil { hedgeLater(policy, policy.hedgingDelay) }
    }

    private func hedgeEnded(_ policy: HedgingPolicy, _ end: CallAttempt.End) {
        guard policy.nonFatalStatusCodes.contains(end.status.code) else { return finish(end.status, end.trailers) }
        tries.lastFailure = end
        let mayGoOn =
            !tries.isOver && tries.made < min(policy.maxAttempts, maximumAttempts) && core.throttle.allowsRetry
        switch end.pushback {
        case .never:
            tries.isOver = true
            tries.stopTimer()
        case .after(let delay) where mayGoOn: return hedgeLater(policy, delay)
        case nil where mayGoOn: return hedge(policy)
        case .after, nil: break
        }
        // The last one that fails is the call's outcome.
        if tries.running.isEmpty, tries.timer == nil { finish(end.status, end.trailers) }
    }
}
