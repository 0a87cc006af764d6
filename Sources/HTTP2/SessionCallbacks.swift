internal import CNghttp2

// What nghttp2 calls while it receives and sends. Each function looks its stream up, records what happened and
// returns; nothing is received, sent or told to anybody here. They are free functions because a closure that is passed
// to C could be taken for one of the main actor.

/// The callbacks of every server's session.
nonisolated(unsafe) let serverCallbacks: OpaquePointer? = makeCallbacks(onFrameSent)
/// The callbacks of every client's session.
nonisolated(unsafe) let clientCallbacks: OpaquePointer? = makeCallbacks(onClientFrameSent)

// nonisolated(unsafe) above: written once, here; the library only reads them.
private func makeCallbacks(_ onFrameSent: nghttp2_on_frame_send_callback) -> OpaquePointer? {
    var callbacks: OpaquePointer?
    let code = nghttp2_session_callbacks_new(&callbacks)
    precondition(code == 0, "nghttp2 has no memory for its callbacks")
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, onInvalidFrame)
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, onBeginHeaders)
    nghttp2_session_callbacks_set_on_header_callback(callbacks, onHeader)
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, onDataChunk)
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, onFrameReceived)
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, onFrameSent)
    nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, onFrameNotSent)
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, onStreamClosed)
    return callbacks
}

/// The options of a session with these limits; the caller frees them.
func makeOptions(_ limits: HTTP2Limits) -> OpaquePointer? {
    var options: OpaquePointer?
    let code = nghttp2_option_new(&options)
    precondition(code == 0, "nghttp2 has no memory for options")
    nghttp2_option_set_no_auto_window_update(options, 1)
    nghttp2_option_set_no_closed_streams(options, 1)
    nghttp2_option_set_max_continuations(options, limits.continuationFrames)
    nghttp2_option_set_max_outbound_ack(options, limits.queuedAcknowledgements)
    // The library's limit of resets is put out of reach: it would say INTERNAL_ERROR when one read brings more of them than
    // it takes. Ours (AbuseMeter) counts what the library's does and more, after each read.
    nghttp2_option_set_stream_reset_rate_limit(options, UInt64(UInt32.max), UInt64(limits.brokenStreamsPerSecond))
    nghttp2_option_set_max_deflate_dynamic_table_size(options, Int(limits.headerTableBytes))
    return options
}

private let failure = Int32(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue)
private let endStream = UInt8(NGHTTP2_FLAG_END_STREAM.rawValue)

private func session(_ userData: UnsafeMutableRawPointer?) -> Unmanaged<HTTP2Session>? {
    userData.map { Unmanaged<HTTP2Session>.fromOpaque($0) }
}

private func stream(_ handle: OpaquePointer?, _ id: Int32) -> Unmanaged<HTTP2Stream>? {
    nghttp2_session_get_stream_user_data(handle, id).map { Unmanaged<HTTP2Stream>.fromOpaque($0) }
}

/// Called for a frame that breaks its stream, or a stream that is one too many: the library resets or refuses it.
private func onInvalidFrame(
    _ handle: OpaquePointer?,
    _ frame: UnsafePointer<nghttp2_frame>?,
    _ error: Int32,
    _ userData: UnsafeMutableRawPointer?
) -> Int32 {
    guard let frame, let session = session(userData) else { return failure }
    return session._withUnsafeGuaranteedRef { session in
        guard session.role == .server else { return 0 }
        if error == NGHTTP2_ERR_REFUSED_STREAM.rawValue { session.counters.reached(.concurrentStreams) }
        // A stream that exists is counted when it closes.
        guard stream(handle, frame.pointee.hd.stream_id) == nil else { return 0 }
        session.countBrokenStream()
        return 0
    }
}

private func onBeginHeaders(
    _ handle: OpaquePointer?,
    _ frame: UnsafePointer<nghttp2_frame>?,
    _ userData: UnsafeMutableRawPointer?
) -> Int32 {
    guard let frame, let session = session(userData) else { return failure }
    return session._withUnsafeGuaranteedRef { session in
        let id = frame.pointee.hd.stream_id
        if let known = stream(handle, id) {
            // A client's first list is the response's (an informational one is read over); the next one is trailers.
            let isTrailers = frame.pointee.headers.cat == NGHTTP2_HCAT_HEADERS
            session.beginHeaders(known, isTrailers: isTrailers)
        } else if session.role == .server {
            let stream = session.addStream(id)
            nghttp2_session_set_stream_user_data(handle, id, stream.toOpaque())
            session.beginHeaders(stream, isTrailers: false)
        } else {
            session.endHeaders()
        }
        return 0
    }
}

