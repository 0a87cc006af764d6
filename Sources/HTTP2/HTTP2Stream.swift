/// One request and its response, on either side.
///
/// Filled by the session as frames arrive, and read by the session as the window opens. Confined to its loop. A stream
/// that is closed takes what it is told to send and forgets it, so a late answer needs no check.
public final class HTTP2Stream: @unchecked Sendable {
    // @unchecked: confined to its loop.

    /// What happened to a stream since its owner last heard of it.
    public struct Events: OptionSet, Sendable {
        /// The bits.
        public let rawValue: UInt8

        /// The set with these bits.
        public init(rawValue: UInt8) { self.rawValue = rawValue }

        /// The header list is whole: ``HTTP2Stream/headers``.
        public static let headers = Events(rawValue: 1)
        /// More of the body waits in ``HTTP2Stream/inbound``.
        public static let data = Events(rawValue: 2)
        /// The peer will send nothing more; trailers, if any, are whole.
        public static let ended = Events(rawValue: 4)
        /// What was queued to be sent has fallen below the low mark after ``HTTP2Stream/isFull`` was true.
        public static let drained = Events(rawValue: 8)
        /// The stream is over: ``HTTP2Stream/errorCode``. The last event.
        public static let closed = Events(rawValue: 16)

        /// Our side ended before the peer's: the session tells the peer to stop.
        static let endedEarly = Events(rawValue: 32)
    }

    /// The stream's number on its connection.
    public internal(set) var id: Int32 = 0
    /// The first header list of the peer: the request's or the response's.
    public internal(set) var headers = HeaderFields()
    /// The last header list of the peer, after the body.
    public internal(set) var trailers = HeaderFields()
    /// Whether a header list was larger than the limits; what was beyond them is missing.
    public internal(set) var headersTooLarge = false
    /// The body that waits. Its owner takes from it and then calls ``HTTP2Stream/acknowledge(keeping:)``.
    public var inbound = InboundBuffer()
    /// Whether the peer will send nothing more.
    public internal(set) var remoteEnded = false
    /// Whether the stream is over.
    public internal(set) var isClosed = false
    /// Why it is over; ``HTTP2ErrorCode/noError`` when both sides ended it.
    public internal(set) var errorCode = HTTP2ErrorCode.noError
    /// Whether a request's header list has been given out to be written; only a client's stream says so.
    public internal(set) var isSent = false
    /// Whether a peer whose request is answered early may send the rest of it, instead of being told to stop: some clients
    /// of plain HTTP take RST_STREAM for a failure whatever its code, and lose the answer.
    public var letsPeerFinish = false
    /// What the owner of the stream hangs on it. Cleared when the stream is recycled.
    public var attachment: AnyObject?

    /// How the outgoing side ends.
    enum Ending {
        case open
        case plain
        case trailers(FixedHeaders, HeaderFields)
    }

    /// Nil once the stream has left its session, which outlives it there.
    var session: Unmanaged<HTTP2Session>?
    /// Where it stands among the session's streams.
    var position = 0
    var pending: Events = []
    var readingTrailers = false
    var unacknowledged = 0
    /// Bytes that the peer may send anew and that nghttp2 has not been told of.
    var unreported = 0
    var isDeferred = false
    /// Whether we reset it, because we wanted to and not because the peer broke it.
    var isResetHere = false
    /// The session's tick when output last moved, or began to wait.
    var progressTick: UInt32 = 0
    var wantsDrained = false
    var ending = Ending.open

    private var chunk: [UInt8] = []
    private var chunkOffset = 0
    private var chunks: [[UInt8]] = []
    private var nextChunk = 0
    private(set) var outboundBytes = 0

    init() {}

    /// Whether as much waits to be sent as may wait; the writer then waits for ``Events/drained``.
    public var isFull: Bool {
        guard let session, !isClosed,
            outboundBytes >= session._withUnsafeGuaranteedRef({ $0.limits.streamOutputBytes })
        else { return false }
        wantsDrained = true
        return true
    }

    /// Queues bytes of the body. Kept until they are sent, so mind ``isFull``.
    public func send(_ bytes: consuming [UInt8]) {
        guard !isClosed, !bytes.isEmpty, let session else { return }
        session._withUnsafeGuaranteedRef { session in
            session.queuedBytes += bytes.count
            if outboundBytes == 0 { progressTick = session.tick }
        }
        outboundBytes += bytes.count
        if chunkOffset == chunk.count, nextChunk == chunks.count {
            chunk = bytes
            chunkOffset = 0
        } else {
            chunks.append(bytes)
        }
        resume()
    }

