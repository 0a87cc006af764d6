import EventLoop
import Glibc
import HTTP2
import RPCServer

/// The admin port: probes and metrics over HTTP/1.1, for which no credential is asked, so they show no tenant's data; and
/// unary calls in JSON, which need the credential that they need by gRPC. It has no TLS, and belongs on an address that only
/// the operator's machines reach.
final class AdminServer: Sendable {
    /// Connections that are open at the same time at most, a loop; more are closed at once.
    static let maximumConnections = 64
    /// Calls among them at most, so that probes are always answered; more are 503.
    static let maximumCalls = 32
    /// How long a connection may take for its request's head, and for its reply.
    static let patience = Duration.seconds(10)
    /// How long a connection may take for the body of a call.
    static let bodyPatience = Duration.seconds(60)

    private let listener: Listener
    /// Where it listens.
    let address: SocketAddress

    /// Listens; `answer` is called on the loop of the connection.
    ///
    /// - Parameters:
    ///   - rpc: takes the calls.
    ///   - messageBytes: the largest body that it takes.
    init(
        host: String,
        port: UInt16,
        group: EventLoopGroup,
        rpc: RPCServer,
        messageBytes: Int,
        answer: @escaping @Sendable (AdminRequest) async -> AdminReply
    ) throws {
        let parts = group.loops.map { AdminLoop($0, rpc, messageBytes: messageBytes, answer) }
        listener = try Listener(host: host, port: port, group: group) { descriptor, loop in
            for part in parts where part.loop === loop {
                part.accept(descriptor)
                return
            }
            preconditionFailure("a connection was dealt to a loop of another group")
        }
        address = listener.address
    }

    /// Begins to answer.
    func start() { listener.start() }

    /// Stops listening; what is being answered is answered.
    func close() { listener.close() }
}

/// What the admin port's connections of one loop share.
final class AdminLoop: @unchecked Sendable {
    // @unchecked: confined to its loop.
    let loop: EventLoop
    let rpc: RPCServer
    let messageBytes: Int
    let answer: @Sendable (AdminRequest) async -> AdminReply
    /// Made when a call comes for the first time.
    private(set) lazy var buffers = HTTP2LoopBuffers(limits: HTTP2Limits())
    private var connections = 0
    private var calls = 0

    init(
        _ loop: EventLoop,
        _ rpc: RPCServer,
        messageBytes: Int,
        _ answer: @escaping @Sendable (AdminRequest) async -> AdminReply
    ) {
        self.loop = loop
        self.rpc = rpc
        self.messageBytes = messageBytes
        self.answer = answer
    }

    /// Takes a connection over, unless there are too many.
    func accept(_ descriptor: Int32) {
        loop.assertOnLoop()
        guard connections < AdminServer.maximumConnections else {
            Glibc.close(descriptor)
            return
        }
        connections += 1
        AdminConnection(descriptor, self).start()
    }

    /// - Returns: whether one more call may begin.
    func enterCall() -> Bool {
        guard calls < AdminServer.maximumCalls else { return false }
        calls += 1
        return true
    }

    func leaveCall() { calls -= 1 }

    func left() { connections -= 1 }
}
