internal import CPostgres
internal import EventLoop

extension Connection {
    /// Asks the server to cancel what it is working on for this connection. The request travels on a connection of its own,
    /// and libpq waits for it, so it is made off the loop.
    func requestCancel() {
        guard state == .open, cancelRequest == nil, let handle = PQgetCancel(pq) else { return }
        let request = CancelHandle(pointer: handle)
        cancelRequest = loop.startTask { [self] in
            // A request that does not arrive cancels nothing; the hard deadline ends the wait then.
            _ = try? await Offload.run { request.send() }
            cancelRequest = nil
        }
    }

    /// Whether nothing is under way and no transaction is open.
    var isClean: Bool {
        state == .open && inFlight.isEmpty && expected.isEmpty && simple == nil && cancelRequest == nil
            && PQtransactionStatus(pq) == PQTRANS_IDLE
    }

    /// Whether the server has been silent for longer than the work under way may take.
    func isStuck(_ now: UInt64) -> Bool {
        if let batch = inFlight.first { return batch.hardDeadline <= now }
        return simple.map { $0.hardDeadline <= now } ?? false
    }
}

/// A request to cancel on its way to another thread, which is its only user. Hence @unchecked.
private struct CancelHandle: @unchecked Sendable {
    let pointer: OpaquePointer

    func send() {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { message in
            _ = PQcancel(pointer, message.baseAddress, 256)
        }
        PQfreeCancel(pointer)
    }
}
