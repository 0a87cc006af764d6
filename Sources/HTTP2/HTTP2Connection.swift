public import EventLoop

/// What the connections of one loop share, so that an idle one holds none of it: the buffers for reading and writing,
/// and spare streams. Confined to its loop.
public final class HTTP2LoopBuffers: @unchecked Sendable {
    // @unchecked: confined to its loop.
    /// What is read at once: enough for hundreds of small calls, and no more work than others can wait for.
    static let readBytes = 16 * 1024
    static let frameRoomBytes = 32 * 1024

    /// What the loop's connections have done.
    public let counters = HTTP2Counters()
    let read = UnsafeMutableRawBufferPointer.allocate(byteCount: readBytes, alignment: 64)
    let write: UnsafeMutableRawBufferPointer
    let pool = StreamPool()
    let memory = SessionMemory()
    let outputBytes: Int

    /// Makes the buffers for connections with these limits.
    public init(limits: HTTP2Limits) {
        outputBytes = limits.outputBytes
        write = .allocate(byteCount: outputBytes + Self.frameRoomBytes, alignment: 64)
    }

    deinit {
        read.deallocate()
        write.deallocate()
    }
}

/// A session on a transport: reads when it can, writes once a turn, keeps time. Confined to its loop.
///
/// The owner sets ``HTTP2Session/delegate``, calls ``start()``, and calls ``keepTime()`` about once a second.
public final class HTTP2Connection: @unchecked Sendable {
    // @unchecked: confined to its loop.

    /// The loop that it lives on.
    public let loop: EventLoop
    /// The protocol.
    public let session: HTTP2Session
    /// Called once, before the streams that are open are closed because the connection is.
    public var onWillClose: ((HTTP2Error) -> Void)?
    /// Called once, after the last stream has been closed and the transport too.
    public var onClosed: ((HTTP2Error) -> Void)?
    /// Whether it is over.
    public private(set) var isClosed = false
    /// When bytes last arrived, on the loop's clock.
    public private(set) var lastReceived: UInt64
    /// When the last stream ended, or the connection was made; means nothing while a stream is open.
    var idleSince: UInt64

    private let transport: any ByteTransport
    /// What the transport says of itself, asked once: a socket is not to pay for what it does not do.
    private let keepsInput: Bool
    private var isShakingHands: Bool
    private var readsAgain = false
    let buffers: HTTP2LoopBuffers
    private var watcher: FDWatcher?
    private var flushScheduled = false
    /// What was made ready and the transport did not take.
    var unwritten: [UInt8] = []
    private var unwrittenOffset = 0
    var stalledSince: UInt64 = 0
    var pingedAt: UInt64 = 0
    private var closeReason: HTTP2Error?
    private var depth = 0
    let startedAt: UInt64
    /// When it is too old, on the loop's clock; 0 is never.
    let retiresAt: UInt64
    /// When it was told to say goodbye for its age.
    var retiredAt: UInt64 = 0
    private(set) var isDraining = false
    private var hasRefused = false

    /// Makes a connection over a transport, which it will close.
    public init(
        role: HTTP2Role,
        transport: any ByteTransport,
        loop: EventLoop,
        limits: HTTP2Limits,
        buffers: HTTP2LoopBuffers
    ) {
        self.loop = loop
        self.transport = transport
        keepsInput = transport.keepsInput
        isShakingHands = !transport.isEstablished
        self.buffers = buffers
        let now = loop.now
        session = HTTP2Session(
            role: role,
            limits: limits,
            pool: buffers.pool,
            memory: buffers.memory,
            counters: buffers.counters,
            now: now
        )
        lastReceived = now
        idleSince = now
        startedAt = now
        retiresAt = limits.retirement(of: now)
        session.onOutput = { [unowned(unsafe) self] in scheduleFlush() }
    }

    /// The peer's address, made when asked for.
    public var peer: String { transport.peer }

    /// Who the peer has proved to be, made when asked for; nil when it has not.
    public var peerIdentity: PeerIdentity? { transport.peerIdentity }

