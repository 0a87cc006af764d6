public import EventLoop
public import HTTP2
internal import Primitives
public import RPC

/// One call, as its interceptors and its handler see it. Confined to its loop.
public final class ServerContext: @unchecked Sendable {
    // @unchecked: confined to its loop.

    /// The method that is called.
    @inlinable public var route: Route { routeReference._withUnsafeGuaranteedRef { $0 } }
    /// What the caller sent beside the request.
    public let metadata: Metadata
    /// What goes back before the first message. Changes after that have no effect.
    public var responseMetadata = Metadata()
    /// What goes back with the status.
    public var trailers = Metadata()
    /// When the call must have been answered, in nanoseconds of ``EventLoop/now``; nil when the caller did not say.
    public internal(set) var deadline: UInt64?
    /// When the call arrived, in nanoseconds of ``EventLoop/now``.
    public let arrived: UInt64

    /// The loop that the call lives on.
    @inlinable public var loop: EventLoop { loopReference._withUnsafeGuaranteedRef { $0 } }

    // The connection holds on to its router and its loop, and its session to the stream until it has told of its end. A
    // reference that is counted, or is `unowned(unsafe)`, would be counted at each use.
    @usableFromInline let routeReference: Unmanaged<Route>
    @usableFromInline let loopReference: Unmanaged<EventLoop>
    let connection: ServerConnection
    private let streamReference: Unmanaged<HTTP2Stream>
    /// Where the call travels. Another call's once this one has ended, so look at ``isFinished`` first.
    var stream: HTTP2Stream { streamReference._withUnsafeGuaranteedRef { $0 } }

    /// Lets `body` use the stream, uncounted also where it calls its methods.
    @inline(__always)
    func withStream<T>(_ body: (HTTP2Stream) -> T) -> T { streamReference._withUnsafeGuaranteedRef(body) }
    var task: Task<Void, Never>?
    var deadlineTimer: LoopTimer?
    var phase = Phase.receiving
    var headersSent = false
    /// How the messages travel; nil when they do so as plain protobuf.
    @usableFromInline var coding: CallCoding?
    /// Bytes of the request that count against the limits of its connection and loop.
    var heldBytes = 0
    var reader: UnsafeContinuation<Void, Never>?
    var writer: UnsafeContinuation<Void, Never>?

    // What interceptors left: nearly always one value, which needs no memory of its own here.
    private var first: Left?
    private var others: [Left] = []
    private var madeRequestID: String?

    /// What was left under a key; the key's type says what it is.
    private struct Left {
        let key: ObjectIdentifier
        let value: AnyObject
    }

    /// Where a call is: its request arrives, its handler runs, or it has been answered or given up.
    enum Phase {
        case receiving
        case running
        case finished(StatusCode)
    }

    init(_ route: Unmanaged<Route>, _ connection: ServerConnection, _ stream: borrowing HTTP2Stream) {
        routeReference = route
        self.connection = connection
        loopReference = .passUnretained(connection.loop)
        streamReference = .passUnretained(copy stream)
        metadata = Metadata(stream.headers)
        arrived = connection.lastReceived
    }

    /// The address of the caller, such as "127.0.0.1:50312".
    public var peer: String { connection.peer }

    /// Who the caller has proved to be with a client certificate, verified by the listener's TLS; nil without one. Made
    /// when first asked for, and kept for the connection.
    public var peerIdentity: PeerIdentity? { connection.http2.peerIdentity }

    /// Whether there may be any number of requests.
    var requestStreams: Bool { routeReference._withUnsafeGuaranteedRef { $0.kind.hasRequestStream } }

    /// Whether the call has been answered or given up, so that nobody waits for its outcome any more.
    public var isFinished: Bool {
        if case .finished = phase { return true }
        return false
    }

    /// How long the caller still waits; nil when the caller did not say.
    public var timeRemaining: Duration? {
        guard let deadline else { return nil }
        let now = loop.now
        return deadline > now ? .nanoseconds(Int64(deadline - now)) : .zero
    }

    /// Names the call in logs and in answers: the caller's x-request-id, when it is 1 to 64 letters, digits, hyphens or
    /// underscores, or else a new UUIDv7.
    public var requestID: String {
        if let madeRequestID { return madeRequestID }
        let id = metadata.withValue("x-request-id") { value -> String? in
            guard let value, (1...64).contains(value.count), value.allSatisfy(isIdentifierByte) else { return nil }
            return String(decoding: value, as: UTF8.self)
        }
        let chosen = id ?? UUID.v7().text
        madeRequestID = chosen
        return chosen
    }

    /// How often the caller has tried this call before (grpc-previous-rpc-attempts); 0 when it does not say.
    public var previousAttempts: Int {
        metadata.withValue("grpc-previous-rpc-attempts") { value in
            guard let value, (1...9).contains(value.count) else { return 0 }
            return Int(String(decoding: value, as: UTF8.self)).map { max(0, $0) } ?? 0
        }
    }

    /// What an interceptor left under a key.
    @inlinable public subscript<Key: ContextKey>(key: Key.Type) -> Key.Value? {
        get { object(ObjectIdentifier(key)).map { unsafeDowncast($0, to: Key.Value.self) } }
        set { leave(newValue, ObjectIdentifier(key)) }
    }

    @usableFromInline func object(_ key: ObjectIdentifier) -> AnyObject? {
        if let first, first.key == key { return first.value }
        for entry in others where entry.key == key { return entry.value }
        return nil
    }

    @usableFromInline func leave(_ value: consuming AnyObject?, _ key: ObjectIdentifier) {
        if first?.key == key || (first == nil && others.isEmpty) {
            first = value.map { Left(key: key, value: $0) }
            return
        }
        others.removeAll { $0.key == key }
        if let value { others.append(Left(key: key, value: value)) }
    }
}

private func isIdentifierByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
        true
    default: false
    }
}
