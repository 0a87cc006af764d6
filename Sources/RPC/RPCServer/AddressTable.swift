internal import EventLoop
internal import Synchronization

/// How many connections each address has, and which addresses have been hostile. Any thread: it is asked once when a
/// connection begins and once when it ends.
final class AddressTable: Sendable {
    /// What is known of an address.
    private struct Entry {
        var open = 0
        var hostile = 0
        /// When its hostility is forgotten, on the loops' clock.
        var forgivenAt: UInt64 = 0
    }

    private struct State {
        var entries: [SocketAddress.Network: Entry] = [:]
        /// Those that have no connection and are remembered for their hostility.
        var lingering: Set<SocketAddress.Network> = []
    }

    private let limits: ServerLimits
    private let state = Mutex(State())

    init(_ limits: ServerLimits) {
        self.limits = limits
    }

    /// Counts a connection, if the address may have another.
    ///
    /// - Returns: the limit that it has reached; nil when the connection is counted and ``leave(_:hostile:at:)`` has to
    ///   follow.
    func enter(_ network: SocketAddress.Network, at now: UInt64) -> ServerLimit? {
        state.withLock { state in
            var entry = state.entries[network] ?? Entry()
            if now >= entry.forgivenAt { entry.hostile = 0 }
            if limits.hostileConnectionsPerAddress > 0, entry.hostile >= limits.hostileConnectionsPerAddress {
                return .hostileAddress
            }
            if limits.connectionsPerAddress > 0, entry.open >= limits.connectionsPerAddress {
                return .connectionsPerAddress
            }
            if entry.open == 0 { state.lingering.remove(network) }
            entry.open += 1
            state.entries[network] = entry
            return nil
        }
    }

    /// Counts the end of a connection.
    func leave(_ network: SocketAddress.Network, hostile: Bool, at now: UInt64) {
        state.withLock { state in
            guard var entry = state.entries[network] else { return }
            entry.open -= 1
            if now >= entry.forgivenAt { entry.hostile = 0 }
            if hostile {
                entry.hostile += 1
                entry.forgivenAt = now + UInt64(limits.hostilitySeconds) * 1_000_000_000
            }
            state.entries[network] = entry.open == 0 && entry.hostile == 0 ? nil : entry
            if entry.open == 0, entry.hostile > 0 { state.lingering.insert(network) }
        }
    }

    /// Forgets addresses without connections whose hostility is forgiven. Called about once a second by one loop.
    func sweep(at now: UInt64) {
        state.withLock { state in
            for network in state.lingering where now >= state.entries[network]?.forgivenAt ?? 0 {
                state.lingering.remove(network)
                state.entries[network] = nil
            }
        }
    }
}
