/// The bytes of a stream's body that have arrived and have not been taken.
public struct InboundBuffer: ~Copyable {
    private var memory: UnsafeMutableRawPointer?
    private var capacity = 0
    private var start = 0
    private var end = 0

    init() {}

    deinit {
        memory?.deallocate()
    }

    /// How many bytes wait.
    public var count: Int { end - start }

    /// The bytes that wait; valid until the buffer is changed.
    public var bytes: UnsafeRawBufferPointer {
        guard let memory, end > start else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        return UnsafeRawBufferPointer(start: memory + start, count: end - start)
    }

    /// Takes bytes away at the front.
    public mutating func consume(_ count: Int) {
        precondition(count >= 0 && count <= self.count, "more taken than there is")
        start += count
        if start == end {
            start = 0
            end = 0
        }
    }

    mutating func append(_ source: UnsafePointer<UInt8>, _ count: Int) {
        if end + count > capacity { makeRoom(for: count) }
        guard let memory else { return }
        (memory + end).copyMemory(from: source, byteCount: count)
        end += count
    }

    /// Takes everything away, and frees the memory unless it is small.
    mutating func recycle() {
        start = 0
        end = 0
        guard capacity > 16 * 1024 else { return }
        memory?.deallocate()
        memory = nil
        capacity = 0
    }

    private mutating func makeRoom(for more: Int) {
        let waiting = count
        if start > 0, waiting + more <= capacity, let memory {
            memory.copyMemory(from: memory + start, byteCount: waiting)
        } else {
            let larger = max(256, capacity * 2, waiting + more)
            let copy = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 8)
            if let memory {
                copy.copyMemory(from: memory + start, byteCount: waiting)
                memory.deallocate()
            }
            memory = copy
            capacity = larger
        }
        start = 0
        end = waiting
    }
}
