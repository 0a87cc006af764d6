internal import CNghttp2

/// Which end of the connection a session is.
public enum HTTP2Role: Sendable {
    /// Answers requests.
    case server
    /// Makes requests.
    case client
}

/// Hears what happens on a session. Called on the session's loop, never from inside the library.
public protocol HTTP2SessionDelegate: AnyObject {
    /// Something happened to a stream. The last call for a stream has ``HTTP2Stream/Events/closed``.
    func session(_ session: HTTP2Session, stream: HTTP2Stream, did events: HTTP2Stream.Events)
    /// The peer said that it takes no more streams than those up to `lastStream`.
    func session(_ session: HTTP2Session, goingAway code: HTTP2ErrorCode, lastStream: Int32)
    /// The peer's settings have come: the first time that says that it speaks HTTP/2; later, that it changed its mind.
    func sessionTookSettings(_ session: HTTP2Session)
}

extension HTTP2SessionDelegate {
    /// Nothing: a server need not know.
    public func sessionTookSettings(_ session: HTTP2Session) {}
}

/// An HTTP/2 connection's protocol, without its bytes' way in and out (RFC 9113).
///
/// Bytes go in with ``receive(_:)`` and come out with ``drain(into:)``. The library's callbacks only record what
/// happened; ``settle()`` tells the delegate afterwards, when it is safe to submit. Confined to its loop.
public final class HTTP2Session: @unchecked Sendable {
    // @unchecked: confined to its loop.

    /// What the peer may do.
    public let limits: HTTP2Limits
    /// Which end this is.
    public let role: HTTP2Role
    /// Who hears of it. Not retained: its owner clears it, or outlives the session.
    public unowned(unsafe) var delegate: (any HTTP2SessionDelegate)?
    /// Called when there is something to drain, once until ``drain(into:limit:)`` is called.
    var onOutput: (() -> Void)?
    private var hasOutput = false

    let handle: OpaquePointer
    let pool: StreamPool
    /// Where nghttp2 takes its memory from.
    private let memory: SessionMemory
    private let memorySource: SessionMemory.Source
    let counters: HTTP2Counters

    /// How many streams the peer lets us have open at once; what it has not said yet is taken to be much.
    public var peerConcurrentStreams: Int {
        Int(nghttp2_session_get_remote_settings(handle, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS))
    }

    /// The streams that are not over yet.
    public var openStreams: Int { streams.count }
    /// Each holds a reference; a stream knows its position here.
    private(set) var streams: ContiguousArray<Unmanaged<HTTP2Stream>> = []
    private var touched: ContiguousArray<Unmanaged<HTTP2Stream>> = []

    /// The stream whose header list is being read, and where its fields go.
    var headerStream: Unmanaged<HTTP2Stream>?
    var headerStorage: Unmanaged<HeaderStorage>?
    /// The size of that list so far, with what was not stored.
    var headerBytes = 0
    /// When that list began, on the loop's clock.
    private(set) var headersSince: UInt64 = 0
    let headerListBytes: Int
    let headerFieldsMax: Int
    /// Why the callbacks gave the connection up.
    var breach: (limit: HTTP2Limit, reason: String)?
    var abuse: AbuseMeter
    /// Bytes that were consumed and that nghttp2 has not been told of: for the connection's window.
    private var unreported = 0
    /// Bytes of all streams' messages that wait to be sent.
    public internal(set) var queuedBytes = 0
    var goAway: (code: HTTP2ErrorCode, lastStream: Int32)?
    /// What the peer said beside its GOAWAY, at most 256 bytes of it; empty until then.
    public internal(set) var goAwayText = ""
    /// Whether the peer's first settings have come.
    public internal(set) var isEstablished = false
    /// Whether something happened to the connection as a whole that the delegate has not heard.
    private var hasNews = false
    var tookSettings = false
    var awaitsPong = false

    /// The loop's time when bytes last came, in nanoseconds.
    private(set) var now: UInt64
    /// Goes up by one about once a second.
    var tick: UInt32 = 0

