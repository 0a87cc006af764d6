/// Makes a client's transport of a socket that has just been connected: TLS, where a channel is to have it.
///
/// The handshake happens inside the transport, as the connection reads and writes; until it is done, reads bring nothing
/// and writes take nothing. A failed handshake is a failed read or write.
public protocol ClientTransportSecurity: Sendable {
    /// Takes over a connected, non-blocking socket, also when it throws. On the loop that the connection will live on.
    ///
    /// - Parameter serverName: the host that was dialled, whose name or address the server's certificate has to bear.
    /// - Throws: ``HTTP2Error`` when there can be no transport.
    func transport(over socket: Int32, serverName: String) throws(HTTP2Error) -> any ByteTransport
}

/// Makes a server's transport of a socket that has just been accepted: TLS, where a listener is to have it.
public protocol ServerTransportSecurity: Sendable {
    /// Takes over an accepted, non-blocking socket, also when it throws. On the loop that the connection will live on.
    ///
    /// - Throws: ``HTTP2Error`` when there can be no transport.
    func transport(over socket: Int32) throws(HTTP2Error) -> any ByteTransport
}
