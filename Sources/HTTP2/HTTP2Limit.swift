/// A limit of ``HTTP2Limits`` that a peer can reach, as counters and logs name it.
public enum HTTP2Limit: String, CaseIterable, Sendable {
    /// ``HTTP2Limits/concurrentStreams``: the stream was refused.
    case concurrentStreams = "concurrent_streams"
    /// ``HTTP2Limits/headerListBytes`` or ``HTTP2Limits/headerFields``: the stream is marked.
    case headerList = "header_list"
    /// ``HTTP2Limits/hostileHeaderListBytes``.
    case headerBomb = "header_bomb"
    /// ``HTTP2Limits/continuationFrames``.
    case continuationFrames = "continuation_frames"
    /// ``HTTP2Limits/headerSeconds``.
    case headerTime = "header_time"
    /// ``HTTP2Limits/brokenStreamBurst`` and ``HTTP2Limits/brokenStreamsPerSecond``.
    case brokenStreams = "broken_streams"
    /// ``HTTP2Limits/idleFrameBurst`` and ``HTTP2Limits/idleFramesPerSecond``.
    case idleFrames = "idle_frames"
    /// ``HTTP2Limits/queuedAcknowledgements``.
    case queuedAcknowledgements = "queued_acknowledgements"
    /// ``HTTP2Limits/stalledWriteSeconds``.
    case stalledWrite = "stalled_write"
    /// ``HTTP2Limits/stalledStreamSeconds``: the stream was reset.
    case stalledStream = "stalled_stream"
    /// ``HTTP2Limits/handshakeSeconds``.
    case handshake = "handshake"
    /// ``HTTP2Limits/keepaliveTimeoutSeconds``.
    case keepalive = "keepalive"
    /// ``HTTP2Limits/idleSeconds``: the connection says goodbye.
    case idle = "idle"
    /// ``HTTP2Limits/connectionAgeSeconds``: the connection says goodbye.
    case connectionAge = "connection_age"
    /// ``HTTP2Limits/connectionAgeGraceSeconds``.
    case connectionAgeGrace = "connection_age_grace"

    /// Whether who reaches it means harm, or might as well: it ends the connection with ENHANCE_YOUR_CALM.
    public var isHostile: Bool {
        switch self {
        case .headerBomb, .continuationFrames, .brokenStreams, .idleFrames, .queuedAcknowledgements: true
        default: false
        }
    }
}

/// Something that may happen so often at once, and so often a second in the long run.
struct TokenBucket {
    private let burst: Double
    private let perNanosecond: Double
    private var level: Double
    private var at: UInt64 = 0

    init(burst: Int, perSecond: Int) {
        self.burst = Double(burst)
        perNanosecond = Double(perSecond) / 1e9
        level = self.burst
    }

    /// Whether more than half of the burst is used up, as far as is known.
    var isHalfEmpty: Bool { level < burst / 2 }

    /// Notes that it happened so often.
    ///
    /// - Returns: whether it may.
    mutating func take(_ count: Int, at now: UInt64) -> Bool {
        if now > at {
            level = min(burst, level + Double(now - at) * perNanosecond)
            at = now
        }
        level -= Double(count)
        return level >= 0
    }
}
