import Domain
import Logging
import Postgres
import RPCServer

/// Tells the log of a fault everything that the caller must not see.
enum Faults {
    /// Writes the cause, and PostgreSQL's report where there is one, under the call's request id.
    static func report(_ error: any Error, _ context: ServerContext, _ log: Logger) {
        var metadata: Logger.Metadata = [
            "request_id": "\(context.requestID)",
            "method": "\(context.route.path.dropFirst())",
            "error": "\(error)",
        ]
        if let scope = context.admittedCall?.scope, !scope.isPlatform { metadata["tenant"] = "\(scope.tenant)" }
        if let error = error as? PostgresError {
            metadata["sqlstate"] = error.sqlState.map { "\($0)" }
            metadata["constraint"] = error.constraint.map { "\($0)" }
            metadata["table"] = error.table.map { "\($0)" }
        }
        log.error("fault", metadata: metadata)
    }
}
