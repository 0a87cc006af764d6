internal import CNghttp2

/// Counts what a peer does that is of no use to either side.
///
/// The library tells of no frame that it ignores (unknown types, what belongs to closed streams), so frames are counted as
/// they lie in the bytes, and those that did work are taken off.
struct AbuseMeter {
    private var idleFrames: TokenBucket
    private var brokenStreams: TokenBucket
    private var scanner: FrameScanner
    /// Frames that work has paid for, and that have not come.
    private var credit = 0

    /// What a frame with work pays for beside itself: a window update for its stream, one for the connection, and a ping
    /// that measures the bandwidth.
    private static let share = 3
    /// What work may pay for at most, so that a long peaceful past does not pay for a flood.
    private static let creditMax = 1_000

    init(_ limits: HTTP2Limits, _ role: HTTP2Role) {
        idleFrames = TokenBucket(burst: limits.idleFrameBurst, perSecond: limits.idleFramesPerSecond)
        brokenStreams = TokenBucket(burst: limits.brokenStreamBurst, perSecond: limits.brokenStreamsPerSecond)
        scanner = FrameScanner(role)
    }

    /// Whether more than half of what a peer may do at once has been done.
    var isSuspect: Bool { idleFrames.isHalfEmpty || brokenStreams.isHalfEmpty }

    /// Notes that a frame with work has come: a header list, bytes of a body, or its end.
    mutating func worked() { credit += 1 + Self.share }

    /// Notes that bytes of a body have been sent in a frame.
    mutating func sent() { credit += Self.share }

    /// Takes what came, after it has done its work.
    ///
    /// - Returns: nil when the peer may go on, or what there was too much of.
    mutating func received(_ bytes: UnsafeRawBufferPointer, at now: UInt64) -> String? {
        let (frames, pings) = scanner.count(bytes)
        credit -= frames
        guard credit < 0 else {
            credit = min(credit, Self.creditMax)
            return nil
        }
        let owed = -credit
        credit = 0
        if idleFrames.take(owed, at: now) { return nil }
        // What gRPC clients look for, who then ping less often (gRPC proposal A8).
        return pings * 2 > frames ? "too_many_pings" : "too many frames that do no work"
    }

    mutating func admitBrokenStream(_ now: UInt64) -> Bool { brokenStreams.take(1, at: now) }
}

/// Finds the frames in a connection's bytes by their headers (RFC 9113, section 4.1).
private struct FrameScanner {
    /// Bytes to pass over before the next frame's header: the client's preface, then payloads.
    private var skip: Int
    /// The part of a header that has come.
    private var header: UInt32 = 0
    private var headerBytes = 0

    init(_ role: HTTP2Role) {
        skip = role == .server ? 24 : 0
    }

    /// How many frames begin in the bytes, and how many of them are PINGs.
    mutating func count(_ bytes: UnsafeRawBufferPointer) -> (frames: Int, pings: Int) {
        var (frames, pings, offset) = (0, 0, 0)
        while true {
            let passed = min(skip, bytes.count - offset)
            skip -= passed
            offset += passed
            // Length and type are all that is looked at: the first four bytes of nine, which nearly always come together.
            if headerBytes == 0, bytes.count - offset >= 4 {
                header = UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
                offset += 4
            } else {
                while headerBytes < 4, offset < bytes.count {
                    header = header << 8 | UInt32(bytes[offset])
                    headerBytes += 1
                    offset += 1
                }
                guard headerBytes == 4 else { return (frames, pings) }
                headerBytes = 0
            }
            frames += 1
            if header & 0xFF == NGHTTP2_PING.rawValue { pings += 1 }
            skip = Int(header >> 8) + 5
        }
    }
}

extension HTTP2Session {
    /// Counts a stream that went wrong by the peer's doing; for the callbacks.
    func countBrokenStream() {
        guard !abuse.admitBrokenStream(now) else { return }
        breach = (.brokenStreams, "too many streams that were reset, broken or refused")
    }

    /// Counts the frames that came, after the library has taken them.
    func meter(_ bytes: UnsafeRawBufferPointer) {
        if let reason = abuse.received(bytes, at: now) { breach = (.idleFrames, reason) }
    }

    /// Gives the connection up after the library or a callback has refused to go on. What can still be said to the peer
    /// is said when the owner drains once more.
    ///
    /// - Parameter code: the library's; 0 when only a callback refused.
    func refused(_ code: Int32) -> HTTP2Error {
        if breach == nil {
            switch code {
            case NGHTTP2_ERR_FLOODED.rawValue:
                breach = (.queuedAcknowledgements, "too many frames whose acknowledgement is not read")
            case NGHTTP2_ERR_TOO_MANY_CONTINUATIONS.rawValue:
                breach = (.continuationFrames, "more than \(limits.continuationFrames) CONTINUATION frames")
            default: break
            }
        }
        guard let breach else {
            _ = nghttp2_session_terminate_session(handle, HTTP2ErrorCode.protocolError.rawValue)
            return .session(String(cString: nghttp2_strerror(code)))
        }
        counters.reached(breach.limit)
        let last = nghttp2_session_get_last_proc_stream_id(handle)
        let text = Array(breach.reason.utf8)
        check(
            nghttp2_submit_goaway(
                handle,
                UInt8(NGHTTP2_FLAG_NONE.rawValue),
                last,
                HTTP2ErrorCode.enhanceYourCalm.rawValue,
                text,
                text.count
            )
        )
        return .limit(breach.limit, breach.reason)
    }

    /// Resets the streams whose messages nobody has taken for too long. Called about once a second.
    func resetStalledStreams() {
        tick &+= 1
        guard limits.stalledStreamSeconds > 0, queuedBytes > 0 else { return }
        forEachStream { stream in
            guard stream.outboundBytes > 0, tick &- stream.progressTick > UInt32(limits.stalledStreamSeconds) else {
                return
            }
            counters.reached(.stalledStream)
            submitReset(stream, .cancel)
        }
    }

    /// Calls `body` with every open stream; it may end them.
    public func forEachStream(_ body: (HTTP2Stream) -> Void) {
        // Streams leave the list only while events are told, which does not happen here.
        for reference in streams { reference._withUnsafeGuaranteedRef(body) }
    }
}
