import EventLoop
import FuzzSupport
import Glibc
import HTTP2
import RPC
import RPCClient

/// A client whose channels read their servers' answers from the input.
final class Caller: Sendable {
    static let shared = Caller()

    private let group: EventLoopGroup
    private let listener: Listener
    private let serviceConfig: ServiceConfig

    private init() {
        do {
            group = try EventLoopGroup(count: 1, name: "fuzz")
            // Somebody who takes connections: the channel dials, and then reads from a tape.
            listener = try Listener(host: "127.0.0.1", port: 0, group: group) { socket, _ in close(socket) }
            serviceConfig = try ServiceConfig(
                json: """
                    {"methodConfig": [
                        {"name": [{}], "retryPolicy": {"maxAttempts": 2, "initialBackoff": "0.000001s",
                         "maxBackoff": "0.000001s", "backoffMultiplier": 1, "retryableStatusCodes": ["UNAVAILABLE"]}},
                        {"name": [{"service": "h"}], "hedgingPolicy": {"maxAttempts": 3, "hedgingDelay": "0s",
                         "nonFatalStatusCodes": ["UNAVAILABLE", "INTERNAL"]}}
                    ]}
                    """
            )
        } catch {
            preconditionFailure("no client: \(error)")
        }
        listener.start()
    }

    /// Makes a call of each kind on one connection, and waits until all have ended, as each must.
    func call(_ input: [UInt8], _ step: Int) {
        var configuration = ChannelConfiguration()
        configuration.security = Answers(input, step)
        configuration.serviceConfig = serviceConfig
        configuration.messageBytes = 1000
        configuration.http2.headerListBytes = 1024
        configuration.http2.streamWindowBytes = 512
        let done = Signal()
        let (loop, address, settings) = (group.loops[0], listener.address.description, configuration)
        Task.detached {
            let channel: Channel
            do {
                channel = try Channel(address: address, configuration: settings, loop: loop)
            } catch {
                preconditionFailure("no channel: \(error)")
            }
            // Long for a tape; a server may ask for a later retry or say nothing at all.
            let options = CallOptions(timeout: .milliseconds(100), isIdempotent: true)
            await withTaskGroup(of: Void.self) { calls in
                calls.addTask {
                    let response = try? await channel.unaryBytes("/t/E", [1, 2, 3], options)
                    if let response {
                        precondition(response.message.count <= 1000, "larger than the limit")
                        Caller.walk(response.metadata)
                        Caller.walk(response.trailers)
                    }
                }
                calls.addTask { _ = try? await channel.unaryBytes("/h/E", [], options) }
                calls.addTask {
                    let call = channel.call("/t/B", options)
                    await call.send([1])
                    call.finishSending()
                    do throws(RPCError) {
                        while let message = try await call.next() {
                            precondition(message.count <= 1000, "larger than the limit")
                        }
                    } catch {
                        precondition(error.code != .ok, "a failure says OK")
                        Caller.walk(error.metadata)
                    }
                }
            }
            await channel.close()
            done.post()
        }
        done.wait()
    }

    private static func walk(_ metadata: Metadata) {
        for (name, _) in metadata where name.hasSuffix("-bin") { _ = metadata.allBytes(name) }
    }
}

/// Gives the first connections of a channel the tape, and refuses those after them, so that every call ends.
private final class Answers: ClientTransportSecurity, @unchecked Sendable {
    // @unchecked: confined to the channel's loop.
    private static let connectionsMax = 2
    /// One end of a pair of sockets at whose other end a byte was sent: always readable, always writable.
    private static let ready: Int32 = {
        var pair: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, kind, 0, &pair) == 0, write(pair[1], "x", 1) == 1 else {
            preconditionFailure("no pair of sockets: \(errno)")
        }
        return pair[0]
    }()

    private let input: [UInt8]
    private let step: Int
    private var connections = 0

    init(_ input: [UInt8], _ step: Int) {
        self.input = input
        self.step = step
    }

    func transport(over socket: Int32, serverName: String) throws(HTTP2Error) -> any ByteTransport {
        // Reset, so that thousands of them a second leave no port behind that waits.
        var linger = linger(l_onoff: 1, l_linger: 0)
        setsockopt(socket, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<linger>.size))
        close(socket)
        connections += 1
        guard connections <= Self.connectionsMax else { throw .closedByPeer }
        return Tape(input, step, descriptor: dup(Self.ready))
    }
}
