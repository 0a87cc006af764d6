import Domain
import Operations
import Postgres
import Primitives
import Protobuf
import RPC
import TrellisAPI

/// What becomes of a job whose handler has returned or thrown.
enum JobVerdict: Sendable {
    /// Its own transaction has ended it.
    case finished
    /// It has done what it was to do; the serialized answer of an operation.
    case succeeded([UInt8]?)
    /// It was given up.
    case cancelled
    /// It has failed for good.
    case failed(any Error)
    /// It has failed and is tried again.
    case retried(any Error, after: Duration)
    /// It was not ended because the server stops: another one begins anew.
    case givenBack
    /// It is another server's.
    case lost

    init(
        _ running: RunningJob,
        _ handler: JobHandler,
        _ finished: JobContext.Finished?,
        _ outcome: Result<[UInt8]?, any Error>
    ) {
        if let finished {
            self = finished.access.isEmpty ? .finished : .succeeded(finished.response)
            return
        }
        switch (outcome, running.ending) {
        case (.success(let response), _):
            self = .succeeded(response)
        case (.failure(let error), _) where error is JobLost: self = .lost
        case (.failure, .lost): self = .lost
        case (.failure, .cancelled): self = .cancelled
        case (.failure, .stopping): self = .givenBack
        case (.failure(let error), nil):
            let pause = handler.retries.pause(after: Int(running.job.failures) + 1)
            if let pause, !isPermanentJobFailure(error) {
                self = .retried(error, after: pause)
            } else {
                self = .failed((error as? PermanentJobFailure)?.reason ?? error)
            }
        }
    }

    /// How metrics call it.
    var name: String {
        switch self {
        case .finished, .succeeded: "succeeded"
        case .cancelled: "cancelled"
        case .failed: "failed"
        case .retried: "retried"
        case .givenBack: "given_back"
        case .lost: "lost"
        }
    }

    /// All names.
    static let names = ["succeeded", "failed", "retried", "cancelled", "given_back", "lost"]
}

extension JobVerdict {
    /// Writes the verdict down, if the job is still this server's. Answers whether it was.
    func record(_ job: ClaimedJob, _ database: Database) async throws(PostgresError) -> Bool {
        switch self {
        case .finished, .lost: return true
        case .succeeded(let response):
            return try await finish(job, database, .succeeded, response: response)
        case .cancelled:
            return try await finish(job, database, .cancelled, error: Self.cancelledStatus(job.jobID).serialized())
        case .failed(let error):
            let status = ErrorReply(error).status(requestID: job.jobID.text)
            return try await finish(job, database, .failed, error: status.serialized(), text: Self.text(error))
        case .retried(let error, let pause):
            let later = JobRetryLater(
                lastError: Self.text(error),
                delayMilliseconds: Int64(pause / .milliseconds(1)),
                tenantID: job.tenantID,
                jobID: job.jobID,
                attempt: job.attempts
            )
            return try await database.run(later, Scope.platformSettings) == 1
        case .givenBack:
            let back = JobGiveBack(tenantID: job.tenantID, jobID: job.jobID, attempt: job.attempts)
            return try await database.run(back, Scope.platformSettings) == 1
        }
    }

    private func finish(
        _ job: ClaimedJob,
        _ database: Database,
        _ state: JobState,
        response: [UInt8]? = nil,
        error: [UInt8]? = nil,
        text: String? = nil
    ) async throws(PostgresError) -> Bool {
        let finish = JobFinish(
            state: Int16(state.rawValue),
            response: response,
            error: error,
            lastError: text,
            tenantID: job.tenantID,
            jobID: job.jobID,
            attempt: job.attempts
        )
        return try await database.run(finish, Scope.platformSettings) == 1
    }

    /// With what an operation ends that was given up.
    static func cancelledStatus(_ id: UUID) -> RPCStatus {
        ErrorReply(code: .cancelled, reason: "CANCELLED", message: "it was cancelled").status(requestID: id.text)
    }

    /// The error for operators. PostgreSQL's messages are left to the log: they may quote rows.
    static func text(_ error: any Error) -> String {
        switch error {
        case let error as DomainError: "\(error.reason): \(error.message)"
        case let error as PostgresError:
            "PostgreSQL: \(error.kind)" + (error.sqlState.map { ", SQLSTATE \($0)" } ?? "")
                + (error.constraint.map { ", constraint \($0)" } ?? "")
        default: String("\(error)".prefix(1000))
        }
    }
}
