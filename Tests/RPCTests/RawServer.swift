import Foundation
import Synchronization

/// A server without any protocol: each connection is in the hands of a function, on a thread of its own, which does as it
/// likes with it.
final class RawServer: Sendable {
    let address: String
    private let descriptor: Int32
    private let count = Mutex(0)

    /// How many connections it has taken.
    var connections: Int { count.withLock { $0 } }

    /// - Parameter serve: what is done with a connection, and which one it is, from 1; it is closed when that returns.
    init(port: UInt16 = 0, _ serve: @escaping @Sendable (RawPeer, Int) -> Void) {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var on: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = port.bigEndian
        name.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = descriptor
        let bound = withUnsafeMutablePointer(to: &name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { name in
                bind(descriptor, name, length) == 0 && listen(descriptor, 128) == 0
                    && getsockname(descriptor, name, &length) == 0
            }
        }
        precondition(bound, "cannot listen")
        address = "127.0.0.1:\(UInt16(bigEndian: name.sin_port))"
        Thread.detachNewThread { [weak self] in
            while true {
                let socket = accept(descriptor, nil, nil)
                guard socket >= 0 else { return }
                _ = fcntl(socket, F_SETFL, O_NONBLOCK)
                let number = self?.count.withLock { count in
                    count += 1
                    return count
                }
                guard let number else {
                    close(socket)
                    return
                }
                Thread.detachNewThread { serve(RawPeer(accepted: socket), number) }
            }
        }
    }

    /// Takes no more connections.
    func stop() { shutdown(descriptor, Int32(SHUT_RDWR)) }

    deinit { stop() }
}
