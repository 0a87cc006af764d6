/// What a peer may do to us, and how long it may take. Every limit of the HTTP/2 layer is named here;
/// ``HTTP2Limit`` says how a limit that was reached is counted.
public struct HTTP2Limits: Sendable {
    // MARK: Streams

    /// Streams that a peer may have open at once on one connection (SETTINGS_MAX_CONCURRENT_STREAMS).
    public var concurrentStreams = 256

    /// Streams that may go wrong at once before the connection is given up: reset by the peer (CVE-2023-44487), broken
    /// by it so that we have to reset them (CVE-2025-8671), or refused. A client that cancels all its calls at once is
    /// no attack, so it is more than ``concurrentStreams``.
    public var brokenStreamBurst = 512

    /// Streams that may go wrong in a second, in the long run, before the connection is given up.
    public var brokenStreamsPerSecond = 100

    // MARK: Header lists

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

    /// How long a header list may take to arrive once it has begun, in seconds. Nothing else can be sent meanwhile.
    public var headerSeconds = 10

    /// Bytes of a dynamic header table, in each direction (SETTINGS_HEADER_TABLE_SIZE). An idle connection keeps both.
    public var headerTableBytes: UInt32 = 4096

    // MARK: Flow control and memory

    /// Bytes that a peer may send on one stream before we have taken them (SETTINGS_INITIAL_WINDOW_SIZE).
    public var streamWindowBytes: Int32 = 256 * 1024

    /// Bytes that a peer may send on one connection before we have taken them.
    public var connectionWindowBytes: Int32 = 1024 * 1024

    /// Bytes of frames that are made ready before they are written. A peer that does not read makes us hold this much
    /// for its connection, and makes us stop reading from it.
    public var outputBytes = 128 * 1024

    /// Bytes of one stream's messages beyond which its writer has to wait.
    public var streamOutputBytes = 64 * 1024

    // MARK: Frames

    /// Frames that do no work that may come at once before the connection is given up (ENHANCE_YOUR_CALM): PING,
    /// SETTINGS, PRIORITY, WINDOW_UPDATE, RST_STREAM, empty DATA, CONTINUATION, those of closed streams and unknown ones.
    /// Frames that do work, in either direction, make up for three of these each, because a good peer answers them with
    /// window updates and with pings that measure its bandwidth.
    public var idleFrameBurst = 1_000

    /// Frames that do no work that may come in a second, in the long run, before the connection is given up.
    public var idleFramesPerSecond = 100

    /// PING and SETTINGS acknowledgements that may wait to be sent before the connection is given up.
    public var queuedAcknowledgements = 256

    // MARK: Time

    /// How long a connection may take for its preface and first settings, with a TLS handshake, in seconds.
    public var handshakeSeconds = 10

    /// How long a connection may make no progress with a write, in seconds.
    public var stalledWriteSeconds = 60

    /// How long a stream's messages may wait for the peer's window to open, in seconds, before the stream is reset; 0 is
    /// forever.
    public var stalledStreamSeconds = 300

    /// How long a connection may have no open stream, in seconds, before it says goodbye; 0 is forever.
    public var idleSeconds = 0

    /// How old a connection may become, in seconds, give or take a tenth, before it says goodbye, so that its client
    /// comes back to a balancer; 0 is forever.
    public var connectionAgeSeconds = 0

    /// How long calls may go on after that goodbye, in seconds, before the connection is closed; 0 is forever.
    public var connectionAgeGraceSeconds = 0

    /// How long a connection may be silent before it is sent a PING, in seconds; 0 is never.
    public var keepaliveSeconds = 300

    /// Whether it is sent one while no stream is open, too.
    public var keepaliveWithoutStreams = true

    /// How long the answer to that PING may take, in seconds.
    public var keepaliveTimeoutSeconds = 20

    /// The defaults, which each property documents.
    public init() {}
}
