internal import CNghttp2
internal import Glibc

/// The memory that nghttp2 takes for the sessions of one loop: a stream, its headers and its frames are eight blocks a call, of the
/// same sizes call after call, and as many at a time as calls arrive together.
///
/// Blocks that are given back are kept for whoever wants one of the size next, up to ``keptBytes`` of each size. malloc keeps seven
/// of a size for a thread and looks for others among what all threads share, which took 3.6 % of a unary call
/// (docs/performance.md).
///
/// Confined to its loop, but for sessions that are let go of elsewhere: their blocks are given to free.
final class SessionMemory {
    /// Blocks of one size that are kept: each holds where the next one is.
    private struct Kept {
        var first: UnsafeMutableRawPointer?
        /// How many more may be kept.
        var room: Int
    }

    /// What is before each block.
    private struct Header {
        /// Which size it is of: 16 bytes times this; 0 for larger ones, which are not kept.
        var index: Int
        /// Its bytes.
        var size: Int
    }

    /// What a session takes its memory from: the kept blocks of each size, while it is on the loop.
    typealias Source = UnsafeMutablePointer<UnsafeMutableRawPointer?>

    #if SANITIZED
        /// Nothing, so that AddressSanitizer sees each block come and go.
        static let keptBytes = 0
    #else
        /// Bytes that are kept of each size.
        static let keptBytes = 32 << 10
    #endif
    /// Sizes are multiples of this, and blocks are aligned to it, as malloc's are.
    private static let step = 16
    /// How many sizes are kept; larger blocks are malloc's.
    private static let sizes = 64

    private let kept: UnsafeMutablePointer<Kept>
    /// The thread whose sessions share it: that of the first.
    private var owner: pthread_t?

    init() {
        precondition(MemoryLayout<Header>.size == Self.step)
        kept = .allocate(capacity: Self.sizes + 1)
        kept.initialize(to: Kept(first: nil, room: 0))
        for index in 1...Self.sizes {
            let room = Self.keptBytes / (index * Self.step)
            kept.advanced(by: index).initialize(to: Kept(first: nil, room: room))
        }
    }

    deinit {
        for index in 1...Self.sizes {
            while let block = kept[index].first {
                kept[index].first = block.load(as: UnsafeMutableRawPointer?.self)
                free(block - Self.step)
            }
        }
        kept.deallocate()
    }

    /// What a new session takes its memory from. It ends with ``end(_:_:)``.
    func begin() -> Source {
        if owner == nil { owner = pthread_self() }
        let source = Source.allocate(capacity: 1)
        source.initialize(to: isOwn ? UnsafeMutableRawPointer(kept) : nil)
        return source
    }

    /// Deletes a session, and with it all that it has taken.
    func end(_ session: OpaquePointer, _ source: Source) {
        if !isOwn { source.pointee = nil }
        nghttp2_session_del(session)
        source.deallocate()
    }

    private var isOwn: Bool { owner.map { pthread_equal($0, pthread_self()) != 0 } ?? false }

    /// How nghttp2 takes its memory from a source.
    static func functions(_ source: Source) -> nghttp2_mem {
        nghttp2_mem(
            mem_user_data: source,
            malloc: { SessionMemory.take($0, $1) },
            free: { SessionMemory.giveBack($0, $1) },
            calloc: { SessionMemory.takeZeroed($0, $1, $2) },
            realloc: { SessionMemory.resize($0, $1, $2) }
        )
    }

    // MARK: As malloc, free, calloc and realloc, of a source

    @inline(__always)
    static func take(_ size: Int, _ source: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
        // Of no bytes there is never one that was kept, and of more than this neither.
        guard UInt(bitPattern: size) <= sizes * step, let kept = kept(source) else { return make(size, index: 0) }
        let index = (size &+ (step - 1)) &>> 4
        let list = kept + index
        guard let block = list.pointee.first else { return make(index * step, index: index) }
        list.pointee.first = block.load(as: UnsafeMutableRawPointer?.self)
        list.pointee.room &+= 1
        return block
    }

    @inline(__always)
    static func giveBack(_ block: UnsafeMutableRawPointer?, _ source: UnsafeMutableRawPointer?) {
        guard let block else { return }
        let index = (block - step).load(as: Header.self).index
        // Of those that are not kept there is never room.
        guard let kept = kept(source), (kept + index).pointee.room > 0 else { return free(block - step) }
        let list = kept + index
        block.storeBytes(of: list.pointee.first, as: UnsafeMutableRawPointer?.self)
        list.pointee.first = block
        list.pointee.room &-= 1
    }

    static func takeZeroed(
        _ count: Int,
        _ size: Int,
        _ source: UnsafeMutableRawPointer?
    ) -> UnsafeMutableRawPointer? {
        let (bytes, isTooLarge) = count.multipliedReportingOverflow(by: size)
        guard !isTooLarge, let block = take(bytes, source) else { return nil }
        memset(block, 0, bytes)
        return block
    }

    static func resize(
        _ block: UnsafeMutableRawPointer?,
        _ size: Int,
        _ source: UnsafeMutableRawPointer?
    ) -> UnsafeMutableRawPointer? {
        guard let block else { return take(size, source) }
        let old = (block - step).load(as: Header.self).size
        guard size > old else { return block }
        guard let larger = take(size, source) else { return nil }
        memcpy(larger, block, old)
        giveBack(block, source)
        return larger
    }

    @inline(__always)
    private static func kept(_ source: UnsafeMutableRawPointer?) -> UnsafeMutablePointer<Kept>? {
        let source = source.unsafelyUnwrapped.assumingMemoryBound(to: UnsafeMutableRawPointer?.self)
        return source.pointee?.assumingMemoryBound(to: Kept.self)
    }

    private static func make(_ size: Int, index: Int) -> UnsafeMutableRawPointer? {
        let (whole, isTooLarge) = size.addingReportingOverflow(step)
        guard !isTooLarge, let start = malloc(whole) else { return nil }
        start.storeBytes(of: Header(index: index, size: size), as: Header.self)
        return start + step
    }
}
