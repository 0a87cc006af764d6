internal import HTTP2
internal import RPC

/// One try of a call: its place in line for a connection, then its stream. Confined to the channel's loop.
final class CallAttempt {
    /// What the server can have seen of a try that failed.
    enum Sight {
        /// Nothing: it never left.
        case neverSent
        /// It says itself that it did not look at it (REFUSED_STREAM, or GOAWAY with a lower number).
        case refused
        /// Perhaps everything.
        case seen
    }

    /// What a server says about trying again (gRFC A6).
    enum Pushback: Equatable {
        case never
        case after(Duration)
    }

    /// How a try ended.
    struct End {
        var status: Status
        var trailers = Metadata()
        var sight = Sight.seen
        /// Whether it could not be sent because nobody can be reached.
        var isUnreachable = false

        var pushback: Pushback? {
            guard let text = trailers.first("grpc-retry-pushback-ms") else { return nil }
            guard let milliseconds = Int32(text), milliseconds >= 0 else { return .never }
            return .after(.milliseconds(milliseconds))
        }
    }

    private let call: ClientCall
    /// How often the call has been sent before, as the server is told.
    let previous: Int
    private(set) var stream: HTTP2Stream?
    /// What came before the first message.
    private(set) var metadata = Metadata()
    /// Whether ``metadata`` has come.
    private(set) var hasHeaders = false
    /// Whether response messages may be compressed.
    private(set) var isGzip = false
    /// Whether nothing more is sent or heard; messages may still wait to be read.
    private(set) var isOver = false
    /// How many of the call's messages have been given to the stream.
    private var sentCount = 0
    private var isQueued = true

    init(_ call: ClientCall, previous: Int) {
        self.call = call
        self.previous = previous
    }

    var waitsForReady: Bool { call.waitsForReady }

    // MARK: Sending

    /// The header list, in the order that gRPC asks for.
    func fields(authority: String) -> HeaderFields {
        var fields = HeaderFields()
        fields.append(":authority", authority)
        fields.append(":path", call.path)
        if let left = call.timeRemaining { fields.append("grpc-timeout", Timeout.format(left)) }
        fields.append("te", "trailers")
        fields.append("content-type", "application/grpc")
        fields.append("user-agent", call.core.configuration.userAgent)
        if call.options.compression == .gzip { fields.append("grpc-encoding", "gzip") }
        fields.append("grpc-accept-encoding", "gzip")
        if previous > 0 { fields.append("grpc-previous-rpc-attempts", String(previous)) }
        guard !call.options.metadata.isEmpty else { return fields }
        var metadata = Metadata(fields)
        metadata.append(contentsOf: call.options.metadata)
        return metadata.fields
    }

    /// Takes the stream that it goes on, and sends what there is.
    func attach(_ stream: HTTP2Stream) {
        self.stream = stream
        isQueued = false
        stream.attachment = self
        push()
        call.attached(self)
    }

    /// Sends what the call has and this try has not sent yet.
    func push() {
        guard let stream, !isOver else { return }
        while sentCount < call.requests.count {
            stream.send(call.requests[sentCount])
            sentCount += 1
        }
        if call.isRequestEnded { stream.finish() }
    }

    // MARK: Receiving

    func handle(_ events: HTTP2Stream.Events, connectionLost: HTTP2Error?) {
        guard let stream else { return }
        if !isOver, events.contains(.headers) { readHeaders(stream) }
        if !isOver, events.contains(.ended) {
            readStatus(stream)
            // The server needs no more of the request (PROTOCOL-HTTP2, "Early Server Closure").
            if !stream.isClosed { stream.reset(.noError) }
        }
        if !isOver, events.contains(.closed) {
            let status = call.status(ofReset: stream.errorCode, connectionLost)
            let refused = stream.errorCode == .refusedStream
            end(End(status: status, sight: !refused ? .seen : stream.isSent ? .refused : .neverSent))
        }
        call.progressed(self, events)
    }

