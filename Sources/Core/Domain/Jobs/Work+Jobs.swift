internal import Postgres
public import Primitives
public import Protobuf
public import TrellisAPI

extension Work {
    /// Has a job run as soon as this transaction has taken effect, or at a later time; if it does not take effect, there is no
    /// job. It runs under this scope's tenant, or as the platform.
    ///
    /// - Parameters:
    ///   - time: when it is to run; nil for at once.
    ///   - uniqueKey: while a job of the same tenant and kind with this key has not ended, no other is made.
    /// - Returns: the job's id; nil when there is one with the key already.
    @discardableResult
    public func enqueue<Payload: Message>(
        _ kind: JobKind<Payload>,
        _ payload: Payload,
        at time: Instant? = nil,
        uniqueKey: String? = nil
    ) async throws -> UUID? {
        try await insert(kind, payload, time, uniqueKey, isOperation: false)?.jobID
    }

    /// Starts an operation, which runs as soon as this transaction has taken effect, and which the caller can follow with
    /// OperationsService. If the transaction does not take effect, there is no operation.
    ///
    /// - Parameter uniqueKey: while an operation of the same tenant and kind with this key has not ended, another one is
    ///   refused with FAILED_PRECONDITION and OPERATION_UNDER_WAY.
    /// - Returns: the operation, to answer the call with.
    public func startOperation<Payload: Message, Response: Message>(
        _ kind: OperationKind<Payload, Response>,
        _ payload: Payload,
        uniqueKey: String? = nil
    ) async throws -> LongRunningOperation {
        if let row = try await insert(kind.job, payload, nil, uniqueKey, isOperation: true) {
            return LongRunningOperation(
                id: row.jobID.text,
                kind: kind.job.name,
                metadata: OperationMetadata(),
                createTime: Timestamp(row.createTime),
                updateTime: Timestamp(row.createTime)
            )
        }
        let other = JobWithKey(tenantID: scope.tenant, kind: kind.job.name, uniqueKey: uniqueKey ?? "")
        // Nothing found: it has ended between the two statements.
        guard let other = try await transaction.run(other) else { throw DomainError.contention }
        throw DomainError.failedPrecondition(
            .init(
                reason: "OPERATION_UNDER_WAY",
                subject: "operations/\(other.jobID)",
                description: "operation \(other.jobID) does the same and has not ended: wait for it or cancel it"
            )
        )
    }

    private func insert<Payload: Message>(
        _ kind: JobKind<Payload>,
        _ payload: Payload,
        _ time: Instant?,
        _ uniqueKey: String?,
        isOperation: Bool
    ) async throws -> JobInsertRow? {
        try await transaction.run(
            JobInsert(
                tenantID: scope.tenant,
                jobID: .v7(),
                kind: kind.name,
                payload: payload.serialized(),
                uniqueKey: uniqueKey,
                isOperation: isOperation,
                principalID: scope.actor.id,
                userID: scope.actor.user,
                runTime: time
            )
        )
    }
}
