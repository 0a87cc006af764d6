/// The outcome of a call, as gRPC numbers it.
public enum StatusCode: Int, Sendable, CaseIterable {
    /// The call did what it was asked.
    case ok = 0
    /// The caller gave the call up.
    case cancelled = 1
    /// Something failed, and nothing more is known.
    case unknown = 2
    /// The request is wrong, whatever the state of the system.
    case invalidArgument = 3
    /// The time that the caller gave is over; the call may have had its effect.
    case deadlineExceeded = 4
    /// What was asked for does not exist, or not for this caller.
    case notFound = 5
    /// What was to be made exists.
    case alreadyExists = 6
    /// The caller may not do this.
    case permissionDenied = 7
    /// A quota or a limit is used up.
    case resourceExhausted = 8
    /// The system is not in the state that the call needs.
    case failedPrecondition = 9
    /// Another call was in the way; trying again from the start may work.
    case aborted = 10
    /// A position is past the end.
    case outOfRange = 11
    /// There is no such method here.
    case unimplemented = 12
    /// The server, or something between, is broken.
    case `internal` = 13
    /// The server cannot be reached, or cannot answer now; trying again may work.
    case unavailable = 14
    /// Data is lost or damaged.
    case dataLoss = 15
    /// The caller's credential is missing or wrong.
    case unauthenticated = 16

    /// The name in capitals with underscores, such as "NOT_FOUND", as logs and tools show it.
    public var name: String {
        switch self {
        case .ok: "OK"
        case .cancelled: "CANCELLED"
        case .unknown: "UNKNOWN"
        case .invalidArgument: "INVALID_ARGUMENT"
        case .deadlineExceeded: "DEADLINE_EXCEEDED"
        case .notFound: "NOT_FOUND"
        case .alreadyExists: "ALREADY_EXISTS"
        case .permissionDenied: "PERMISSION_DENIED"
        case .resourceExhausted: "RESOURCE_EXHAUSTED"
        case .failedPrecondition: "FAILED_PRECONDITION"
        case .aborted: "ABORTED"
        case .outOfRange: "OUT_OF_RANGE"
        case .unimplemented: "UNIMPLEMENTED"
        case .internal: "INTERNAL"
        case .unavailable: "UNAVAILABLE"
        case .dataLoss: "DATA_LOSS"
        case .unauthenticated: "UNAUTHENTICATED"
        }
    }
}

/// How a call ended.
public struct Status: Sendable, Equatable {
    /// What became of it.
    public var code: StatusCode
    /// What to tell a person; empty when the code says all.
    public var message: String
    /// A serialized google.rpc.Status with details for programs; empty when there are none.
    public var details: [UInt8]

    /// A status.
    public init(_ code: StatusCode, _ message: String = "", details: [UInt8] = []) {
        self.code = code
        self.message = message
        self.details = details
    }

    /// The call did what it was asked.
    public static let ok = Status(.ok)
}

/// A call that failed: what a handler throws to say so, and what a client catches.
public struct RPCError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Why it failed; never ``StatusCode/ok``.
    public var code: StatusCode
    /// What was wrong, with which value, and what would be right.
    public var message: String
    /// A serialized google.rpc.Status with details for programs; empty when there are none.
    public var details: [UInt8]
    /// Metadata that goes, or came, with the status.
    public var metadata: Metadata

    /// An error to throw from a handler.
    public init(_ code: StatusCode, _ message: String, details: [UInt8] = [], metadata: Metadata = Metadata()) {
        precondition(code != .ok, "an error is not OK")
        self.code = code
        self.message = message
        self.details = details
        self.metadata = metadata
    }

    /// Code, message and details.
    public var status: Status { Status(code, message, details: details) }

    /// The code's name and the message.
    public var description: String { message.isEmpty ? code.name : "\(code.name): \(message)" }
}
