/// An error code of RFC 9113, section 7.
public struct HTTP2ErrorCode: RawRepresentable, Hashable, Sendable {
    /// The number on the wire.
    public var rawValue: UInt32

    /// The code with this number, known or not.
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// No error.
    public static let noError = HTTP2ErrorCode(rawValue: 0x0)
    /// The peer broke the protocol.
    public static let protocolError = HTTP2ErrorCode(rawValue: 0x1)
    /// We failed.
    public static let internalError = HTTP2ErrorCode(rawValue: 0x2)
    /// The peer broke flow control.
    public static let flowControlError = HTTP2ErrorCode(rawValue: 0x3)
    /// The stream was not looked at; it is safe to send it again.
    public static let refusedStream = HTTP2ErrorCode(rawValue: 0x7)
    /// The peer sent a frame for a stream that was over.
    public static let streamClosed = HTTP2ErrorCode(rawValue: 0x5)
    /// The stream is not needed any more.
    public static let cancel = HTTP2ErrorCode(rawValue: 0x8)
    /// The peer asks for too much.
    public static let enhanceYourCalm = HTTP2ErrorCode(rawValue: 0xb)
    /// The transport is not secure enough for the peer.
    public static let inadequateSecurity = HTTP2ErrorCode(rawValue: 0xc)
    /// The peer wants HTTP/1.1.
    public static let http11Required = HTTP2ErrorCode(rawValue: 0xd)
}

/// Why a connection cannot go on.
public enum HTTP2Error: Error, Equatable, Sendable {
    /// The peer broke the protocol, or the library failed; the text is the library's.
    case session(String)
    /// The socket failed with this `errno`.
    case socket(Int32)
    /// The peer closed the connection.
    case closedByPeer
    /// The peer reached a limit that ends the connection; the text says how.
    case limit(HTTP2Limit, String)
    /// The peer said that it is going away, with this code.
    case goingAway(HTTP2ErrorCode)
    /// We closed the connection.
    case closed
    /// TLS failed, or what stands in for the socket; the text says how.
    case transport(String)

    /// The limit that the peer reached, if it was that.
    public var limit: HTTP2Limit? {
        guard case .limit(let limit, _) = self else { return nil }
        return limit
    }
}
