internal import Protobuf

/// What an audit event keeps of a request.
enum AuditedRequest {
    /// The message's type.
    static func json(_ request: some Message) -> String {
        #"{"@type":"\#(type(of: request).fullName)"}"#
    }
}
