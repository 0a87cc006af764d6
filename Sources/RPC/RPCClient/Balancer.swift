internal import EventLoop

/// Chooses the address that a call goes to, and sees to connections. Confined to its loop.
class Balancer {
    unowned let core: ChannelCore
    fileprivate(set) var subchannels: [Subchannel] = []

    fileprivate init(_ core: ChannelCore) { self.core = core }

    /// The balancer of a policy.
    static func make(_ policy: LoadBalancing, _ core: ChannelCore) -> Balancer {
        switch policy {
        case .pickFirst: PickFirst(core)
        case .roundRobin: RoundRobin(core)
        }
    }

    /// The address for the next call; nil when there is none that takes one now.
    func pick() -> Subchannel? { nil }

    /// Takes the addresses that were found, and connects.
    func take(_ endpoints: [Endpoint]) {
        var old = Dictionary(subchannels.map { ($0.endpoint.key, $0) }, uniquingKeysWith: { first, _ in first })
        var new: [Subchannel] = []
        var seen: Set<String> = []
        for endpoint in endpoints where seen.insert(endpoint.key).inserted {
            new.append(old.removeValue(forKey: endpoint.key) ?? Subchannel(endpoint, core))
        }
        subchannels = new
        for subchannel in old.values { core.discard(subchannel) }
    }

    /// Hears of a change of one of the addresses.
    func changed(_ subchannel: Subchannel) {}

    /// Gives timers up.
    func close() {}

    /// Why nothing can be reached: each address with its reason, the first few of them.
    fileprivate var reason: String {
        guard subchannels.count > 1 else { return subchannels.first?.lastFailure ?? "there is no address" }
        let reasons = subchannels.prefix(3).map { "\($0.endpoint.address): \($0.lastFailure)" }
        let more = subchannels.count > 3 ? "; and \(subchannels.count - 3) more" : ""
        return reasons.joined(separator: "; ") + more
    }
}

/// Sends everything to the first address that answers. They are tried in order; one that has not answered after
/// ``ChannelConfiguration/attemptDelay`` is waited for beside the next one.
private final class PickFirst: Balancer {
    private var selected: Subchannel?
    private var next = 0
    private var delay: LoopTimer?

    override func pick() -> Subchannel? {
        guard let selected, selected.hasRoom else { return nil }
        return selected
    }

    override func take(_ endpoints: [Endpoint]) {
        super.take(endpoints)
        guard selected == nil else { return }
        next = 0
        tryNext()
    }

    private func tryNext() {
        delay?.cancel()
        delay = nil
        guard next < subchannels.count else { return failIfNoneIsLeft() }
        let subchannel = subchannels[next]
        next += 1
        if next < subchannels.count {
            delay = core.loop.schedule(after: core.configuration.attemptDelay) { [unowned self] in
                delay = nil
                tryNext()
            }
        }
        subchannel.connect()
    }

    private func failIfNoneIsLeft() {
        guard !subchannels.contains(where: { $0.state == .connecting }) else { return }
        core.unreachable(reason)
    }

    override func changed(_ subchannel: Subchannel) {
        switch subchannel.state {
        case .ready:
            selected = subchannel
            close()
            for other in subchannels where other !== subchannel { other.giveUp() }
            core.becameReady()
        case .failed:
            guard selected == nil else { return }
            tryNext()
        case .idle:
            guard subchannel === selected else { return }
            selected = nil
            core.becameIdle()
        case .connecting: break
        }
    }

    override func close() {
        delay?.cancel()
        delay = nil
    }
}

/// Sends calls to every address that is connected, in turn, and keeps all of them connected.
private final class RoundRobin: Balancer {
    private var turn = 0

    override func pick() -> Subchannel? {
        // The next one with room, so that one server's limit does not hold back the others' calls.
        for _ in 0..<subchannels.count {
            turn = turn + 1 < subchannels.count ? turn + 1 : 0
            if subchannels[turn].hasRoom { return subchannels[turn] }
        }
        return nil
    }

    override func take(_ endpoints: [Endpoint]) {
        super.take(endpoints)
        turn = Int.random(in: 0...subchannels.count)
        for subchannel in subchannels where subchannel.retry == nil { subchannel.connect() }
    }

    override func changed(_ subchannel: Subchannel) {
        switch subchannel.state {
        case .ready: return core.becameReady()
        case .connecting: return
        case .idle:
            // It was lost, or the server said goodbye.
            core.resolveAgain()
            subchannel.connect()
        case .failed:
            subchannel.retry = core.loop.schedule(after: core.backoff(afterFailure: subchannel.failures)) {
                [unowned subchannel] in
                subchannel.retry = nil
                subchannel.connect()
            }
            core.resolveAgain()
        }
        if subchannels.contains(where: { $0.state == .ready }) { return }
        if subchannels.contains(where: { $0.state == .connecting }) { return core.becameConnecting() }
        core.unreachable(reason, retries: false)
    }
}
