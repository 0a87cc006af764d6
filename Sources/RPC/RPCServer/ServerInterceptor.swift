public import Protobuf
public import RPC

/// What every call of a server passes through: authentication, policy, limits, logs.
public protocol ServerInterceptor: Sendable {
    /// Looks at a call before its handler does; throwing ends it. One that does not suspend costs nothing but the call.
    ///
    /// - Parameter request: the request; nil when the method takes a stream of them.
    func willHandle(_ request: (any Message)?, _ context: ServerContext) async throws

    /// Hears how a call ended, before its status is sent, so trailers may still be added. Called once for each call
    /// that reached ``willHandle(_:_:)`` of the first interceptor, or failed before, once its route was known.
    func didFinish(_ context: ServerContext, _ status: Status)
}

extension ServerInterceptor {
    /// Lets everything through.
    public func willHandle(_ request: (any Message)?, _ context: ServerContext) async throws {}

    /// Takes no notice.
    public func didFinish(_ context: ServerContext, _ status: Status) {}
}

/// Names something that interceptors leave on a call's context for its handler.
public protocol ContextKey {
    /// What is left.
    associatedtype Value: Sendable
}