    init(
        role: HTTP2Role,
        limits: HTTP2Limits,
        pool: StreamPool,
        memory: SessionMemory,
        counters: HTTP2Counters,
        now: UInt64
    ) {
        self.role = role
        self.limits = limits
        headerListBytes = limits.headerListBytes
        headerFieldsMax = limits.headerFields
        self.pool = pool
        self.memory = memory
        memorySource = memory.begin()
        self.counters = counters
        self.now = now
        abuse = AbuseMeter(limits, role)
        var made: OpaquePointer?
        let options = makeOptions(limits)
        defer { nghttp2_option_del(options) }
        var functions = SessionMemory.functions(memorySource)
        let code =
            switch role {
            case .server: nghttp2_session_server_new3(&made, serverCallbacks, nil, options, &functions)
            case .client: nghttp2_session_client_new3(&made, clientCallbacks, nil, options, &functions)
            }
        guard code == 0, let made else { preconditionFailure("nghttp2 has no memory for a session") }
        handle = made
        nghttp2_session_set_user_data(handle, Unmanaged.passUnretained(self).toOpaque())
        submitSettings()
    }

    deinit {
        abandonStreams()
        memory.end(handle, memorySource)
    }

    private func submitSettings() {
        func entry(_ id: nghttp2_settings_id, _ value: UInt32) -> nghttp2_settings_entry {
            nghttp2_settings_entry(settings_id: Int32(id.rawValue), value: value)
        }
        var settings = [
            entry(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, UInt32(limits.streamWindowBytes)),
            entry(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, UInt32(limits.headerListBytes)),
            entry(NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1),
        ]
        if limits.headerTableBytes != 4096 {
            settings.append(entry(NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, limits.headerTableBytes))
        }
        switch role {
        case .server:
            let streams = UInt32(clamping: limits.concurrentStreams)
            settings.append(entry(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, streams))
        case .client: settings.append(entry(NGHTTP2_SETTINGS_ENABLE_PUSH, 0))
        }
        check(nghttp2_submit_settings(handle, UInt8(NGHTTP2_FLAG_NONE.rawValue), settings, settings.count))
        check(
            nghttp2_session_set_local_window_size(
                handle,
                UInt8(NGHTTP2_FLAG_NONE.rawValue),
                0,
                limits.connectionWindowBytes
            )
        )
    }

    // MARK: Bytes

    /// Whether the session still wants to read, or has something to write. False when it is over.
    public var isAlive: Bool {
        nghttp2_session_want_read(handle) != 0 || nghttp2_session_want_write(handle) != 0
    }

    /// Takes what arrived. Call ``settle()`` afterwards, and drain.
    ///
    /// - Parameter now: the loop's time, in nanoseconds.
    public func receive(_ bytes: UnsafeRawBufferPointer, now: UInt64) throws(HTTP2Error) {
        self.now = now
        let taken = nghttp2_session_mem_recv(handle, bytes.assumingMemoryBound(to: UInt8.self).baseAddress, bytes.count)
        if taken >= 0 { meter(bytes) }
        guard taken < 0 || breach != nil else { return }
        throw refused(Int32(truncatingIfNeeded: min(taken, 0)))
    }

    /// Gives out frames until `buffer` is almost full: a frame is never cut, so leave 32 KiB beyond `limit`.
    ///
    /// - Returns: the bytes written into the buffer; less than `limit` when there is nothing more to send now.
    public func drain(into buffer: UnsafeMutableRawBufferPointer, limit: Int) throws(HTTP2Error) -> Int {
        hasOutput = false
        var used = 0
        while used < limit {
            var frame: UnsafePointer<UInt8>?
            let count = nghttp2_session_mem_send(handle, &frame)
            guard count > 0, let frame else {
                if count < 0 { throw .session(String(cString: nghttp2_strerror(Int32(count)))) }
                break
            }
            precondition(used + count <= buffer.count, "a frame is larger than the room left for one")
            buffer.baseAddress?.advanced(by: used).copyMemory(from: frame, byteCount: count)
            used += count
        }
        return used
    }

    func noteOutput() {
        guard !hasOutput else { return }
        hasOutput = true
        onOutput?()
    }

    // MARK: Events

    /// Notes that something happened to a stream; for the callbacks.
    func touch(_ stream: HTTP2Stream, _ events: HTTP2Stream.Events) {
        if stream.pending.isEmpty { touched.append(Unmanaged.passUnretained(stream)) }
        stream.pending.formUnion(events)
    }

    /// Whether there is something to tell the delegate.
    var hasEvents: Bool { !touched.isEmpty || hasNews }

    /// Notes that something happened to the connection as a whole; for the callbacks.
    func noteNews() { hasNews = true }

