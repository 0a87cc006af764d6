public import RPC

/// What every call of a server's loop passes through: authentication, policy, limits. Confined to its loop.
///
/// Asked before a request is decoded, so whoever is refused costs no more than the bytes, and learns nothing of what is
/// wrong with them.
public protocol ServerInterceptor {
    /// Looks at a call before its handler does, without waiting for anything: cheaper than ``willHandle(_:)``, which is
    /// asked when this cannot say. Throwing ends the call.
    ///
    /// - Returns: whether the call may go on; false asks ``willHandle(_:)``, too, as does leaving this out.
    func willHandleAtOnce(_ context: ServerContext) throws -> Bool

    /// Looks at a call before its handler does, and may wait; throwing ends the call.
    func willHandle(_ context: ServerContext) async throws
}

extension ServerInterceptor {
    /// Leaves it to ``willHandle(_:)``.
    public func willHandleAtOnce(_ context: ServerContext) throws -> Bool { false }

    /// Lets everything through.
    public func willHandle(_ context: ServerContext) async throws {}
}

/// Hears how the calls of a loop end: metrics, logs. Confined to its loop.
public protocol CallObserver {
    /// Hears how a call ended, before its status is sent, so trailers may still be added. Called once for each call
    /// whose route was known, whether the interceptors let it through or not.
    func didFinish(_ context: ServerContext, _ status: Status)
}

/// The interceptors and observers of a loop, each bound to the one after it, once: walking through an array of them would
/// copy each out of it, with every call. Confined to its loop.
final class BoundInterceptors {
    /// Those that may stop a call, in order.
    let gates: [any ServerInterceptor]
    let first: GateLink
    let firstObserver: ObserverLink

    init(_ interceptors: [any ServerInterceptor], _ observers: [any CallObserver]) {
        func link<Gate: ServerInterceptor>(_ gate: Gate, _ next: GateLink) -> GateLink { BoundGate(gate, next) }
        func link<Observer: CallObserver>(_ observer: Observer, _ next: ObserverLink) -> ObserverLink {
            BoundObserver(observer, next)
        }
        gates = interceptors
        first = interceptors.reversed().reduce(GateLink()) { link($1, $0) }
        firstObserver = observers.reversed().reduce(ObserverLink()) { link($1, $0) }
    }
}

/// The end of the interceptors. Classes, and not closures, because calling a closure counts a reference to it.
class GateLink {
    /// Asks the ``ServerInterceptor/willHandleAtOnce(_:)`` of this one and those after it, up to the first that must wait.
    ///
    /// - Returns: how many have let the call through.
    func ask(_ context: ServerContext) throws -> Int { 0 }
}

private final class BoundGate<Gate: ServerInterceptor>: GateLink {
    private let gate: Gate
    private let next: GateLink

    init(_ gate: Gate, _ next: GateLink) { (self.gate, self.next) = (gate, next) }

    override func ask(_ context: ServerContext) throws -> Int {
        try gate.willHandleAtOnce(context) ? 1 + next.ask(context) : 0
    }
}

/// The end of the observers.
class ObserverLink {
    /// Calls the ``CallObserver/didFinish(_:_:)`` of this one and those after it.
    func tell(_ context: ServerContext, _ status: Status) {}
}

private final class BoundObserver<Observer: CallObserver>: ObserverLink {
    private let observer: Observer
    private let next: ObserverLink

    init(_ observer: Observer, _ next: ObserverLink) { (self.observer, self.next) = (observer, next) }

    override func tell(_ context: ServerContext, _ status: Status) {
        observer.didFinish(context, status)
        next.tell(context, status)
    }
}

/// Names an object that interceptors leave on a call's context for its handler.
public protocol ContextKey {
    /// What is left: an object, because a box around any value costs every call an allocation and look-ups of its type.
    associatedtype Value: AnyObject & Sendable
}
