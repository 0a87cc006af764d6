import EventLoop
import HTTP2

/// One end of a connection inside the process. Confined to its loop.
///
/// What one end has written and the other has not read is bounded by the windows of HTTP/2.
final class MemoryPipe: ByteTransport, @unchecked Sendable {
    // @unchecked: confined to its loop.
    let peer: String
    private let loop: EventLoop
    private weak var other: MemoryPipe?
    private var inbox: [UInt8] = []
    private var taken = 0
    private var hasEnded = false
    private var isWaking = false
    /// Reads from this end.
    private weak var reader: HTTP2Connection?

    /// Two ends; `peer` is whom the far one believes to speak with.
    static func pair(_ loop: EventLoop, peer: String) -> (near: MemoryPipe, far: MemoryPipe) {
        let (near, far) = (MemoryPipe(loop, peer: "in the process"), MemoryPipe(loop, peer: peer))
        near.other = far
        far.other = near
        return (near, far)
    }

    private init(_ loop: EventLoop, peer: String) {
        self.loop = loop
        self.peer = peer
    }

    /// Wakes a connection whenever there is something to read.
    func wake(_ connection: HTTP2Connection) {
        reader = connection
        wake()
    }

    var descriptor: Int32? { nil }
    var wantsWritable: Bool { false }

    func read(into buffer: UnsafeMutableRawBufferPointer) -> ReadOutcome {
        let count = min(buffer.count, inbox.count - taken)
        guard count > 0 else { return hasEnded ? .ended : .wouldBlock }
        buffer.copyBytes(from: inbox[taken..<taken + count])
        taken += count
        if taken == inbox.count {
            inbox.removeAll(keepingCapacity: true)
            taken = 0
        }
        return .bytes(count)
    }

    func write(_ bytes: UnsafeRawBufferPointer) -> WriteOutcome {
        guard let other else { return .failed(.closedByPeer) }
        other.inbox.append(contentsOf: bytes)
        other.wake()
        return .bytes(bytes.count)
    }

    func close() {
        other?.hasEnded = true
        other?.wake()
        other = nil
    }

    /// Reads in the next turn: the end that writes is in the middle of its own.
    private func wake() {
        guard !isWaking, reader != nil, hasEnded || taken < inbox.count else { return }
        isWaking = true
        loop.submit { [self] in
            isWaking = false
            guard let reader, !reader.isClosed else { return }
            reader.receive()
            wake()
        }
    }
}
