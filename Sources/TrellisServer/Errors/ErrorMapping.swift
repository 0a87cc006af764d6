import Domain
import Postgres
import Protobuf
import RPC
import RPCServer
import TrellisAPI

/// What a failure is on the wire: one gRPC status, one reason, and the details that a program can act on.
///
/// This is the only place where errors of the domain and of PostgreSQL become statuses. `docs/errors.md` holds the table
/// for people; a test holds the two together.
struct ErrorReply: Sendable {
    /// The domain of our reasons, as `google.rpc.ErrorInfo` has it.
    static let domain = "trellis"

    /// The gRPC status.
    var code: StatusCode
    /// The machine-readable reason, in UPPER_SNAKE_CASE.
    var reason: String
    /// What was wrong, with which value, and what would be right.
    var message: String
    /// More about the reason, by name.
    var metadata: [String: String] = [:]
    /// The fields that hold what they cannot hold.
    var fields: [FieldViolation] = []
    /// The state that the call needs and did not find.
    var precondition: PreconditionFailure.Violation?
    /// The limit that was reached.
    var quota: QuotaFailure.Violation?
    /// The resource that the error is about: its type and its name.
    var resource: (type: String, name: String)?
    /// After how long trying again may help.
    var retryAfter: Duration?
    /// Whether the cause is a fault of the server or of what it stands on, to be logged as such.
    var isFault = false

    /// The error as the RPC layer sends it; `requestID` goes with it so that people can ask about it.
    func rpcError(requestID: String) -> RPCError {
        RPCError(code, message, details: status(requestID: requestID).serialized())
    }

    /// The error with all its details, as it is kept of an operation that has failed.
    func status(requestID: String) -> RPCStatus {
        var status = lasting
        status.details += Self.passing(retryAfter: retryAfter, requestID: requestID)
        return status
    }

    /// What an error of its kind says about every call.
    var lasting: RPCStatus {
        var status = RPCStatus(code: Int32(code.rawValue), message: message)
        status.details.append(Self.pack(ErrorInfo(reason: reason, domain: Self.domain, metadata: metadata)))
        if !fields.isEmpty {
            let violations = fields.map { BadRequest.FieldViolation(field: $0.field, description: $0.reason) }
            status.details.append(Self.pack(BadRequest(fieldViolations: violations)))
        }
        if let precondition { status.details.append(Self.pack(PreconditionFailure(violations: [precondition]))) }
        if let quota { status.details.append(Self.pack(QuotaFailure(violations: [quota]))) }
        if let resource {
            status.details.append(Self.pack(ResourceInfo(resourceType: resource.type, resourceName: resource.name)))
        }
        return status
    }

    /// The details that differ from call to call.
    static func passing(retryAfter: Duration?, requestID: String) -> [AnyMessage] {
        let request = pack(RequestInfo(requestID: requestID))
        guard let retryAfter else { return [request] }
        return [pack(RetryInfo(retryDelay: ProtoDuration(retryAfter))), request]
    }

    private static func pack(_ detail: some Message) -> AnyMessage {
        AnyMessage(typeURL: "type.googleapis.com/\(type(of: detail).fullName)", value: detail.serialized())
    }
}

extension ErrorReply {
    /// What an error becomes; an error that is not for the caller's eyes becomes INTERNAL, which shows nothing of it.
    init(_ error: any Error) {
        switch error {
        case let error as DomainError: self.init(error)
        case let error as RateRefusal: self.init(error.error)
        case let error as PostgresError: self.init(error)
        case let error as MalformedRequest:
            self.init(code: .invalidArgument, reason: "MALFORMED_REQUEST", message: error.reason)
            fields = [FieldViolation(field: error.error.field, reason: error.error.reason)]
        case let error as InvalidRequest: self.init(DomainError.invalid(error.violations))
        case is CancellationError: self.init(code: .cancelled, reason: "CANCELLED", message: "the call was given up")
        default: self = .internalError
        }
    }

    /// What the caller sees of a fault: nothing but that there was one. The request id goes with every reply.
    static let internalError = ErrorReply(
        code: .internal,
        reason: "INTERNAL",
        message: "the server failed; its log tells more under this call's request id",
        isFault: true
    )

