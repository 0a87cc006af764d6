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
    /// Asks their ``ServerInterceptor/willHandleAtOnce(_:)``, up to the first that must wait.
    ///
    /// - Returns: how many have let the call through.
    let ask: (ServerContext) throws -> Int
    /// Calls all observers' ``CallObserver/didFinish(_:_:)``.
    let tell: (ServerContext, Status) -> Void

    init(_ interceptors: [any ServerInterceptor], _ observers: [any CallObserver]) {
        gates = interceptors
        var ask: (ServerContext) throws -> Int = { _ in 0 }
        for gate in gates.reversed() {
            ask = { [next = ask] in try gate.willHandleAtOnce($0) ? 1 + next($0) : 0 }
        }
        self.ask = ask
        var tell: (ServerContext, Status) -> Void = { _, _ in }
        for observer in observers.reversed() {
            tell = { [next = tell] in
                observer.didFinish($0, $1)
                next($0, $1)
            }
        }
        self.tell = tell
    }
}

/// Names an object that interceptors leave on a call's context for its handler.
public protocol ContextKey {
    /// What is left: an object, because a box around any value costs every call an allocation and look-ups of its type.
    associatedtype Value: AnyObject & Sendable
}