    private func readHeaders(_ stream: HTTP2Stream) {
        let headers = Metadata(stream.headers)
        // A status in the first header list stands above everything else that is odd about it.
        if stream.trailers.isEmpty, headers.fields.firstIndex(of: "grpc-status") != nil {
            guard !stream.remoteEnded else { return }
            return fail(headers, Self.status(headers))
        }
        guard !stream.headersTooLarge else { return fail(headers, Self.tooMuchMetadata) }
        let status = headers.first(":status") ?? ""
        guard status == "200" else { return fail(headers, Self.status(ofHTTP: status)) }
        guard headers.withValue("content-type", Self.isGRPC) else {
            let type = headers.first("content-type") ?? "nothing"
            return fail(
                headers,
                Status(.unknown, "the server answered with content-type \(type), not application/grpc")
            )
        }
        if let encoding = headers.first("grpc-encoding"), encoding != "identity" {
            guard encoding == "gzip" else {
                return fail(headers, Status(.internal, "the server compresses with \(encoding); it was offered gzip"))
            }
            isGzip = true
        }
        // An end without trailers is no answer; it may be tried again like any failure.
        guard !stream.remoteEnded || !stream.trailers.isEmpty || stream.inbound.count > 0 else { return }
        metadata = headers
        hasHeaders = true
        call.headersCame(self)
    }

    /// "application/grpc", alone or with "+proto", another format, or parameters.
    private static func isGRPC(_ type: UnsafeRawBufferPointer?) -> Bool {
        guard let type, type.starts(with: "application/grpc".utf8) else { return false }
        let rest = type.dropFirst(16).first
        return rest == nil || rest == UInt8(ascii: "+") || rest == UInt8(ascii: ";")
    }

    private func readStatus(_ stream: HTTP2Stream) {
        // A call that fails before its first message has its status in the one header list that there is.
        let trailers = Metadata(stream.trailers.isEmpty ? stream.headers : stream.trailers)
        guard !stream.headersTooLarge else { return end(End(status: Self.tooMuchMetadata)) }
        end(End(status: Self.status(trailers), trailers: trailers))
    }

    private static func status(_ trailers: Metadata) -> Status {
        guard let text = trailers.first("grpc-status") else {
            return Status(.unknown, "the server ended the call without a status")
        }
        let code = Int(text).map { StatusCode(rawValue: $0) ?? .unknown } ?? .unknown
        let message = trailers.withValue("grpc-message") { $0.map(PercentCoding.decode) ?? "" }
        return Status(code, message, details: trailers.bytes("grpc-status-details-bin") ?? [])
    }

    /// What the server sent is not an answer: nothing more of it is wanted.
    private func fail(_ headers: Metadata, _ status: Status) {
        stream?.reset(.cancel)
        end(End(status: status, trailers: headers))
    }

    private func end(_ end: End) {
        isOver = true
        call.ended(self, end)
    }

    // MARK: Ending

    /// It waited for a connection, and there is none.
    func neverSent(_ status: Status) {
        guard !isOver else { return }
        isQueued = false
        end(End(status: status, sight: .neverSent, isUnreachable: true))
    }

    /// Gives it up and tells the server so.
    func abandon() {
        if !isOver {
            isOver = true
            stream?.reset(.cancel)
            if isQueued { call.core.withdraw(self) }
        }
        letGo()
    }

    /// Forgets the stream; what has arrived and was not read is dropped.
    func letGo() {
        guard let stream else { return }
        self.stream = nil
        stream.attachment = nil
        if stream.inbound.count > 0 {
            stream.inbound.consume(stream.inbound.count)
            stream.acknowledge()
        }
    }

    // MARK: What an odd answer means

    private static let tooMuchMetadata = Status(.resourceExhausted, "the server sent more metadata than is taken here")

    /// The status that gRPC gives an HTTP response without one of its own (doc/http-grpc-status-mapping.md).
    private static func status(ofHTTP status: String) -> Status {
        let code: StatusCode =
            switch status {
            case "400", "431": .internal
            case "401": .unauthenticated
            case "403": .permissionDenied
            case "404": .unimplemented
            case "429", "502", "503", "504": .unavailable
            default: .unknown
            }
        return Status(code, "the server answered with HTTP status \(status)")
    }
}
