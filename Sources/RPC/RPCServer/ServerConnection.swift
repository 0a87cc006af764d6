internal import EventLoop
internal import Glibc
internal import HTTP2
internal import RPC

/// A caller's connection: turns its streams into calls. Confined to its loop.
final class ServerConnection: HTTP2SessionDelegate {
    let http2: HTTP2Connection
    /// Where it stands among its loop's connections.
    var position = 0
    // Outlives its connections, which it closes first.
    private let ownerReference: Unmanaged<ServerLoop>
    private var owner: ServerLoop { ownerReference._withUnsafeGuaranteedRef { $0 } }
    private var heldBytes = 0
    private var knownPeer: String?

    let loop: EventLoop
    let configuration: ServerConfiguration
    let interceptors: BoundInterceptors
    let gates: GateLink
    let observers: ObserverLink
    let counters: ServerCounters
    let tally: ServerTally
    let executor: LoopTaskExecutor
    let limits: ServerLimits
    private let router: Router

    init(_ transport: any ByteTransport, _ owner: ServerLoop) {
        ownerReference = .passUnretained(owner)
        loop = owner.loop
        configuration = owner.configuration
        interceptors = owner.interceptors
        gates = owner.interceptors.first
        observers = owner.interceptors.firstObserver
        counters = owner.counters
        tally = owner.counters.tally
        executor = owner.loop.loopTaskExecutor
        limits = owner.configuration.limits
        router = owner.router
        http2 = HTTP2Connection(
            role: .server,
            transport: transport,
            loop: owner.loop,
            limits: limits.http2,
            buffers: owner.buffers
        )
        http2.session.delegate = self
    }

    /// Compresses and decompresses for all connections of the loop.
    var gzip: GzipCodec { owner.gzip }

    var lastReceived: UInt64 { http2.lastReceived }

    var peer: String {
        if let knownPeer { return knownPeer }
        let peer = http2.peer
        knownPeer = peer
        return peer
    }

    /// Counts bytes of requests that are not whole.
    ///
    /// - Returns: whether there may be as many.
    func hold(_ bytes: Int) -> Bool {
        heldBytes += bytes
        owner.heldBytes += bytes
        return heldBytes <= limits.requestBytesPerConnection && owner.heldBytes <= limits.requestBytesPerLoop
    }

    func release(_ bytes: Int) {
        heldBytes -= bytes
        owner.heldBytes -= bytes
    }

    /// Ends calls whose requests take too long to arrive, and does what the connection does once a second.
    func keepTime() {
        let seconds = limits.requestSeconds
        if seconds > 0, http2.session.openStreams > 0 {
            let now = loop.now
            http2.session.forEachStream { stream in
                guard let attachment = stream.attachment else { return }
                unsafeDowncast(attachment, to: ServerContext.self).expireRequest(now, seconds: seconds)
            }
        }
        http2.keepTime()
    }

    // MARK: Events

    func session(_ session: HTTP2Session, stream: HTTP2Stream, did events: HTTP2Stream.Events) {
        if events.contains(.headers) { begin(stream) }
        guard let attachment = stream.attachment else {
            // Nobody takes what a refused or answered call still sends.
            if stream.inbound.count > 0 {
                stream.inbound.consume(stream.inbound.count)
                stream.acknowledge()
            }
            return
        }
        let context = unsafeDowncast(attachment, to: ServerContext.self)
        if events.contains(.closed) { return context.abandon() }
        if events.contains(.data) || events.contains(.ended) { context.received() }
        if events.contains(.drained) { context.wakeWriter() }
    }

    func session(_ session: HTTP2Session, goingAway code: HTTP2ErrorCode, lastStream: Int32) {
        // A client that goes away makes no more calls; those that are open end as they would.
    }

    // MARK: Requests

    /// Looks at a request's header list: answers it, or makes it a call.
    private func begin(_ stream: HTTP2Stream) {
        guard !stream.isClosed else { return }
        let head = RequestHead.of(stream.headers, router)
        guard !stream.headersTooLarge else {
            let (bytes, fields) = (limits.http2.headerListBytes, limits.http2.headerFields)
            let message = "the metadata is larger than \(bytes) bytes or \(fields) fields"
            guard head.content == .json else { return refuse(stream, .resourceExhausted, message) }
            return refuseMetadata(stream, Status(.resourceExhausted, message))
        }
        guard head.isPost else { return refuse(stream, Replies.methodNotAllowed) }
        guard head.content == .protobuf else { return beginOther(stream, head) }
        guard let route = head.foundRoute else {
            return refuse(stream, .unimplemented, "there is no method \(stream.headers.first(":path") ?? "")")
        }
        tally.started()
        let context = ServerContext(route, self, stream)
        guard head.encoding != nil || head.timeout != nil || context.requestStreams else {
            // As its last use, so that the call is handed over and not counted.
            stream.attachment = context
            return
        }
        stream.attachment = context
        prepare(context, stream, head)
    }

    /// Does what not every call needs as it begins.
    private func prepare(_ context: ServerContext, _ stream: HTTP2Stream, _ head: RequestHead) {
        if let encoding = head.encoding, !setEncoding(context, encoding, stream.headers) { return }
        if let timeout = head.timeout, !setDeadline(context, timeout, stream.headers) { return }
        if context.requestStreams { context.start() }
    }

