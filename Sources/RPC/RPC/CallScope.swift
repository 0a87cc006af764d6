/// What a call that is made on behalf of another one takes over from it: when the other must have been answered, and the
/// trace that both belong to.
///
/// A handler passes its context's scope to the calls that it makes. They are cancelled with its task by themselves.
public struct CallScope: Sendable {
    /// When the outer call must have been answered, in nanoseconds of `EventLoop.now`, which is the same clock on every loop
    /// of a process; nil when its caller did not say.
    public var deadline: UInt64?
    /// The outer call's traceparent and tracestate (W3C Trace Context); empty when it has none.
    public var trace: Metadata

    /// A scope to make calls in.
    public init(deadline: UInt64? = nil, trace: Metadata = Metadata()) {
        self.deadline = deadline
        self.trace = trace
    }
}