    init(_ error: DomainError) {
        self.init(code: Self.code(of: error), reason: error.reason, message: error.message)
        switch error {
        case .invalid(let violations):
            fields = violations
        case .notFound(let type, let id):
            resource = (type, id)
        case .alreadyExists(let type, let field, let value):
            resource = (type, value)
            metadata = ["field": field]
        case .etagMismatch(let type, let id):
            resource = (type, id)
        case .requestIDReused:
            fields = [FieldViolation(field: "request_id", reason: error.message)]
        case .failedPrecondition(let failed):
            precondition = .init(type: failed.reason, subject: failed.subject, description: failed.description)
        case .permissionDenied(let permission):
            metadata = ["permission": permission]
        case .escalation(let permissions):
            metadata = ["permissions": permissions.joined(separator: ",")]
        case .resourceExhausted(let exhaustion):
            quota = .init(subject: exhaustion.subject, description: exhaustion.description)
            retryAfter = exhaustion.retryAfter
        case .contention:
            retryAfter = .milliseconds(50)
        case .addressNotAllowed(let address):
            metadata = ["address": address]
        case .unauthenticated, .wrongCredentialKind, .tenantClosed:
            break
        }
    }

    private static func code(of error: DomainError) -> StatusCode {
        switch error {
        case .notFound: .notFound
        case .alreadyExists: .alreadyExists
        case .invalid, .requestIDReused: .invalidArgument
        case .failedPrecondition: .failedPrecondition
        case .etagMismatch, .contention: .aborted
        case .unauthenticated: .unauthenticated
        case .permissionDenied, .wrongCredentialKind, .escalation, .addressNotAllowed, .tenantClosed: .permissionDenied
        case .resourceExhausted: .resourceExhausted
        }
    }
}

extension ErrorReply {
    /// What PostgreSQL's errors become that no use case has put into words.
    init(_ error: PostgresError) {
        switch error.kind {
        case .server:
            self.init(sqlState: error.sqlState)
        case .unavailable:
            self = .databaseUnavailable
        case .outcomeUnknown:
            self.init(
                code: .unavailable,
                reason: "OUTCOME_UNKNOWN",
                message: "the connection to the database broke before it answered: the call may have taken effect; "
                    + "repeat it with the same request_id",
                retryAfter: .seconds(1),
                isFault: true
            )
        case .cancelled:
            self.init(code: .cancelled, reason: "CANCELLED", message: "the call was given up")
        case .timeout:
            self = .deadlineExceeded
        case .overloaded:
            self.init(
                code: .resourceExhausted,
                reason: "OVERLOADED",
                message: "more calls wait for the database than the server holds: try again",
                quota: .init(subject: "server", description: "the waiting line for the database is full"),
                retryAfter: .seconds(1),
                isFault: true
            )
        case .decoding, .protocol:
            self = .internalError
        }
    }

    private static let databaseUnavailable = ErrorReply(
        code: .unavailable,
        reason: "DATABASE_UNAVAILABLE",
        message: "the database cannot be reached: try again",
        retryAfter: .seconds(1),
        isFault: true
    )

    private static let deadlineExceeded = ErrorReply(
        code: .deadlineExceeded,
        reason: "DEADLINE_EXCEEDED",
        message: "the call took longer than its deadline, or a statement than the server allows"
    )

    /// By SQLSTATE, for errors of constraints and conditions that no use case expects.
    init(sqlState: SQLState?) {
        switch sqlState {
        case .uniqueViolation?:
            self.init(
                code: .alreadyExists,
                reason: "ALREADY_EXISTS",
                message: "there is already one with these values",
                isFault: true
            )
        case .foreignKeyViolation?:
            self.init(
                code: .failedPrecondition,
                reason: "REFERENCE_BROKEN",
                message:
                    "something that the call refers to does not exist, or something else still refers to what it deletes",
                isFault: true
            )
        case .serializationFailure?, .deadlockDetected?, .lockNotAvailable?:
            self.init(DomainError.contention)
        case .queryCanceled?:
            self = .deadlineExceeded
        case .insufficientResources?:
            self.init(
                code: .resourceExhausted,
                reason: "DATABASE_EXHAUSTED",
                message: "the database is out of disk, memory or connections: try again later",
                quota: .init(subject: "database", description: "out of disk, memory or connections"),
                retryAfter: .seconds(5),
                isFault: true
            )
        case .connectionException?, .adminShutdown?, .crashShutdown?, .cannotConnectNow?:
            self = .databaseUnavailable
        default:
            self = .internalError
        }
    }
}
