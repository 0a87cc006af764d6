import EventLoop
import HTTP2
import RPCServer

/// A call that came over HTTP/1.1, made over HTTP/2 inside the process, so that there is one implementation of a call.
/// Confined to its loop.
final class RPCBridge: HTTP2SessionDelegate {
    private let connection: HTTP2Connection
    private var stream: HTTP2Stream?
    private var body: [UInt8] = []
    private var onReply: ((AdminReply) -> Void)?
    private let onDrained: () -> Void

    /// Begins a call; nil when the server takes no connection now.
    ///
    /// - Parameter peer: who the caller is, for logs.
    init?(
        _ request: AdminRequest,
        peer: String,
        on loop: EventLoop,
        _ rpc: RPCServer,
        _ buffers: HTTP2LoopBuffers,
        onDrained: @escaping () -> Void,
        onReply: @escaping (AdminReply) -> Void
    ) {
        let (near, far) = MemoryPipe.pair(loop, peer: peer)
        guard let served = rpc.accept(far, on: loop) else { return nil }
        far.wake(served)
        connection = HTTP2Connection(
            role: .client,
            transport: near,
            loop: loop,
            limits: HTTP2Limits(),
            buffers: buffers
        )
        self.onDrained = onDrained
        self.onReply = onReply
        connection.session.delegate = self
        // The session does not retain who hears of it; the connection does, until it is closed.
        connection.onClosed = { [self] _ in stream = nil }
        near.wake(connection)
        stream = connection.session.request(.none, Self.headers(request))
    }

    /// Whether the server has to take more before more is sent.
    var isFull: Bool { stream?.isFull ?? false }

    /// Sends a part of the request's body.
    func send(_ bytes: [UInt8]) { stream?.send(bytes) }

    /// Ends the request's body.
    func finish() { stream?.finish() }

    /// Gives the call up.
    func cancel() {
        onReply = nil
        stream = nil
        connection.close(.closed)
    }

    // MARK: Events

    func session(_ session: HTTP2Session, stream: HTTP2Stream, did events: HTTP2Stream.Events) {
        body.append(contentsOf: stream.inbound.bytes)
        stream.inbound.consume(stream.inbound.count)
        stream.acknowledge()
        if events.contains(.ended) {
            reply(Self.reply(stream.headers, body))
        } else if events.contains(.closed) {
            reply(stream.errorCode == .protocolError ? Self.malformed : Self.stopping)
        } else if events.contains(.drained) {
            onDrained()
        }
    }

    func session(_ session: HTTP2Session, goingAway code: HTTP2ErrorCode, lastStream: Int32) {}

    private static let malformed = AdminReply(
        status: "400 Bad Request",
        body: "the request is not well-formed HTTP\n"
    )

    private static let stopping = AdminReply.unavailable(
        "{\"code\":\"unavailable\",\"message\":\"the server is shutting down\"}",
        isJSON: true
    )

    private func reply(_ reply: AdminReply) {
        guard let onReply else { return }
        cancel()
        onReply(reply)
    }

    // MARK: Fields

    /// What belongs to a connection of HTTP/1.1, or has another name in HTTP/2 (RFC 9113, section 8.2.2).
    private static let dropped: Set<String> = [
        "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "te", "host", "expect",
        "trailer",
        "http2-settings",
    ]

    private static func headers(_ request: AdminRequest) -> HeaderFields {
        var fields = HeaderFields()
        fields.append(":method", request.method)
        fields.append(":scheme", "http")
        fields.append(":path", request.target)
        fields.append(":authority", request.values("host").first ?? "localhost")
        let named = request.values("connection").joined(separator: ",").lowercased().split(separator: ",")
            .map { $0.filter { $0 != " " } }
        for field in request.fields where !dropped.contains(field.name) && !named.contains(field.name) {
            fields.append(field.name, field.value)
        }
        return fields
    }

    private static func reply(_ headers: HeaderFields, _ body: [UInt8]) -> AdminReply {
        var reply = AdminReply(status: "502", type: "", body: "")
        for index in 0..<headers.count {
            let (name, value) = headers.field(at: index)
            switch name {
            case ":status": reply.status = "\(value) \(phrase(value))"
            case "content-type": reply.type = value
            case "content-length": break
            default: reply.fields.append(.init(name: name, value: value))
            }
        }
        reply.body = body
        return reply
    }

    /// The phrase of a status that an RPC can have.
    private static func phrase(_ status: String) -> String {
        switch status {
        case "200": "OK"
        case "400": "Bad Request"
        case "401": "Unauthorized"
        case "403": "Forbidden"
        case "404": "Not Found"
        case "405": "Method Not Allowed"
        case "409": "Conflict"
        case "415": "Unsupported Media Type"
        case "429": "Too Many Requests"
        case "431": "Request Header Fields Too Large"
        case "499": "Client Closed Request"
        case "501": "Not Implemented"
        case "503": "Service Unavailable"
        case "504": "Gateway Timeout"
        default: "Internal Server Error"
        }
    }
}

extension AdminReply {
    /// Not now, in JSON or in words.
    static func unavailable(_ body: String, isJSON: Bool) -> AdminReply {
        AdminReply(
            status: "503 Service Unavailable",
            type: isJSON ? "application/json" : "text/plain; charset=utf-8",
            body: body
        )
    }
}
