// CUV, too: which of the two modules owns the socket headers depends on the order in which they are built.
internal import CUV
internal import Glibc

/// A TCP socket on its way to a server.
public enum ClientSocket {
    /// Makes a non-blocking socket for an address and begins to connect it, with Nagle's algorithm off.
    ///
    /// - Returns: the socket, which the caller closes, and whether it is connected already. If not, it is writable once
    ///   it is, or has failed: then ask ``failure(of:)``.
    /// - Throws: `EventLoopError.system` when it cannot even begin.
    public static func connect(to address: SocketAddress) throws(EventLoopError) -> (descriptor: Int32, isDone: Bool) {
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let descriptor = socket(Int32(address.family), kind, 0)
        guard descriptor >= 0 else { throw .system(operation: "socket", code: -errno) }
        var on: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
        if address.connect(descriptor) == 0 { return (descriptor, true) }
        let code = errno
        if code == EINPROGRESS { return (descriptor, false) }
        Glibc.close(descriptor)
        throw .system(operation: "connect to \(address)", code: -code)
    }

    /// Why a socket could not be connected; nil when it is.
    public static func failure(of descriptor: Int32) -> EventLoopError? {
        var code: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        if getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &size) != 0 { code = errno }
        return code == 0 ? nil : .system(operation: "connect", code: -code)
    }
}
