internal import CProtobufC

/// A bump allocator that protobuf-c unpacks into and messages are packed from.
///
/// Everything is given back at once by `reset()`, which keeps the first block for the next message. Each thread has one
/// (`Arena.ofThread`), and it must not leave that thread.
public final class Arena {
    /// The bytes of the block that is kept between messages.
    static let firstBlockBytes = 64 << 10
    /// The most that one message may take, in bytes. Over twice what `WireLimits.standard` lets a message cost, so that
    /// a message that passed the wire check never meets it.
    static let limitBytes = 160 << 20

    private let first: UnsafeMutableRawPointer
    private let firstBytes: Int
    private var next: UnsafeMutableRawPointer
    private var end: UnsafeMutableRawPointer
    private var furtherBlocks: [UnsafeMutableRawPointer] = []
    private var reserved: Int
    private let limit: Int
    private let allocatorPointer: UnsafeMutablePointer<ProtobufCAllocator>

    /// The number of the allocation that fails, counted from 0 since the last reset; for tests. -1 for none.
    var failingAllocation = -1
    private(set) var allocations = 0

    init(firstBlockBytes: Int = Arena.firstBlockBytes, limitBytes: Int = Arena.limitBytes) {
        first = .allocate(byteCount: firstBlockBytes, alignment: 16)
        firstBytes = firstBlockBytes
        next = first
        end = first + firstBlockBytes
        reserved = firstBlockBytes
        limit = limitBytes
        allocatorPointer = .allocate(capacity: 1)
        allocatorPointer.initialize(
            to: ProtobufCAllocator(
                alloc: { data, size in Unmanaged<Arena>.fromOpaque(data!)._withUnsafeGuaranteedRef { $0.allocate(size) }
                },
                free: { _, _ in },
                allocator_data: nil
            )
        )
        allocatorPointer.pointee.allocator_data = Unmanaged.passUnretained(self).toOpaque()
    }

    deinit {
        for block in furtherBlocks { block.deallocate() }
        first.deallocate()
        allocatorPointer.deallocate()
    }

    /// The arena as protobuf-c wants it; valid as long as the arena is.
    var allocator: UnsafeMutablePointer<ProtobufCAllocator> { allocatorPointer }

    /// Sixteen-byte-aligned memory until the next `reset()`, or nil when the arena's limit is reached.
    func allocate(_ size: Int) -> UnsafeMutableRawPointer? {
        if failingAllocation >= 0 {
            defer { allocations += 1 }
            if allocations == failingAllocation { return nil }
        }
        // protobuf-c asks for nothing now and then and takes nil for a failure.
        let rounded = (max(size, 1) &+ 15) & ~15
        guard rounded > 0, rounded >= size else { return nil }
        if rounded <= end - next {
            let pointer = next
            next += rounded
            return pointer
        }
        return allocateBlock(rounded)
    }

    private func allocateBlock(_ size: Int) -> UnsafeMutableRawPointer? {
        let room = limit - reserved
        guard size <= room else { return nil }
        // Blocks double, so that a message takes few of them; a large string gets one of its own size.
        let bytes = min(max(size, reserved), room)
        let block = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 16)
        furtherBlocks.append(block)
        reserved += bytes
        next = block + size
        end = block + bytes
        return block
    }

    /// Gives everything back. What `allocate` returned must not be used any more.
    @usableFromInline
    func reset() {
        if !furtherBlocks.isEmpty {
            for block in furtherBlocks { block.deallocate() }
            furtherBlocks.removeAll(keepingCapacity: true)
            reserved = firstBytes
            end = first + firstBytes
        }
        next = first
        allocations = 0
    }
}