    /// Ends our side after what is queued, without trailers.
    public func finish() {
        guard !isClosed else { return }
        ending = .plain
        resume()
    }

    /// Ends our side after what is queued, with trailers.
    public func finish(_ fixed: FixedHeaders, _ more: HeaderFields = HeaderFields()) {
        guard !isClosed else { return }
        ending = .trailers(fixed, more)
        resume()
    }

    /// Sends the response's header list. What is queued follows it; queue first where it is known, and all goes out
    /// together.
    ///
    /// - Parameter ended: whether the header list is the whole response.
    public func respond(_ fixed: FixedHeaders, _ more: HeaderFields = HeaderFields(), ended: Bool = false) {
        guard !isClosed, let session else { return }
        session._withUnsafeGuaranteedRef { $0.submitResponse(self, fixed, more, ended: ended) }
    }

    /// Ends the stream at once, in both directions.
    public func reset(_ code: HTTP2ErrorCode) {
        guard !isClosed, let session else { return }
        session._withUnsafeGuaranteedRef { $0.submitReset(self, code) }
    }

    /// Lets the peer send more: as many bytes as have come, but for the last `keeping` ones, which wait for their
    /// reader. What was let once is not let again.
    public func acknowledge(keeping: Int = 0) {
        let count = unacknowledged - keeping
        guard count > 0, let session else { return }
        unacknowledged = keeping
        session._withUnsafeGuaranteedRef { $0.consumed(self, count) }
    }

    private func resume() {
        guard isDeferred, let session else { return }
        isDeferred = false
        session._withUnsafeGuaranteedRef { $0.resume(self) }
    }

    /// Copies as much of what is queued as fits, for a DATA frame.
    ///
    /// - Returns: the bytes copied, and whether nothing is left.
    func fill(_ target: UnsafeMutablePointer<UInt8>, _ capacity: Int) -> (count: Int, isEmpty: Bool) {
        var filled = 0
        // Taken out meanwhile: to read it in place would count a reference.
        var chunk: [UInt8] = []
        swap(&chunk, &self.chunk)
        defer { swap(&chunk, &self.chunk) }
        while filled < capacity {
            if chunkOffset == chunk.count {
                guard nextChunk < chunks.count else { break }
                chunk = chunks[nextChunk]
                chunks[nextChunk] = []
                nextChunk += 1
                if nextChunk == chunks.count {
                    chunks.removeAll(keepingCapacity: true)
                    nextChunk = 0
                }
                chunkOffset = 0
            }
            let count = min(capacity - filled, chunk.count - chunkOffset)
            chunk.withUnsafeBufferPointer { source in
                guard let base = source.baseAddress else { return }
                (target + filled).update(from: base + chunkOffset, count: count)
            }
            filled += count
            chunkOffset += count
        }
        outboundBytes -= filled
        session?._withUnsafeGuaranteedRef { session in
            session.queuedBytes -= filled
            progressTick = session.tick
        }
        return (filled, outboundBytes == 0)
    }

    /// Makes the object as good as new, keeping small buffers.
    func recycle() {
        id = 0
        headers.recycle()
        trailers.recycle()
        headersTooLarge = false
        inbound.recycle()
        remoteEnded = false
        isClosed = false
        errorCode = .noError
        isSent = false
        letsPeerFinish = false
        attachment = nil
        pending = []
        readingTrailers = false
        unacknowledged = 0
        unreported = 0
        isDeferred = false
        isResetHere = false
        wantsDrained = false
        dropOutput()
        session = nil
    }

    /// Forgets what is queued.
    func dropOutput() {
        if !chunk.isEmpty { chunk = [] }
        chunkOffset = 0
        if !chunks.isEmpty { chunks = [] }
        nextChunk = 0
        if outboundBytes > 0 {
            session?._withUnsafeGuaranteedRef { $0.queuedBytes -= outboundBytes }
            outboundBytes = 0
        }
        ending = .open
    }
}

/// Streams that are over, kept for the next ones of the same loop.
final class StreamPool {
    private var free: [HTTP2Stream] = []

    func take() -> HTTP2Stream {
        free.popLast() ?? HTTP2Stream()
    }

    /// Takes a stream back when nobody else holds it.
    func give(_ stream: consuming HTTP2Stream) {
        var stream = stream
        guard free.count < 1024, isKnownUniquelyReferenced(&stream) else { return }
        stream.recycle()
        free.append(stream)
    }
}