    /// Tells the delegate what happened since the last time.
    public func settle() {
        let delegate = delegate
        while !touched.isEmpty {
            // Callbacks cannot run while the delegate is told, so the list does not grow; it is walked in place.
            var index = 0
            while index < touched.count {
                let reference = touched[index]
                index += 1
                reference._withUnsafeGuaranteedRef { stream in
                    var events = stream.pending
                    stream.pending = []
                    if events.contains(.endedEarly) {
                        events.remove(.endedEarly)
                        if !stream.isClosed, !stream.remoteEnded, !stream.letsPeerFinish {
                            submitReset(stream, .noError)
                        }
                    }
                    if !events.isEmpty { delegate?.session(self, stream: stream, did: events) }
                }
                if reference._withUnsafeGuaranteedRef({ $0.isClosed && $0.pending.isEmpty }) { remove(reference) }
            }
            touched.removeAll(keepingCapacity: touched.count <= 64)
        }
        if hasNews { tellNews() }
    }

    private func tellNews() {
        hasNews = false
        if tookSettings {
            tookSettings = false
            delegate?.sessionTookSettings(self)
        }
        if let (code, lastStream) = goAway {
            goAway = nil
            delegate?.session(self, goingAway: code, lastStream: lastStream)
        }
    }

    // MARK: Header lists

    /// Makes a stream the one whose fields come now.
    func beginHeaders(_ stream: Unmanaged<HTTP2Stream>, isTrailers: Bool) {
        headerBytes = 0
        headersSince = now
        headerStream = stream
        headerStorage = stream._withUnsafeGuaranteedRef { stream in
            stream.readingTrailers = isTrailers
            return isTrailers ? stream.trailers.prepare() : stream.headers.prepare()
        }
    }

    func endHeaders() {
        headerStream = nil
        headerStorage = nil
    }

    /// Marks the list that is being read as too large; its further fields are counted and dropped.
    ///
    /// - Returns: whether the peer may go on.
    func headersOverflow() -> Bool {
        headerStream?._withUnsafeGuaranteedRef { stream in
            if !stream.headersTooLarge { counters.reached(.headerList) }
            stream.headersTooLarge = true
        }
        guard headerBytes > limits.hostileHeaderListBytes else { return true }
        breach = (.headerBomb, "a header list of more than \(limits.hostileHeaderListBytes) bytes")
        return false
    }

    // MARK: Streams

    func addStream(_ id: Int32) -> Unmanaged<HTTP2Stream> {
        let reference = Unmanaged.passRetained(pool.take())
        reference._withUnsafeGuaranteedRef { stream in
            stream.id = id
            stream.session = Unmanaged.passUnretained(self)
            stream.position = streams.count
        }
        streams.append(reference)
        return reference
    }

    /// Takes a stream out of the list, and keeps it for another when nobody else holds it.
    private func remove(_ reference: Unmanaged<HTTP2Stream>) {
        let position = reference._withUnsafeGuaranteedRef { stream in
            stream.dropOutput()
            stream.session = nil
            return stream.position
        }
        if position < streams.count - 1 {
            streams[position] = streams[streams.count - 1]
            streams[position]._withUnsafeGuaranteedRef { $0.position = position }
        }
        streams.removeLast()
        pool.give(reference.takeRetainedValue())
    }

    /// The open stream with this number; for what happens rarely.
    func findStream(_ id: Int32) -> HTTP2Stream? {
        streams.first { $0._withUnsafeGuaranteedRef { $0.id == id } }?.takeUnretainedValue()
    }

    /// Closes every stream for the delegate: the connection is lost.
    func abandonStreams() {
        touched.removeAll()
        let delegate = delegate
        while let reference = streams.last {
            let stream = reference.takeUnretainedValue()
            var events = stream.pending.subtracting(.endedEarly)
            stream.pending = []
            if !stream.isClosed {
                stream.isClosed = true
                stream.errorCode = role == .client && !stream.isSent ? .refusedStream : .cancel
            }
            events.insert(.closed)
            delegate?.session(self, stream: stream, did: events)
            remove(reference)
        }
    }

