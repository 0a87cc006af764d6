import Domain
import EventLoop
import Operations
import Primitives
import RPCServer
import TrellisAPI

/// OperationsService: each method as its use case.
struct OperationsHandlers: OperationsService {
    /// How long WaitOperation waits when the request does not say, and at most.
    private static let wait = (standard: Duration.seconds(30), longest: Duration.seconds(60))
    /// How often it looks although nobody has said that the operation has ended.
    private static let lookInterval = Duration.seconds(5)

    func getOperation(_ request: GetOperationRequest, _ context: ServerContext) async throws -> LongRunningOperation {
        let call = context.call
        return try await Operations.get(try UUID(request.id, field: "id"), call.scope, call.database)
    }

    func listOperations(
        _ request: ListOperationsRequest,
        _ context: ServerContext
    ) async throws -> ListOperationsResponse {
        try await Operations.list(request, context.page(request), context.call.scope, context.call.database)
    }

    func waitOperation(_ request: WaitOperationRequest, _ context: ServerContext) async throws -> LongRunningOperation {
        let (call, loop) = (context.call, context.loop)
        let signals = call.services.jobSignals
        let id = try UUID(request.id, field: "id")
        let wait = min(max(request.timeout?.duration ?? Self.wait.standard, .zero), Self.wait.longest)
        let end = loop.now + UInt64(wait / .nanoseconds(1))
        while true {
            let rest = Duration.nanoseconds(Int64(end) - Int64(loop.now))
            // Before looking, so that an end in between wakes it.
            let nap = signals.nap(until: id, on: loop, atMost: max(.zero, min(rest, Self.lookInterval)))
            defer { signals.forget(nap, of: id) }
            let operation = try await Operations.get(id, call.scope, call.database)
            if operation.done || loop.now >= end { return operation }
            try await nap.wait()
        }
    }

    func cancelOperation(
        _ request: CancelOperationRequest,
        _ context: ServerContext
    ) async throws -> LongRunningOperation {
        let cancelled = JobVerdict.cancelledStatus(try UUID(request.id, field: "id"))
        return try await context.write(request) { work in
            try await Operations.cancel(request, work, cancelled: cancelled)
        }
    }
}