    /// Begins to read, and sends the first settings.
    ///
    /// - Throws: `EventLoopError` when the descriptor cannot be watched; the transport is closed then.
    public func start() throws(EventLoopError) {
        loop.assertOnLoop()
        if let descriptor = transport.descriptor {
            do {
                let watcher = try loop.watch(descriptor) { [unowned(unsafe) self] readiness in ready(readiness) }
                watcher.interest = .readable
                self.watcher = watcher
            } catch {
                close(.closed)
                throw error
            }
        }
        scheduleFlush()
    }

    // MARK: In

    private func ready(_ readiness: Readiness) {
        // The owner may let go of the connection while it is told of its end.
        withExtendedLifetime(self) {
            var isReadable = readiness.contains(.readable) || readiness.contains(.disconnected)
            if readiness.contains(.writable) {
                scheduleFlush()
                if keepsInput, transport.wantsWritable { isReadable = true }
            }
            if isReadable { receive() }
        }
    }

    /// Reads what the transport has, at most a few buffers full so that others have their turn.
    public func receive() {
        enter()
        defer { leave() }
        // Who does no good is served one buffer a turn.
        for _ in 0..<(session.abuse.isSuspect ? 1 : 4) {
            guard closeReason == nil, !isClosed else { return }
            switch transport.read(into: buffers.read) {
            case .bytes(let count):
                take(UnsafeRawBufferPointer(rebasing: buffers.read[..<count]))
                if keepsInput ? !transport.hasInput : count < buffers.read.count { return noteHandshake() }
            case .wouldBlock: return noteHandshake()
            case .ended: close(.closedByPeer)
            case .failed(let error): close(error)
            }
        }
        // What the transport holds lies where the descriptor does not tell of it.
        readAgain()
    }

    /// After a read that may have moved the transport's handshake, or have made it wait to write.
    private func noteHandshake() {
        if isShakingHands || (keepsInput && (transport.wantsWritable || !unwritten.isEmpty)) { scheduleFlush() }
    }

    /// Reads on in the next turn, if the transport holds something and its peer takes what it is sent.
    private func readAgain() {
        guard keepsInput, !readsAgain, closeReason == nil, !isClosed, transport.hasInput else { return }
        readsAgain = true
        loop.submit { [self] in
            readsAgain = false
            guard !isClosed, session.role == .client || unwritten.isEmpty else { return }
            receive()
        }
    }

    private func take(_ bytes: UnsafeRawBufferPointer) {
        lastReceived = loop.now
        buffers.counters.received(bytes.count)
        if !session.isEstablished, speaksTLS(bytes) {
            return close(.transport("the server speaks TLS only: connect with TLS"))
        }
        do {
            try session.receive(bytes, now: lastReceived)
            session.settle()
            scheduleFlush()
        } catch {
            session.settle()
            // The reason first: what is flushed is a GOAWAY, after which the connection would close by itself without one.
            close(error)
            flush()
        }
    }

    /// Whether a server's first bytes are a TLS alert: what one that speaks TLS answers to a client that does not. As
    /// the head of a frame they would be a length that nobody allows.
    private func speaksTLS(_ bytes: UnsafeRawBufferPointer) -> Bool {
        session.role == .client && bytes.count >= 2 && bytes[0] == 0x15 && bytes[1] == 3
    }

    // MARK: Out

    private func scheduleFlush() {
        guard !flushScheduled, !isClosed else { return }
        flushScheduled = true
        loop.atTurnEnd { [self] in
            flushScheduled = false
            enter()
            flush()
            leave()
        }
    }

    /// Writes what the session has, until the transport takes no more.
    public func flush() {
        guard !isClosed else { return }
        if isShakingHands {
            guard shakeHands() else { return hasRefused ? close(.closed) : () }
        }
        while true {
            if !unwritten.isEmpty {
                guard writeRest() else { break }
            }
            let used: Int
            do {
                used = try session.drain(into: buffers.write, limit: buffers.outputBytes)
            } catch {
                return close(error)
            }
            if used > 0 {
                guard write(UnsafeRawBufferPointer(rebasing: buffers.write[..<used])) else { break }
            }
            if session.hasEvents {
                // Their owner may have more to send now.
                session.settle()
            } else if used < buffers.outputBytes {
                break
            }
        }
        guard !isClosed, closeReason == nil else { return }
        if session.breach != nil {
            // Found while sending; what is said of it goes out, too.
            enter()
            close(session.refused(0))
            flush()
            return leave()
        }
        if session.openStreams > 0 { idleSince = 0 } else if idleSince == 0 { idleSince = loop.now }
        if unwritten.isEmpty, !session.isAlive || (hasRefused && session.openStreams == 0) { return close(.closed) }
        watchFor(stalled: !unwritten.isEmpty)
        // What came while its peer took nothing was left where it is.
        if keepsInput, unwritten.isEmpty { readAgain() }
    }

