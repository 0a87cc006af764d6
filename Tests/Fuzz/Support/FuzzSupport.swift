// What the fuzz targets share.
internal import Glibc
public import HTTP2

/// A peer in memory: what it sends, a few bytes at a time, and what it was sent.
public final class Tape: ByteTransport {
    private let input: [UInt8]
    private let step: Int
    private var position = 0
    private var isClosed = false

    /// Sends the input, so many bytes at a time; one whose step is even also takes no more than that at a time.
    public init(_ input: [UInt8], _ step: Int, descriptor: Int32? = nil) {
        self.input = input
        self.step = step
        self.descriptor = descriptor
    }

    /// What to watch: it is always ready. A tape without one is read by whoever made it.
    public let descriptor: Int32?
    /// Never.
    public var wantsWritable: Bool { false }
    /// What it is.
    public var peer: String { "tape" }
    /// Whether all was read.
    public var isAtEnd: Bool { position == input.count || isClosed }

    /// The next bytes; after the last, the end where it is watched.
    public func read(into buffer: UnsafeMutableRawBufferPointer) -> ReadOutcome {
        precondition(!isClosed, "read after close")
        let count = min(step, input.count - position, buffer.count)
        guard count > 0 else { return descriptor == nil ? .wouldBlock : .ended }
        buffer.copyBytes(from: input[position..<position + count])
        position += count
        return .bytes(count)
    }

    /// Forgets what it is sent.
    public func write(_ bytes: UnsafeRawBufferPointer) -> WriteOutcome {
        precondition(!isClosed, "written after close")
        // A step that is even makes a peer that takes little at a time.
        return .bytes(step.isMultiple(of: 2) ? min(bytes.count, step) : bytes.count)
    }

    /// Closes what is watched.
    public func close() {
        precondition(!isClosed, "closed twice")
        isClosed = true
        if let descriptor { Glibc.close(descriptor) }
    }
}

/// Something to wait for.
public final class Signal: @unchecked Sendable {
    // @unchecked: a semaphore may be used by any thread.
    private let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

    /// Not given yet.
    public init() { sem_init(semaphore, 0, 0) }

    deinit {
        sem_destroy(semaphore)
        semaphore.deallocate()
    }

    /// Lets one waiter go on.
    public func post() { sem_post(semaphore) }

    /// Waits until it was given.
    public func wait() { while sem_wait(semaphore) != 0 {} }
}
