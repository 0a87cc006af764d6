internal import EventLoop
internal import HTTP2
internal import RPC
internal import Synchronization

/// What the channels of a loop share, so that a thousand of them have it once. Confined to its loop.
final class LoopShare: @unchecked Sendable {
    // @unchecked: confined to its loop.
    let buffers: HTTP2LoopBuffers
    let gzip = GzipCodec()

    private init(_ limits: HTTP2Limits) { buffers = HTTP2LoopBuffers(limits: limits) }

    private struct Key: Hashable {
        var loop: ObjectIdentifier
        var outputBytes: Int
    }

    private struct Entry {
        weak var share: LoopShare?
    }

    private static let entries = Mutex<[Key: Entry]>([:])

    /// The share of a loop, made when there is none. On the loop.
    static func of(_ loop: EventLoop, limits: HTTP2Limits) -> LoopShare {
        loop.assertOnLoop()
        let key = Key(loop: ObjectIdentifier(loop), outputBytes: limits.outputBytes)
        return entries.withLock { entries in
            // Whoever holds a share holds its loop, so an entry that is alive is of this very loop.
            if let share = entries[key]?.share { return share }
            entries = entries.filter { $0.value.share != nil }
            let made = LoopShare(limits)
            entries[key] = Entry(share: made)
            return made
        }
    }
}
