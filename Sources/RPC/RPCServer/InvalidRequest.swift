public import Protobuf
internal import RPC

/// A request that is the message that the method takes, with fields that the rules of its proto file refuse.
public struct InvalidRequest: Error {
    /// The fields and what is wrong with each; at least one.
    public let violations: [FieldViolation]

    /// Takes what is wrong.
    public init(_ violations: [FieldViolation]) {
        self.violations = violations
    }

    var rpcError: RPCError {
        RPCError(.invalidArgument, violations.map { "\($0.field): \($0.reason)" }.joined(separator: "; "))
    }
}
