import EventLoop
import HTTP2
import RPC
import Testing

/// A client of well-formed HTTP/2 that says whatever it likes in it.
final class PlainClient: HTTP2SessionDelegate, @unchecked Sendable {
    // @unchecked: confined to its loop.

    /// What came back.
    struct Answer: Sendable {
        var headers = HeaderFields()
        var trailers = HeaderFields()
        var body: [UInt8] = []
        var error = HTTP2ErrorCode.noError

        var httpStatus: String? { headers.first(":status") }

        /// The status, wherever it stands.
        var status: StatusCode? {
            (trailers.first("grpc-status") ?? headers.first("grpc-status")).flatMap { Int($0) }
                .flatMap(StatusCode.init)
        }

        var message: String? { trailers.first("grpc-message") ?? headers.first("grpc-message") }
    }

    private let loop: EventLoop
    private var connection: HTTP2Connection?
    private var waiting: [Int32: (Answer, CheckedContinuation<Answer, Never>)] = [:]

    init(_ address: String) async throws {
        loop = try EventLoop.startThread(name: "plain")
        let port = try #require(address.split(separator: ":").last.flatMap { UInt16($0) })
        let resolved = try #require(try SocketAddress.resolve(host: "127.0.0.1", port: port).first)
        let descriptor = try ClientSocket.connect(to: resolved).descriptor
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            loop.submit { [self] in
                let limits = HTTP2Limits()
                let made = HTTP2Connection(
                    role: .client,
                    transport: SocketTransport(socket: descriptor),
                    loop: loop,
                    limits: limits,
                    buffers: HTTP2LoopBuffers(limits: limits)
                )
                made.session.delegate = self
                connection = made
                try? made.start()
                continuation.resume()
            }
        }
    }

    func close() async {
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            loop.submit { [self] in
                connection?.close(.closed)
                continuation.resume()
            }
        }
        loop.stop()
        loop.join()
    }

    /// Sends a request and waits for its stream to end.
    ///
    /// - Parameters:
    ///   - fields: beside or instead of those of a good call; an empty value takes the field away.
    ///   - more: fields that follow these, in order, of which a name may repeat.
    func request(
        _ method: String,
        _ fields: [String: String] = [:],
        more: [(String, String)] = [],
        body: [UInt8]
    ) async -> Answer {
        await withCheckedContinuation { continuation in
            loop.submit { [self] in
                var all = [
                    (":method", "POST"), (":scheme", "http"), (":path", "/test.Control/\(method)"),
                    (":authority", "localhost"), ("te", "trailers"), ("content-type", "application/grpc"),
                ]
                for (name, value) in fields.sorted(by: { $0.key < $1.key }) {
                    if let index = all.firstIndex(where: { $0.0 == name }) {
                        all[index].1 = value
                    } else {
                        all.append((name, value))
                    }
                }
                var list = HeaderFields()
                for (name, value) in all where !value.isEmpty { list.append(name, value) }
                for (name, value) in more { list.append(name, value) }
                guard let stream = connection?.session.request(.none, list) else {
                    return continuation.resume(returning: Answer(error: .refusedStream))
                }
                stream.send(body)
                stream.finish()
                waiting[stream.id] = (Answer(), continuation)
            }
        }
    }

    func session(_ session: HTTP2Session, stream: HTTP2Stream, did events: HTTP2Stream.Events) {
        guard let (before, continuation) = waiting[stream.id] else { return }
        var answer = before
        answer.body.append(contentsOf: stream.inbound.bytes)
        stream.inbound.consume(stream.inbound.count)
        stream.acknowledge()
        if events.contains(.headers) { answer.headers = stream.headers }
        if events.contains(.ended) { answer.trailers = stream.trailers }
        if events.contains(.closed) { answer.error = stream.errorCode }
        if events.contains(.ended) || events.contains(.closed) {
            waiting[stream.id] = nil
            return continuation.resume(returning: answer)
        }
        waiting[stream.id] = (answer, continuation)
    }

    func session(_ session: HTTP2Session, goingAway code: HTTP2ErrorCode, lastStream: Int32) {}
}
