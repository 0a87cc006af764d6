public import Protobuf
public import RPC

/// What every call of a server passes through: authentication, policy, limits, logs.
public protocol ServerInterceptor: Sendable {
    /// Looks at a call before its handler does, without waiting for anything: cheaper than ``willHandle(_:_:)``, which is
    /// asked when this cannot say. Throwing ends the call.
    ///
    /// - Parameter request: the request; nil when the method takes a stream of them.
    /// - Returns: whether the call may go on; false asks ``willHandle(_:_:)``, too, as does leaving this out.
    func willHandleAtOnce(_ request: (any Message)?, _ context: ServerContext) throws -> Bool

    /// Looks at a call before its handler does, and may wait; throwing ends the call.
    ///
    /// - Parameter request: the request; nil when the method takes a stream of them.
    func willHandle(_ request: (any Message)?, _ context: ServerContext) async throws

    /// Hears how a call ended, before its status is sent, so trailers may still be added. Called once for each call
    /// whose route was known, whether the interceptors let it through or not.
    func didFinish(_ context: ServerContext, _ status: Status)
}

extension ServerInterceptor {
    /// Leaves it to ``willHandle(_:_:)``.
    public func willHandleAtOnce(_ request: (any Message)?, _ context: ServerContext) throws -> Bool { false }

    /// Lets everything through.
    public func willHandle(_ request: (any Message)?, _ context: ServerContext) async throws {}

    /// Takes no notice.
    public func didFinish(_ context: ServerContext, _ status: Status) {}
}

/// An interceptor that only hears how calls end, and is not asked whether they may begin: metrics, logs.
public protocol CallObserver: ServerInterceptor {}

extension CallObserver {
    /// Lets everything through.
    public func willHandleAtOnce(_ request: (any Message)?, _ context: ServerContext) throws -> Bool { true }
}

/// The interceptors of a loop, each bound to the one after it, once: walking through an array of them would copy each out of
/// it, with every call. Confined to its loop.
final class BoundInterceptors {
    /// Those that may stop a call, in order.
    let gates: [any ServerInterceptor]
    /// Asks their ``ServerInterceptor/willHandleAtOnce(_:_:)``, up to the first that must wait.
    ///
    /// - Returns: how many have let the call through.
    let ask: ((any Message)?, ServerContext) throws -> Int
    /// Calls all interceptors' ``ServerInterceptor/didFinish(_:_:)``.
    let tell: (ServerContext, Status) -> Void

    init(_ interceptors: [any ServerInterceptor]) {
        gates = interceptors.filter { !($0 is any CallObserver) }
        var ask: ((any Message)?, ServerContext) throws -> Int = { _, _ in 0 }
        for gate in gates.reversed() {
            ask = { [next = ask] in try gate.willHandleAtOnce($0, $1) ? 1 + next($0, $1) : 0 }
        }
        self.ask = ask
        var tell: (ServerContext, Status) -> Void = { _, _ in }
        for interceptor in interceptors.reversed() {
            tell = { [next = tell] in
                interceptor.didFinish($0, $1)
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