    /// A request whose messages are not protobuf.
    private func beginOther(_ stream: HTTP2Stream, _ head: RequestHead) {
        switch head.content {
        case .json where configuration.transcoder != nil: beginJSON(stream, head)
        case .otherGRPC:
            let type = stream.headers.first("content-type") ?? ""
            refuse(stream, .unimplemented, "content-type \(type) is not taken here; send application/grpc")
        default: refuse(stream, Replies.unsupportedMediaType)
        }
    }

    /// - Returns: whether the encoding is one that is taken here.
    private func setEncoding(_ context: ServerContext, _ index: Int, _ headers: HeaderFields) -> Bool {
        headers.withField(at: index) { _, value in
            if value.isEqual("identity") { return true }
            if value.isEqual("gzip") {
                context.takesGzip()
                return true
            }
            context.trailers.append(contentsOf: Replies.acceptedEncodings)
            let name = String(decoding: value, as: UTF8.self)
            context.end(Status(.unimplemented, "grpc-encoding \(name) is not taken here; send identity or gzip"))
            return false
        }
    }

    private static let longestTimeout = Duration.seconds(10 * 365 * 86_400)

    /// - Returns: whether there is time left for the call.
    private func setDeadline(_ context: ServerContext, _ index: Int, _ headers: HeaderFields) -> Bool {
        guard let timeout = headers.withField(at: index, { _, value in Timeout.parse(value) }) else {
            let value = headers.field(at: index).value
            context.end(
                Status(
                    .invalidArgument,
                    "grpc-timeout is \(value); it must be 1 to 8 digits and one of H, M, S, m, u, n"
                )
            )
            return false
        }
        return setDeadline(context, timeout)
    }

    /// - Returns: whether there is time left for the call.
    func setDeadline(_ context: ServerContext, _ timeout: Duration) -> Bool {
        // Eight digits of hours are eleven thousand years, which nanoseconds cannot count.
        let capped = min(timeout, Self.longestTimeout)
        let (seconds, attoseconds) = capped.components
        context.deadline = context.arrived + UInt64(seconds) * 1_000_000_000 + UInt64(attoseconds / 1_000_000_000)
        guard timeout > .zero else {
            context.expire()
            return false
        }
        context.deadlineTimer = loop.schedule(after: capped) { context.expire() }
        return true
    }

    private func refuse(_ stream: HTTP2Stream, _ code: StatusCode, _ message: String) {
        counters.refused()
        stream.respond(
            Replies.trailersOnly[code.rawValue],
            Replies.fields(Status(code, message), Metadata()),
            ended: true
        )
    }

    private func refuse(_ stream: HTTP2Stream, _ reply: FixedHeaders) {
        counters.refused()
        stream.letsPeerFinish = true
        stream.respond(reply, ended: true)
    }
}

/// Where the fields that decide what happens to a request stand in its header list, found in one pass.
struct RequestHead {
    var isPost = false
    var content = Content.other
    /// The method, if there is one of that path; its router keeps it.
    var foundRoute: Unmanaged<Route>?
    var timeout: Int?
    var encoding: Int?

    /// The method, if there is one of that path.
    var route: Route? { foundRoute?._withUnsafeGuaranteedRef { $0 } }

    /// What a content type says of a body.
    enum Content {
        /// application/grpc or application/grpc+proto, with or without parameters.
        case protobuf
        /// gRPC with messages of some other kind.
        case otherGRPC
        /// JSON, which is not gRPC.
        case json
        /// Neither: also application/grpc-web, which is another protocol.
        case other

        init(_ value: UnsafeRawBufferPointer) {
            if value.isEqual("application/grpc") {
                self = .protobuf
                return
            }
            // A media type is the same in any case (RFC 9110, section 8.3.1).
            let type = value.prefix { $0 != UInt8(ascii: ";") }.filter { $0 > 0x20 }.map {
                (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) ? $0 | 0x20 : $0
            }
            if type.elementsEqual("application/grpc".utf8) || type.elementsEqual("application/grpc+proto".utf8) {
                self = .protobuf
            } else {
                let isGRPC = type.starts(with: "application/grpc+".utf8)
                self = isGRPC ? .otherGRPC : type.elementsEqual("application/json".utf8) ? .json : .other
            }
        }
    }

    // Not an initializer, to which what it is given would be handed over counted.
    static func of(_ headers: HeaderFields, _ router: Router) -> RequestHead {
        var head = RequestHead()
        headers.forEach { index, name, value in
            switch name.count {
            case 5 where name.isEqual(":path"): head.foundRoute = router.find(value)
            case 7 where name.isEqual(":method"): head.isPost = value.isEqual("POST")
            case 12 where name.isEqual("content-type"): head.content = Content(value)
            case 12 where name.isEqual("grpc-timeout"): head.timeout = index
            case 13 where name.isEqual("grpc-encoding"): head.encoding = index
            default: break
            }
        }
        return head
    }
}

extension UnsafeRawBufferPointer {
    /// Whether the bytes are those of a literal. In place, the comparison with one is a load or two.
    @inline(__always)
    fileprivate func isEqual(_ text: StaticString) -> Bool {
        guard count == text.utf8CodeUnitCount, let base = baseAddress else { return count == text.utf8CodeUnitCount }
        return memcmp(base, text.utf8Start, text.utf8CodeUnitCount) == 0
    }
}
