/// A limit of ``ServerLimits`` that a caller can reach, as counters and logs name it.
public enum ServerLimit: String, CaseIterable, Sendable {
    /// ``ServerLimits/messageBytes``: the call was refused.
    case messageBytes = "message_bytes"
    /// ``ServerLimits/requestBytesPerConnection`` or ``ServerLimits/requestBytesPerLoop``: the call was refused.
    case requestBytes = "request_bytes"
    /// ``ServerLimits/requestSeconds``: the call was refused.
    case requestTime = "request_time"
    /// ``ServerLimits/responseBytesPerConnection``: the call's answer was dropped.
    case responseBytes = "response_bytes"
    /// ``ServerLimits/connectionsPerLoop``: the connection was closed at once.
    case connections = "connections"
    /// ``ServerLimits/connectionsPerAddress``: the connection was closed at once.
    case connectionsPerAddress = "connections_per_address"
    /// ``ServerLimits/hostileConnectionsPerAddress``: the connection was closed at once.
    case hostileAddress = "hostile_address"
}