    /// Goes on with the transport's handshake.
    ///
    /// - Returns: whether it is done.
    private func shakeHands() -> Bool {
        if case .failed(let error) = transport.write(UnsafeRawBufferPointer(start: nil, count: 0)) {
            close(error)
            return false
        }
        isShakingHands = !transport.isEstablished
        if isShakingHands { watchFor(stalled: false) }
        return !isShakingHands
    }

    /// While a client takes nothing, nothing is taken from it, so that it cannot make us owe it more. A client goes on
    /// reading: two ends that both wait for the other to read would wait for ever.
    private func watchFor(stalled: Bool) {
        var interest: Readiness = !stalled ? .readable : session.role == .server ? .writable : [.readable, .writable]
        if keepsInput {
            if transport.wantsReadable { interest = .readable }
            if transport.wantsWritable { interest.insert(.writable) }
        }
        if watcher?.interest != interest { watcher?.interest = interest }
    }

    /// - Returns: whether all of it was taken; the rest is kept.
    private func write(_ bytes: UnsafeRawBufferPointer) -> Bool {
        switch transport.write(bytes) {
        case .bytes(let count):
            buffers.counters.sent(count)
            guard count < bytes.count else { return true }
            unwritten = Array(bytes[count...])
            unwrittenOffset = 0
            stalledSince = loop.now
            return false
        case .failed(let error):
            close(error)
            return false
        }
    }

    private func writeRest() -> Bool {
        let outcome = unwritten.withUnsafeBytes {
            transport.write(UnsafeRawBufferPointer(rebasing: $0[unwrittenOffset...]))
        }
        switch outcome {
        case .bytes(let count):
            buffers.counters.sent(count)
            if count > 0 { stalledSince = loop.now }
            unwrittenOffset += count
            guard unwrittenOffset == unwritten.count else { return false }
            unwritten = []
            return true
        case .failed(let error):
            close(error)
            return false
        }
    }

    // MARK: The end

    /// Lets the streams that are open end, takes no new ones, and then closes (RFC 9113, section 6.8).
    ///
    /// The peer is warned first, so that a request that is already on its way is not lost.
    public func drain() {
        guard !isClosed, !isDraining else { return }
        isDraining = true
        guard session.role == .server, session.isEstablished else { return refuseNewStreams() }
        session.announceShutdown()
        // A round trip would do; a peer farther away than this loses nothing but a retry.
        _ = loop.schedule(after: .milliseconds(100)) { [self] in refuseNewStreams() }
    }

    private func refuseNewStreams() {
        guard !isClosed else { return }
        hasRefused = true
        session.refuseNewStreams()
        scheduleFlush()
    }

    /// Closes the connection now; streams that are open are lost.
    public func close(_ reason: HTTP2Error) {
        guard !isClosed, closeReason == nil else { return }
        closeReason = reason
        // Inside a call from the session it would be pulled away from under its own feet; `leave` does it then.
        if depth == 0 { tearDown(reason) }
    }

    func enter() { depth += 1 }

    func leave() {
        depth -= 1
        if depth == 0, let closeReason, !isClosed { tearDown(closeReason) }
    }

    private func tearDown(_ reason: HTTP2Error) {
        withExtendedLifetime(self) {
            isClosed = true
            watcher?.close()
            watcher = nil
            transport.close()
            let onWillClose = onWillClose
            self.onWillClose = nil
            onWillClose?(reason)
            session.abandonStreams()
            session.delegate = nil
            session.onOutput = nil
            unwritten = []
            let onClosed = onClosed
            self.onClosed = nil
            onClosed?(reason)
        }
    }
}
