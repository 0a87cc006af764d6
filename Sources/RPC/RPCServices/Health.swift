internal import EventLoop
internal import RPC
public import RPCServer
internal import Synchronization
internal import TrellisAPI

/// Whether the server and each of its services take calls, told to whoever asks by grpc.health.v1.
///
/// A service that is not known is NOT_FOUND; the server as a whole (the empty name) is known from the start and does not
/// take calls until it is said that it does. Any thread may say so.
public final class Health: Sendable {
    /// What can be said of a service.
    public enum State: Sendable {
        /// Calls are taken.
        case serving
        /// Calls are not taken: the server starts, drains, or has lost what it depends on.
        case notServing
    }

    /// Watches of one caller that are open at once are bounded by its streams; this bounds all of them.
    static let watchersMax = 10_000

    private let book = Mutex(Book())

    private struct Book {
        var states: [String: State] = ["": .notServing]
        var watchers: [Int: (service: String, AsyncStream<HealthCheckResponse.ServingStatus>.Continuation)] = [:]
        var nextWatcher = 0
        var isClosed = false
    }

    /// Knows the server as a whole, which does not take calls yet.
    public init() {}

    /// Says that a service, or the server as a whole by the empty name, takes calls or does not.
    public func set(_ state: State, for service: String = "") {
        book.withLock { book in
            guard book.states[service] != state else { return }
            book.states[service] = state
            for watcher in book.watchers.values where watcher.service == service {
                watcher.1.yield(Self.status(state))
            }
        }
    }

    /// Says the same of the server as a whole and of all services that are known and named.
    public func setAll(_ state: State, services: [String] = []) {
        let known = book.withLock { Array($0.states.keys) }
        for service in Set(known + services) { set(state, for: service) }
    }

    /// What was said last; nil for a service that is not known.
    public func state(of service: String = "") -> State? {
        book.withLock { $0.states[service] }
    }

    private static func status(_ state: State?) -> HealthCheckResponse.ServingStatus {
        switch state {
        case .serving: .serving
        case .notServing: .notServing
        case nil: .serviceUnknown
        }
    }

    /// Says that nothing takes calls any more, and ends every watch after it has heard that, so that none keeps the
    /// server from stopping.
    public func close() {
        setAll(.notServing)
        book.withLock { book in
            book.isClosed = true
            for watcher in book.watchers.values { watcher.1.finish() }
        }
    }

    // MARK: The service

    func check(_ request: HealthCheckRequest) throws(RPCError) -> HealthCheckResponse {
        guard let state = state(of: request.service) else {
            throw RPCError(.notFound, "there is no service \(request.service)")
        }
        return HealthCheckResponse(status: Self.status(state))
    }

    func watch(_ request: HealthCheckRequest, _ responses: ResponseWriter<HealthCheckResponse>) async throws {
        let (id, changes) = try watcher(of: request.service)
        defer { book.withLock { _ = $0.watchers.removeValue(forKey: id) } }
        // Ends when the call does: the task is cancelled then.
        for await status in changes { try await responses.send(HealthCheckResponse(status: status)) }
        if Task.isCancelled { throw CancellationError() }
        throw RPCError(.unavailable, "the server is shutting down")
    }

    /// The states of a service from now on. A slow watcher misses what was overtaken, never the last one.
    private func watcher(
        of service: String
    ) throws(RPCError) -> (Int, AsyncStream<HealthCheckResponse.ServingStatus>) {
        let (stream, continuation) = AsyncStream.makeStream(
            of: HealthCheckResponse.ServingStatus.self,
            bufferingPolicy: .bufferingNewest(1)
        )
        let id: Int? = book.withLock { book in
            guard book.watchers.count < Self.watchersMax else { return nil }
            book.nextWatcher += 1
            book.watchers[book.nextWatcher] = (service, continuation)
            continuation.yield(Self.status(book.states[service]))
            if book.isClosed { continuation.finish() }
            return book.nextWatcher
        }
        guard let id else {
            throw RPCError(.resourceExhausted, "\(Self.watchersMax) watches are open; close some")
        }
        return (id, stream)
    }
}

extension Router {
    /// Registers grpc.health.v1.
    public func register(health: Health) {
        unary("/grpc.health.v1.Health/Check") { (request: HealthCheckRequest, _) in try health.check(request) }
        serverStreaming("/grpc.health.v1.Health/Watch") {
            (request: HealthCheckRequest, responses: ResponseWriter<HealthCheckResponse>, _) in
            try await health.watch(request, responses)
        }
    }
}
