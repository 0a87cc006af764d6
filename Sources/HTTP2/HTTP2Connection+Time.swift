internal import EventLoop

// What a connection does about once a second.
extension HTTP2Connection {
    /// Closes the connection when its peer takes too long, resets streams that nobody takes from, says goodbye when the
    /// connection is idle or old, and asks a silent peer for a sign of life.
    public func keepTime() {
        guard !isClosed else { return }
        enter()
        defer { leave() }
        let now = loop.now
        if let (limit, reason) = overdue(now) { return give(up: limit, reason) }
        guard session.isEstablished else { return }
        session.resetStalledStreams()
        if !isDraining { sayGoodbye(now) }
        askForLife(now)
    }

    /// What the peer should have done by now.
    private func overdue(_ now: UInt64) -> (HTTP2Limit, String)? {
        let limits = session.limits
        if !unwritten.isEmpty, now.isAfter(stalledSince, bySeconds: limits.stalledWriteSeconds) {
            return (.stalledWrite, "the peer took nothing for \(limits.stalledWriteSeconds) s")
        }
        guard session.isEstablished else {
            guard now.isAfter(startedAt, bySeconds: limits.handshakeSeconds) else { return nil }
            return (.handshake, "no HTTP/2 preface within \(limits.handshakeSeconds) s")
        }
        if session.headerStream != nil, now.isAfter(session.headersSince, bySeconds: limits.headerSeconds) {
            return (.headerTime, "a header list was not whole within \(limits.headerSeconds) s")
        }
        if retiredAt > 0, limits.connectionAgeGraceSeconds > 0,
            now.isAfter(retiredAt, bySeconds: limits.connectionAgeGraceSeconds)
        {
            return (
                .connectionAgeGrace,
                "calls went on for \(limits.connectionAgeGraceSeconds) s after the connection was too old"
            )
        }
        return nil
    }

    private func give(up limit: HTTP2Limit, _ reason: String) {
        buffers.counters.reached(limit)
        close(.limit(limit, reason))
    }

    private func sayGoodbye(_ now: UInt64) {
        let limits = session.limits
        if limits.idleSeconds > 0, session.openStreams == 0, idleSince > 0,
            now.isAfter(idleSince, bySeconds: limits.idleSeconds)
        {
            buffers.counters.reached(.idle)
            drain()
        } else if retiresAt > 0, now >= retiresAt {
            buffers.counters.reached(.connectionAge)
            retiredAt = now
            drain()
        }
    }

    private func askForLife(_ now: UInt64) {
        let limits = session.limits
        guard limits.keepaliveSeconds > 0 else { return }
        guard limits.keepaliveWithoutStreams || session.openStreams > 0 || session.awaitsPong else { return }
        if session.awaitsPong {
            guard lastReceived < pingedAt, now.isAfter(pingedAt, bySeconds: limits.keepaliveTimeoutSeconds) else {
                return
            }
            give(up: .keepalive, "no answer to a PING within \(limits.keepaliveTimeoutSeconds) s")
        } else if now.isAfter(lastReceived, bySeconds: limits.keepaliveSeconds) {
            pingedAt = now
            session.ping()
        }
    }
}

extension HTTP2Limits {
    /// When a connection that begins now is too old: not all of those that began together at once. 0 is never.
    func retirement(of now: UInt64) -> UInt64 {
        guard connectionAgeSeconds > 0 else { return 0 }
        return now + UInt64(Double(connectionAgeSeconds) * Double.random(in: 0.9...1.1) * 1e9)
    }
}

extension UInt64 {
    /// Whether this moment, in nanoseconds, is at least so many seconds after another one.
    fileprivate func isAfter(_ moment: UInt64, bySeconds seconds: Int) -> Bool {
        self >= moment && self - moment >= UInt64(seconds) * 1_000_000_000
    }
}
