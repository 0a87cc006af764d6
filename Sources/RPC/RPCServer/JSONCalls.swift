internal import EventLoop
internal import HTTP2
internal import Protobuf
internal import RPC

// Unary calls in JSON, by the unary Connect protocol: they come here as HTTP requests with application/json, and are the
// same calls as gRPC's to everything between.

extension ServerConnection {
    /// The most digits that connect-timeout-ms has.
    private static let timeoutDigits = 10

    /// Looks at the header list of a request in JSON: answers it, or makes it a call.
    func beginJSON(_ stream: HTTP2Stream, _ head: RequestHead) {
        guard let found = head.foundRoute, let route = head.route else {
            return refuseJSON(stream, 404, "there is no method \(stream.headers.first(":path") ?? "")")
        }
        guard route.kind == .unary else {
            return refuseJSON(stream, 415, "\(route.path) streams, which it does by gRPC only; send application/grpc")
        }
        let context = ServerContext(found, self, stream)
        let coding = CallCoding(isJSON: true)
        context.coding = coding
        stream.attachment = context
        tally.started()
        let metadata = context.metadata
        if let version = metadata.first("connect-protocol-version"), version != "1" {
            return context.end(Status(.invalidArgument, "connect-protocol-version is \(version); it must be 1"))
        }
        switch metadata.first("content-encoding") {
        case nil, "identity": break
        case "gzip": coding.requestIsGzip = true
        case let encoding?:
            coding.refusesEncoding = true
            return context.end(
                Status(.unimplemented, "content-encoding \(encoding) is not taken here; send identity or gzip")
            )
        }
        if let length = metadata.first("content-length").flatMap({ Int($0) }), length > limits.messageBytes {
            return context.end(context.tooLarge(length, limits.messageBytes))
        }
        guard let timeout = metadata.first("connect-timeout-ms") else { return }
        let isNumber = (1...Self.timeoutDigits).contains(timeout.utf8.count) && timeout.utf8.allSatisfy(\.isDigit)
        guard isNumber, let milliseconds = Int64(timeout) else {
            return context.end(
                Status(
                    .invalidArgument,
                    "connect-timeout-ms is \(timeout); it must be 1 to \(Self.timeoutDigits) digits"
                )
            )
        }
        _ = setDeadline(context, .milliseconds(milliseconds))
    }

    private func refuseJSON(_ stream: HTTP2Stream, _ status: Int, _ message: String) {
        counters.refused()
        ConnectReply(status: status, body: ConnectError.body(Status(.unimplemented, message), nil)).send(stream)
    }

    /// Answers a request in JSON whose metadata are too large.
    func refuseMetadata(_ stream: HTTP2Stream, _ status: Status) {
        counters.refused()
        ConnectReply(status: 431, body: ConnectError.body(status, nil)).send(stream)
    }
}

extension UInt8 {
    /// Whether it is a decimal digit.
    fileprivate var isDigit: Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) }
}

extension ServerContext {
    private var transcoder: any JSONTranscoder {
        guard let transcoder = connection.configuration.transcoder else {
            preconditionFailure("without a transcoder no call in JSON is begun")
        }
        return transcoder
    }

    /// Waits for the end of a request in JSON, whose body is the message.
    func gatherJSON() {
        let (count, limit) = (stream.inbound.count, connection.limits.messageBytes)
        guard count <= limit else { return end(tooLarge(count, limit)) }
        if stream.remoteEnded { start() } else { hold() }
    }

    /// The serialized message that the request's JSON stands for.
    func transcodedRequest(_ name: String, _ coding: CallCoding) throws -> [UInt8] {
        guard !isFinished else { throw CancellationError() }
        let body = stream.inbound.bytes
        let transcoder = transcoder
        defer { releaseRequest() }
        do throws(JSONError) {
            guard coding.requestIsGzip else { return try transcoder.request(body, of: route) }
        } catch {
            throw MalformedRequest(message: name, error: error)
        }
        let text = try inflated(body, "content-encoding gzip")
        do throws(JSONError) {
            return try text.span.withUnsafeBytes { (raw) throws(JSONError) in try transcoder.request(raw, of: route) }
        } catch {
            throw MalformedRequest(message: name, error: error)
        }
    }

    /// Answers with one message, in JSON.
    func finishJSON(_ framed: [UInt8], _ coding: CallCoding) {
        do throws(JSONError) {
            coding.body = Array(try transcoder.response(framed[MessageFraming.prefixBytes...], of: route).utf8)
        } catch {
            return fail(error)
        }
        if coding.wish != .none, coding.body.count >= connection.configuration.compressedBytesMin,
            metadata.accepts("gzip", in: "accept-encoding"), let smaller = connection.gzip.compress(coding.body)
        {
            (coding.body, coding.bodyIsGzip) = (smaller, true)
        }
        guard admitsResponse(coding.body.count) else { return end(Self.tooMuchUntaken) }
        connection.tally.messageSent()
        end(.ok)
    }

    /// Sends the whole answer of a call in JSON.
    func answerJSON(_ status: Status, _ coding: CallCoding) {
        var reply = ConnectReply(status: ConnectError.httpStatus(status.code), body: coding.body)
        reply.metadata = responseMetadata
        reply.trailers = trailers
        reply.refusesEncoding = coding.refusesEncoding
        reply.isGzip = status.code == .ok && coding.bodyIsGzip
        if status.code != .ok { reply.body = ConnectError.body(status, transcoder) }
        reply.send(stream)
    }
}