/// Called for each field: no reference is counted on the way.
private func onHeader(
    _ handle: OpaquePointer?,
    _ frame: UnsafePointer<nghttp2_frame>?,
    _ name: UnsafePointer<UInt8>?,
    _ nameLength: Int,
    _ value: UnsafePointer<UInt8>?,
    _ valueLength: Int,
    _ flags: UInt8,
    _ userData: UnsafeMutableRawPointer?
) -> Int32 {
    guard let session = session(userData), let name, let value else { return failure }
    let goesOn = session._withUnsafeGuaranteedRef { $0.addHeader(name, nameLength, value, valueLength) }
    return goesOn ? 0 : failure
}

extension HTTP2Session {
    /// Adds a field to the list that is being read.
    ///
    /// - Returns: whether the peer may go on.
    fileprivate func addHeader(
        _ name: UnsafePointer<UInt8>,
        _ nameLength: Int,
        _ value: UnsafePointer<UInt8>,
        _ valueLength: Int
    ) -> Bool {
        guard let headerStorage else { return true }
        headerBytes += nameLength + valueLength + 32
        return headerStorage._withUnsafeGuaranteedRef { storage in
            guard headerBytes <= headerListBytes, storage.count < headerFieldsMax else { return headersOverflow() }
            storage.append(name, nameLength, value, valueLength)
            return true
        }
    }
}

private func onDataChunk(
    _ handle: OpaquePointer?,
    _ flags: UInt8,
    _ id: Int32,
    _ data: UnsafePointer<UInt8>?,
    _ count: Int,
    _ userData: UnsafeMutableRawPointer?
) -> Int32 {
    guard let session = session(userData) else { return failure }
    return session._withUnsafeGuaranteedRef { session in
        guard let known = stream(handle, id), let data else {
            // Nobody will take these, and the connection's window must not leak.
            nghttp2_session_consume_connection(handle, count)
            return 0
        }
        known._withUnsafeGuaranteedRef { stream in
            stream.inbound.append(data, count)
            stream.unacknowledged += count
            session.touch(stream, .data)
        }
        return 0
    }
}

private func onFrameReceived(
    _ handle: OpaquePointer?,
    _ frame: UnsafePointer<nghttp2_frame>?,
    _ userData: UnsafeMutableRawPointer?
) -> Int32 {
    guard let frame, let session = session(userData) else { return failure }
    return session._withUnsafeGuaranteedRef { session in
        let header = frame.pointee.hd
        let ends = header.flags & endStream != 0
        if header.type <= 1, ends || header.type == 1 || header.length > frame.pointee.data.padlen {
            session.abuse.worked()
        }
        switch UInt32(header.type) {
        case NGHTTP2_HEADERS.rawValue:
            stream(handle, header.stream_id)?._withUnsafeGuaranteedRef { stream in
                if ends { stream.remoteEnded = true }
                // An informational response (1xx) is not the response; its fields are read over.
                if session.role == .client, !stream.readingTrailers, isInformational(stream.headers) {
                    stream.headers = HeaderFields()
                    return
                }
                var events: HTTP2Stream.Events = ends ? .ended : []
                if !stream.readingTrailers { events.insert(.headers) }
                if !events.isEmpty { session.touch(stream, events) }
            }
            session.endHeaders()
        case NGHTTP2_DATA.rawValue:
            if ends {
                stream(handle, header.stream_id)?._withUnsafeGuaranteedRef { stream in
                    stream.remoteEnded = true
                    session.touch(stream, .ended)
                }
            }
        case NGHTTP2_SETTINGS.rawValue:
            session.isEstablished = true
            if header.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) == 0 {
                session.tookSettings = true
                session.noteNews()
            }
        case NGHTTP2_PING.rawValue:
            if header.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) != 0 { session.awaitsPong = false }
        case NGHTTP2_GOAWAY.rawValue:
            let goaway = frame.pointee.goaway
            session.goAway = (HTTP2ErrorCode(rawValue: goaway.error_code), goaway.last_stream_id)
            let text = UnsafeBufferPointer(start: goaway.opaque_data, count: min(goaway.opaque_data_len, 256))
            session.goAwayText = String(decoding: text, as: UTF8.self)
            session.noteNews()
        default:
            // Resets are told when the stream closes; windows are the library's; all else is read over.
            break
        }
        return 0
    }
}

/// Whether a response's status is 1xx.
private func isInformational(_ headers: HeaderFields) -> Bool {
    guard !headers.isEmpty else { return false }
    return headers.withField(at: 0) { name, value in
        name.elementsEqual(":status".utf8) && value.first == UInt8(ascii: "1")
    }
}

