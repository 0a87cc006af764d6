internal import HTTP2
internal import RPC

// What limits do to calls; see ``ServerLimits``.
extension ServerContext {
    /// Ends the call if its request has taken so long to arrive.
    func expireRequest(_ now: UInt64, seconds: Int) {
        guard case .receiving = phase, now > arrived, now - arrived > UInt64(seconds) * 1_000_000_000 else { return }
        connection.counters.reached(.requestTime)
        end(Status(.deadlineExceeded, "the request was not whole within \(seconds) s"))
    }

    /// Whether so many bytes more may wait for the caller to take them.
    func admitsResponse(_ bytes: Int) -> Bool {
        guard connection.http2.session.queuedBytes + bytes > connection.limits.responseBytesPerConnection else {
            return true
        }
        connection.counters.reached(.responseBytes)
        return false
    }

    /// The end of a call whose response nobody would take.
    static let tooMuchUntaken = Status(
        .resourceExhausted,
        "the responses that this connection has not taken are too large together; read faster or ask for less at once"
    )
}
