internal import EventLoop
internal import HTTP2
internal import Synchronization

/// The buffers of each loop that has channels, so that a thousand channels of one loop have one pair of them.
enum LoopBufferCache {
    private struct Key: Hashable {
        var loop: ObjectIdentifier
        var outputBytes: Int
    }

    private struct Entry {
        weak var buffers: HTTP2LoopBuffers?
    }

    private static let entries = Mutex<[Key: Entry]>([:])

    /// The buffers of a loop, made when there are none. On the loop.
    static func buffers(of loop: EventLoop, limits: HTTP2Limits) -> HTTP2LoopBuffers {
        loop.assertOnLoop()
        let key = Key(loop: ObjectIdentifier(loop), outputBytes: limits.outputBytes)
        return entries.withLock { entries in
            // Whoever holds buffers holds their loop, so an entry that is alive is of this very loop.
            if let buffers = entries[key]?.buffers { return buffers }
            entries = entries.filter { $0.value.buffers != nil }
            let made = HTTP2LoopBuffers(limits: limits)
            entries[key] = Entry(buffers: made)
            return made
        }
    }
}
