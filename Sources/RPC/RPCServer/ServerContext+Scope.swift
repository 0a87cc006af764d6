public import RPC

extension ServerContext {
    /// What calls that the handler makes on behalf of this one take over: `CallOptions(inheriting: context.scope)`.
    public var scope: CallScope {
        var trace = Metadata()
        if let parent = metadata.first("traceparent") {
            trace.append("traceparent", parent)
            for state in metadata.all("tracestate") { trace.append("tracestate", state) }
        }
        return CallScope(deadline: deadline, trace: trace)
    }
}
