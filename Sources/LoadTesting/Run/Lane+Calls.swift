internal import EventLoop
internal import Protobuf
internal import RPC
internal import RPCClient
internal import Terminal

extension Lane {
    /// Makes a call that needs no variables, and counts it.
    ///
    /// - Parameter intended: when it was to begin, on the loop's clock.
    func perform(_ call: CallStep, on channel: Channel, intended: UInt64) async -> CallOutcome {
        guard case .bytes(let request) = call.request, let metadata = call.constantMetadata else {
            preconditionFailure("a call with placeholders has variables")
        }
        return await perform(call, request, metadata, on: channel, intended: intended).outcome
    }

    /// Does the steps of a flow in turn. What a failed call would have saved is missing after it, so the flow ends there
    /// unless the step says otherwise.
    func run(
        _ steps: [Step],
        on channel: Channel,
        intended: UInt64,
        _ variables: inout Variables
    ) async -> CallOutcome {
        // Only the first call has a time at which it was to begin; each later one begins when the one before is over.
        var due: UInt64? = intended
        var last = CallOutcome()
        for step in steps {
            switch step {
            case .pause(let range):
                due = nil
                await pause(UInt64.random(in: range, using: &random))
            case .call(let call):
                let request: [UInt8]
                let metadata: Metadata
                do {
                    (request, metadata) = try make(call, &variables)
                } catch {
                    fail(UsageError("\(call.label): the request cannot be made: \(error)"))
                    return last
                }
                let (outcome, response) = await perform(
                    call,
                    request,
                    metadata,
                    on: channel,
                    intended: due ?? loop.now
                )
                due = nil
                last = outcome
                if outcome.error != nil {
                    if outcome.isFailed, !call.continues { return last }
                } else if let response, !call.saves.isEmpty {
                    guard save(response, of: call, in: &variables) else { return last }
                }
            }
        }
        return last
    }

    /// Lets a user think.
    func pause(_ nanoseconds: UInt64) async {
        // The only reason not to sleep to the end is that the task was cancelled, which no one does.
        try? await loop.sleep(for: .nanoseconds(Int64(nanoseconds)))
    }

    private func make(_ call: CallStep, _ variables: inout Variables) throws -> ([UInt8], Metadata) {
        let metadata = try call.constantMetadata ?? call.metadata(&variables)
        switch call.request {
        case .bytes(let bytes): return (bytes, metadata)
        case .template(let template, let message):
            guard let pool = plan.scenario.pool else { preconditionFailure("a template has descriptors") }
            return (try pool.serialize(try template.value(&variables), as: message), metadata)
        }
    }

    private func save(_ response: [UInt8], of call: CallStep, in variables: inout Variables) -> Bool {
        guard let pool = plan.scenario.pool else { return true }
        do {
            let value = try pool.json(response, as: call.output, options: JSONOptions(includesDefaults: true))
            for save in call.saves { variables.saved[save.name] = save.path.find(in: value) }
            return true
        } catch {
            fail(UsageError("\(call.label): the response is no \(call.output): \(error)"))
            return false
        }
    }

    // MARK: Calls

    private func perform(
        _ call: CallStep,
        _ request: [UInt8],
        _ metadata: Metadata,
        on channel: Channel,
        intended: UInt64
    ) async -> (outcome: CallOutcome, response: [UInt8]?) {
        let options = CallOptions(
            metadata: metadata,
            timeout: call.deadline.map { .nanoseconds(Int64($0)) }
        )
        let begun = loop.now
        var outcome = CallOutcome()
        var response: [UInt8]?
        do throws(RPCError) {
            switch call.kind {
            case .unary:
                outcome.sentMessages = 1
                outcome.sentBytes = UInt64(request.count)
                // On the wire it is the same as a call of many responses. Channel.unaryBytes asks for metadata and trailers
                // besides, and tries again: five trips through the loop's queue instead of three.
                var responses = channel.serverStreamingBytes(call.path, request, options).makeAsyncIterator()
                while let answer = try await responses.next() {
                    outcome.receivedMessages += 1
                    outcome.receivedBytes += UInt64(answer.count)
                    response = answer
                }
                guard outcome.receivedMessages == 1 else {
                    throw RPCError(
                        .internal,
                        "the server answered a unary call with \(outcome.receivedMessages) messages; it must be one"
                    )
                }
            case .server:
                try await stream(call, request, options, on: channel, intended, &outcome, &response)
            case .client:
                let raw = channel.call(call.path, options)
                for _ in 0..<call.messages {
                    await raw.send(request)
                    outcome.sentMessages += 1
                    outcome.sentBytes += UInt64(request.count)
                }
                raw.finishSending()
                while let answer = try await raw.next() {
                    outcome.receivedMessages += 1
                    outcome.receivedBytes += UInt64(answer.count)
                    response = answer
                }
            case .bidi:
                try await converse(call, request, options, on: channel, &outcome, &response)
            }
            if !call.expected.contains(.ok) {
                outcome.isFailed = true
                outcome.error = RPCError(.unknown, "ended OK, which is not expected")
            }
        } catch {
            outcome.error = error
            outcome.isFailed = !call.expected.contains(error.code)
        }
        record(outcome, call: call.index, intended: intended, begun: begun)
        return (outcome, response)
    }

    /// One request, any number of responses.
    private func stream(
        _ call: CallStep,
        _ request: [UInt8],
        _ options: CallOptions,
        on channel: Channel,
        _ intended: UInt64,
        _ outcome: inout CallOutcome,
        _ response: inout [UInt8]?
    ) async throws(RPCError) {
        outcome.sentMessages = 1
        outcome.sentBytes = UInt64(request.count)
        var responses = channel.serverStreamingBytes(call.path, request, options).makeAsyncIterator()
        while let answer = try await responses.next() {
            if outcome.receivedMessages == 0 { recordMessage(call, since: intended) }
            outcome.receivedMessages += 1
            outcome.receivedBytes += UInt64(answer.count)
            response = answer
        }
    }

    /// A request, its answer, the next request.
    private func converse(
        _ call: CallStep,
        _ request: [UInt8],
        _ options: CallOptions,
        on channel: Channel,
        _ outcome: inout CallOutcome,
        _ response: inout [UInt8]?
    ) async throws(RPCError) {
        let raw = channel.call(call.path, options)
        for _ in 0..<call.messages {
            let sent = loop.now
            await raw.send(request)
            outcome.sentMessages += 1
            outcome.sentBytes += UInt64(request.count)
            guard let answer = try await raw.next() else { return }
            recordMessage(call, since: sent)
            outcome.receivedMessages += 1
            outcome.receivedBytes += UInt64(answer.count)
            response = answer
        }
        raw.finishSending()
        while let answer = try await raw.next() {
            outcome.receivedMessages += 1
            outcome.receivedBytes += UInt64(answer.count)
            response = answer
        }
    }

    private func recordMessage(_ call: CallStep, since: UInt64) {
        let now = loop.now
        guard !isDone, since >= windowBegin, since < windowEnd else { return }
        calls[call.index].recordMessage(latency: now - min(now, since))
    }
}
