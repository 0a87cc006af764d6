internal import EventLoop
internal import Protobuf
internal import RPC
internal import RPCClient

extension Lane {
    /// Does one of the flows.
    ///
    /// - Returns: whether the server could not be reached.
    @discardableResult
    func iterate(user: Int, channel: Channel, intended: UInt64) async -> Bool {
        let index = chooser.choose(&random)
        let flow = plan.scenario.flows[index]
        guard flow.needsVariables || flow.isCounted else {
            // The common case of one call that is the same each time.
            guard case .call(let call) = flow.steps[0] else { return false }
            return await perform(call, on: channel, intended: intended).isUnreachable
        }
        let begun = loop.now
        var variables = Variables(saved: saved, rows: [:], user: user, iteration: iterations, random: random)
        for feeder in plan.scenario.feeders {
            guard let row = feeder.take(&random) else {
                stop("the rows of the feeder \(feeder.name) are used up")
                return false
            }
            variables.rows[feeder.name] = row
        }
        variables.random = SplitMix64(seed: random.next(), lane: 0)
        let outcome = await run(flow.steps, on: channel, intended: intended, &variables)
        if flow.isCounted { record(outcome, flow: index, intended: intended, begun: begun) }
        return outcome.isUnreachable
    }

    /// Notes how a call ended.
    func record(_ outcome: borrowing CallOutcome, call: Int, intended: UInt64, begun: UInt64) {
        guard !isDone else { return }
        let now = loop.now
        lastEnd = now
        if now >= windowBegin, now <= windowEnd { calls[call].recordEnd() }
        guard measures(intended) else { return }
        calls[call].record(
            outcome,
            latency: now - min(now, intended),
            serviceTime: now - min(now, begun),
            interval: Int((now - windowBegin) / plan.interval)
        )
    }

    /// Notes how an iteration of several steps ended.
    private func record(_ outcome: borrowing CallOutcome, flow: Int, intended: UInt64, begun: UInt64) {
        guard !isDone else { return }
        let now = loop.now
        if now >= windowBegin, now <= windowEnd { flows[flow].recordEnd() }
        guard measures(intended) else { return }
        flows[flow].record(
            outcome,
            latency: now - min(now, intended),
            serviceTime: now - min(now, begun),
            interval: Int((now - windowBegin) / plan.interval)
        )
    }
}
