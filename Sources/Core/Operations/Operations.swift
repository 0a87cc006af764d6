public import Domain
public import Postgres
public import Primitives
internal import Protobuf
public import TrellisAPI

/// What can be done with long-running operations. Everybody follows what they have started themselves; for those of others
/// they need a permission.
public enum Operations {
    /// The permission to follow operations that others have started.
    static let readPermission = "operations.operations.read"
    /// The permission to cancel operations that others have started.
    static let writePermission = "operations.operations.write"

    /// Returns one operation as it stands.
    public static func get(_ id: UUID, _ scope: Scope, _ database: Database) async throws -> LongRunningOperation {
        let row = try await database.run(OperationGet(tenantID: scope.tenant, jobID: id), scope.settings)
        return try visible(row, id, scope, readPermission).operation()
    }

    /// Returns a page of the operations that the caller may follow, the newest first.
    public static func list(
        _ request: ListOperationsRequest,
        _ page: Page,
        _ scope: Scope,
        _ database: Database
    ) async throws -> ListOperationsResponse {
        let query = OperationList(
            tenantID: scope.tenant,
            before: page.position == nil ? .last : try page.after,
            seesAll: scope.grants.holds(readPermission, site: nil),
            principalID: scope.actor.id,
            userID: scope.actor.user,
            kindFilter: request.kind,
            done: request.done,
            count: Int64(page.count)
        )
        let rows = try await database.run(query, scope.settings)
        var response = ListOperationsResponse()
        (response.operations, response.nextPageToken) = page.cut(try rows.map { try $0.operation() }, id: \.id)
        return response
    }

    /// Asks for an operation to be given up. `cancelled` is the error that one ends with which no server has begun.
    public static func cancel(
        _ request: CancelOperationRequest,
        _ work: Work,
        cancelled: RPCStatus
    ) async throws -> LongRunningOperation {
        let id = try UUID(request.id, field: "id")
        let tenant = work.scope.tenant
        let row = try await work.transaction.run(OperationLock(tenantID: tenant, jobID: id))
        _ = try visible(row, id, work.scope, writePermission)
        let cancel = JobCancel(error: cancelled.serialized(), tenantID: tenant, jobID: id)
        let (_, after) = try await work.transaction.run(cancel, OperationGet(tenantID: tenant, jobID: id))
        return try after.certain.operation()
    }

    /// The operation, for who has started it or holds the permission; for others there is none.
    private static func visible(
        _ row: OperationRow?,
        _ id: UUID,
        _ scope: Scope,
        _ permission: String
    ) throws(DomainError) -> OperationRow {
        let row = try row.orNotFound("operation", id)
        if row.principalID == scope.actor.id || row.userID != nil && row.userID == scope.actor.user { return row }
        if scope.grants.holds(permission, site: nil) { return row }
        // Who may follow it may be told that it is there.
        if scope.grants.holds(readPermission, site: nil) { throw .permissionDenied(permission: permission) }
        throw .notFound(resource: "operation", id: id.text)
    }
}

extension UUID {
    /// Greater than any other.
    static let last = UUID(high: .max, low: .max)
}

extension OperationRow {
    func operation() throws -> LongRunningOperation {
        var operation = LongRunningOperation(
            id: jobID.text,
            kind: kind,
            metadata: OperationMetadata(
                done: progressDone,
                total: progressTotal,
                message: progressMessage,
                cancelRequested: cancelTime != nil,
                startTime: startTime.map { Timestamp($0) },
                failures: failures
            ),
            done: state > JobState.running.rawValue,
            createTime: Timestamp(createTime),
            updateTime: Timestamp(updateTime),
            expireTime: expireTime.map { Timestamp($0) }
        )
        // What it leads to may be stored before it is shown (``JobContext/finish(_:)``).
        guard operation.done else { return operation }
        if let error { operation.result = .error(try RPCStatus(serialized: error)) }
        if let response { operation.result = .response(try AnyMessage(serialized: response)) }
        return operation
    }
}