private func onFrameSent(
    _ handle: OpaquePointer?,
    _ frame: UnsafePointer<nghttp2_frame>?,
    _ userData: UnsafeMutableRawPointer?
) -> Int32 {
    guard let frame else { return failure }
    let header = frame.pointee.hd
    guard header.flags & endStream != 0, header.type <= UInt8(NGHTTP2_HEADERS.rawValue) else { return 0 }
    guard let session = session(userData) else { return failure }
    return session._withUnsafeGuaranteedRef { session in
        stream(handle, header.stream_id)?._withUnsafeGuaranteedRef { stream in
            if !stream.remoteEnded { session.touch(stream, .endedEarly) }
        }
        return 0
    }
}

/// Notes which requests have left, so that those that have not can be made again elsewhere.
private func onClientFrameSent(
    _ handle: OpaquePointer?,
    _ frame: UnsafePointer<nghttp2_frame>?,
    _ userData: UnsafeMutableRawPointer?
) -> Int32 {
    guard let frame else { return failure }
    guard UInt32(frame.pointee.hd.type) == NGHTTP2_HEADERS.rawValue else { return 0 }
    stream(handle, frame.pointee.hd.stream_id)?._withUnsafeGuaranteedRef { $0.isSent = true }
    return 0
}

/// A request that the library would not start, because the peer is going away, never opens a stream, so nothing else
/// would close ours.
private func onFrameNotSent(
    _ handle: OpaquePointer?,
    _ frame: UnsafePointer<nghttp2_frame>?,
    _ error: Int32,
    _ userData: UnsafeMutableRawPointer?
) -> Int32 {
    guard let frame, let session = session(userData) else { return failure }
    return session._withUnsafeGuaranteedRef { session in
        let header = frame.pointee.hd
        guard session.role == .client, UInt32(header.type) == NGHTTP2_HEADERS.rawValue,
            frame.pointee.headers.cat == NGHTTP2_HCAT_REQUEST,
            let stream = session.findStream(header.stream_id), !stream.isClosed
        else { return 0 }
        stream.isClosed = true
        stream.errorCode = .refusedStream
        session.touch(stream, .closed)
        return 0
    }
}

private func onStreamClosed(
    _ handle: OpaquePointer?,
    _ id: Int32,
    _ code: UInt32,
    _ userData: UnsafeMutableRawPointer?
) -> Int32 {
    guard let session = session(userData) else { return failure }
    return session._withUnsafeGuaranteedRef { session in
        guard let known = stream(handle, id) else { return 0 }
        known._withUnsafeGuaranteedRef { stream in
            guard !stream.isClosed else { return }
            stream.isClosed = true
            stream.errorCode = HTTP2ErrorCode(rawValue: code)
            if session.headerStream?.toOpaque() == known.toOpaque() { session.endHeaders() }
            // What nobody took still counts for the connection's window.
            if stream.unacknowledged > 0 {
                nghttp2_session_consume_connection(handle, stream.unacknowledged)
                stream.unacknowledged = 0
            }
            session.touch(stream, .closed)
        }
        // Streams also close while something is sent, when there is no refusing: the next read looks at it.
        if code != 0, session.role == .server, !known._withUnsafeGuaranteedRef({ $0.isResetHere }) {
            session.countBrokenStream()
        }
        return 0
    }
}

/// Fills a DATA frame from what is queued on its stream.
func readBody(
    _ handle: OpaquePointer?,
    _ id: Int32,
    _ buffer: UnsafeMutablePointer<UInt8>?,
    _ capacity: Int,
    _ flags: UnsafeMutablePointer<UInt32>?,
    _ source: UnsafeMutablePointer<nghttp2_data_source>?,
    _ userData: UnsafeMutableRawPointer?
) -> Int {
    guard let pointer = source?.pointee.ptr, let buffer, let flags, let session = session(userData) else {
        return Int(failure)
    }
    return Unmanaged<HTTP2Stream>.fromOpaque(pointer)._withUnsafeGuaranteedRef { stream in
        let (count, isEmpty) = stream.fill(buffer, capacity)
        if count > 0 { session._withUnsafeGuaranteedRef { $0.abuse.sent() } }
        if isEmpty {
            switch stream.ending {
            case .open:
                if count == 0 {
                    stream.isDeferred = true
                    return Int(NGHTTP2_ERR_DEFERRED.rawValue)
                }
            case .plain:
                flags.pointee |= NGHTTP2_DATA_FLAG_EOF.rawValue
            case .trailers(let fixed, let more):
                flags.pointee |= NGHTTP2_DATA_FLAG_EOF.rawValue | NGHTTP2_DATA_FLAG_NO_END_STREAM.rawValue
                let code = withFields(fixed, more) { fields, count in
                    nghttp2_submit_trailer(handle, id, fields, count)
                }
                guard code == 0 else { return Int(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue) }
            }
        }
        guard stream.wantsDrained else { return count }
        session._withUnsafeGuaranteedRef { session in
            if stream.outboundBytes <= session.limits.streamOutputBytes / 2 {
                stream.wantsDrained = false
                session.touch(stream, .drained)
            }
        }
        return count
    }
}
