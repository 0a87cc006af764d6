public import Protobuf
public import RPC

/// A request whose bytes are not the message that the method takes.
public struct MalformedRequest: Error {
    /// The full name of the message.
    public let message: String
    /// What is wrong, and in which field.
    public let error: WireError

    /// Takes the message's full name and what is wrong with the bytes.
    public init(message: String, error: WireError) {
        self.message = message
        self.error = error
        text = error.description
    }

    /// Takes the message's full name and what is wrong with its JSON.
    public init(message: String, error: JSONError) {
        self.message = message
        self.error = WireError(reason: error.reason, field: error.path)
        text = error.description
    }

    private var text: String

    /// What was wrong, for people.
    public var reason: String { "the request is not a well-formed \(message): \(text)" }

    @usableFromInline
    var rpcError: RPCError { RPCError(.invalidArgument, reason) }
}
