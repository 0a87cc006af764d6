/// What a peer may do to us, and how long it may take. Every limit of the HTTP/2 layer is named here.
public struct HTTP2Limits: Sendable {
    /// Streams that a peer may have open at once on one connection (SETTINGS_MAX_CONCURRENT_STREAMS).
    public var concurrentStreams: UInt32 = 256

    /// Bytes of one header list: names, values and 32 a field (RFC 9113, section 6.5.2). What lies beyond is counted
    /// but not stored, and the stream is marked ``HTTP2Stream/headersTooLarge``.
    public var headerListBytes = 64 * 1024

    /// Fields of one header list. What lies beyond is treated like too many bytes.
    public var headerFields = 256

    /// Bytes that a header list may decode to before the connection is given up as hostile (ENHANCE_YOUR_CALM). Small
    /// frames can name large table entries, so what is decoded can be far more than what was sent.
    public var hostileHeaderListBytes = 4 * 1024 * 1024

    /// CONTINUATION frames after one HEADERS frame. 128 frames of 16 KiB let 2 MiB of headers in, so that they are
    /// answered and not cut off.
    public var continuationFrames = 128

    /// Bytes that a peer may send on one stream before we have taken them (SETTINGS_INITIAL_WINDOW_SIZE).
    public var streamWindowBytes: Int32 = 256 * 1024

    /// Bytes that a peer may send on one connection before we have taken them.
    public var connectionWindowBytes: Int32 = 1024 * 1024

    /// Streams that a peer may reset at once before the connection is given up (CVE-2023-44487).
    public var streamResetBurst: UInt64 = 200

    /// Streams that a peer may reset in a second, in the long run, before the connection is given up.
    public var streamResetsPerSecond: UInt64 = 50

    /// PING and SETTINGS acknowledgements that may wait to be sent before the connection is given up.
    public var queuedAcknowledgements = 256

    /// Frames that do no work (PING, SETTINGS, empty DATA, unknown ones) that a peer may send in a second before the
    /// connection is given up.
    public var idleFramesPerSecond = 2_000

    /// Bytes of a dynamic header table, in each direction (SETTINGS_HEADER_TABLE_SIZE). An idle connection keeps both.
    public var headerTableBytes: UInt32 = 4096

    /// Bytes of frames that are made ready before they are written. A peer that does not read makes us hold this much
    /// for its connection, and makes us stop reading from it.
    public var outputBytes = 128 * 1024

    /// Bytes of one stream's messages beyond which its writer has to wait.
    public var streamOutputBytes = 64 * 1024

    /// How long a connection may make no progress with a write, in seconds.
    public var stalledWriteSeconds = 60

    /// How long a connection may take for its preface and first settings, in seconds.
    public var handshakeSeconds = 10

    /// How long a connection may have no open stream, in seconds; 0 is forever.
    public var idleSeconds = 0

    /// How long a connection may be silent before it is sent a PING, in seconds; 0 is never.
    public var keepaliveSeconds = 300

    /// Whether it is sent one while no stream is open, too.
    public var keepaliveWithoutStreams = true

    /// How long the answer to that PING may take, in seconds.
    public var keepaliveTimeoutSeconds = 20

    /// The defaults, which each property documents.
    public init() {}
}