    /// Starts a request. What is queued on the stream follows the header list.
    ///
    /// - Parameter fixed: the fields that are always the same, pseudo fields first.
    /// - Returns: nil when the connection takes no more streams.
    public func request(_ fixed: FixedHeaders, _ more: HeaderFields) -> HTTP2Stream? {
        let reference = addStream(0)
        let stream = reference.takeUnretainedValue()
        var provider = dataProvider(stream)
        let id = withFields(fixed, more) { fields, count in
            nghttp2_submit_request(handle, nil, fields, count, &provider, reference.toOpaque())
        }
        guard id > 0 else {
            stream.isClosed = true
            remove(reference)
            return nil
        }
        stream.id = id
        noteOutput()
        return stream
    }

    func submitResponse(_ stream: HTTP2Stream, _ fixed: FixedHeaders, _ more: HeaderFields, ended: Bool) {
        let code = withFields(fixed, more) { fields, count in
            guard !ended else { return nghttp2_submit_response(handle, stream.id, fields, count, nil) }
            var provider = dataProvider(stream)
            return nghttp2_submit_response(handle, stream.id, fields, count, &provider)
        }
        check(code)
        noteOutput()
    }

    private func dataProvider(_ stream: HTTP2Stream) -> nghttp2_data_provider {
        var provider = nghttp2_data_provider()
        provider.source.ptr = Unmanaged.passUnretained(stream).toOpaque()
        provider.read_callback = readBody
        return provider
    }

    func submitReset(_ stream: HTTP2Stream, _ code: HTTP2ErrorCode) {
        stream.dropOutput()
        stream.isResetHere = true
        check(
            nghttp2_submit_rst_stream(handle, UInt8(NGHTTP2_FLAG_NONE.rawValue), stream.id, code.rawValue)
        )
        noteOutput()
    }

    func resume(_ stream: HTTP2Stream) {
        // Fails when the stream has just been closed by the peer, which is then told in its own time.
        _ = nghttp2_session_resume_data(handle, stream.id)
        noteOutput()
    }

    /// Lets the peer send more, once that is an eighth of a window: nghttp2 tells it of half a window, and to tell nghttp2 of each
    /// small message costs more than to read it. The bytes of a stream that has ended still count for the connection's window.
    func consumed(_ stream: HTTP2Stream, _ count: Int) {
        unreported += count
        stream.unreported += count
        let isStreamDue = stream.unreported >= limits.streamWindowBytes / 8
        guard isStreamDue || unreported >= limits.connectionWindowBytes / 8 else { return }
        if isStreamDue {
            if !stream.isClosed, !stream.remoteEnded {
                check(nghttp2_session_consume_stream(handle, stream.id, stream.unreported))
            }
            stream.unreported = 0
        }
        check(nghttp2_session_consume_connection(handle, unreported))
        unreported = 0
        if nghttp2_session_want_write(handle) != 0 { noteOutput() }
    }

    // MARK: The connection as a whole

    /// Announces that no new streams will be taken soon; the peer may still start some until ``refuseNewStreams()``.
    func announceShutdown() {
        check(nghttp2_submit_shutdown_notice(handle))
        noteOutput()
    }

    /// Takes no stream beyond those that have been started.
    func refuseNewStreams(_ code: HTTP2ErrorCode = .noError) {
        let last = nghttp2_session_get_last_proc_stream_id(handle)
        check(nghttp2_submit_goaway(handle, UInt8(NGHTTP2_FLAG_NONE.rawValue), last, code.rawValue, nil, 0))
        noteOutput()
    }

    /// Ends the session after one GOAWAY; streams that are open are lost.
    func terminate(_ code: HTTP2ErrorCode) {
        check(nghttp2_session_terminate_session(handle, code.rawValue))
        noteOutput()
    }

    /// Asks the peer for a sign of life.
    func ping() {
        awaitsPong = true
        counters.pinged()
        check(nghttp2_submit_ping(handle, UInt8(NGHTTP2_FLAG_NONE.rawValue), nil))
        noteOutput()
    }

    /// Our submissions are well formed, so what is left to fail is memory, or a stream that the peer has just closed.
    func check(_ code: Int32) {
        precondition(code != NGHTTP2_ERR_NOMEM.rawValue, "nghttp2 has no memory")
        precondition(
            code != NGHTTP2_ERR_INVALID_ARGUMENT.rawValue && code != NGHTTP2_ERR_INVALID_STATE.rawValue,
            "nghttp2 refused what we submitted: \(String(cString: nghttp2_strerror(code)))"
        )
    }
}
