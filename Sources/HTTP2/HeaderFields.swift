internal import Glibc

/// A list of header fields in the order in which they came, stored in one piece of memory.
///
/// A value type: copies share their storage until one of them is changed. Names are lower case (RFC 9113, section
/// 8.2.1), values are bytes; repeated names stay apart.
public struct HeaderFields: @unchecked Sendable {
    // @unchecked: shared storage is immutable; it is changed only while this value is its one owner.
    @usableFromInline var storage: HeaderStorage?

    /// No fields.
    public init() {}

    /// How many fields there are.
    @inlinable public var count: Int { storage?.count ?? 0 }

    /// Whether there are none.
    @inlinable public var isEmpty: Bool { count == 0 }

    /// The size of the list: names, values and 32 bytes a field (RFC 9113, section 6.5.2).
    public var listSize: Int { storage.map { $0.used + 32 * $0.count } ?? 0 }

    /// Adds a field at the end.
    ///
    /// - Parameter name: lower case; the caller's duty.
    public mutating func append(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        guard let nameStart = name.baseAddress else { preconditionFailure("a header field has a name") }
        prepare()._withUnsafeGuaranteedRef { storage in
            // Nothing is copied from there when the value is empty.
            storage.append(nameStart, name.count, value.baseAddress ?? nameStart, value.count)
        }
    }

    /// Adds a field at the end.
    public mutating func append(_ name: String, _ value: String) {
        var name = name
        var value = value
        name.withUTF8 { name in
            value.withUTF8 { value in append(UnsafeRawBufferPointer(name), UnsafeRawBufferPointer(value)) }
        }
    }

    /// Takes all fields away and keeps the memory, unless it is shared or large.
    mutating func recycle() {
        guard storage != nil else { return }
        guard isKnownUniquelyReferenced(&storage), let kept = storage.map(Unmanaged.passUnretained),
            kept._withUnsafeGuaranteedRef({ $0.recycle() })
        else {
            storage = nil
            return
        }
    }

    /// Calls `body` with the bytes of a field's name and value, which are valid only inside it.
    @inlinable public func withField<T>(
        at index: Int,
        _ body: (_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws -> T
    ) rethrows -> T {
        guard let storage else { preconditionFailure("no such header field") }
        precondition(index >= 0 && index < storage.count, "no such header field")
        let entry = storage.entries[index]
        let start = UnsafeRawPointer(storage.bytes) + Int(entry.offset)
        return try withExtendedLifetime(self) {
            try body(
                UnsafeRawBufferPointer(start: start, count: Int(entry.nameLength)),
                UnsafeRawBufferPointer(start: start + Int(entry.nameLength), count: Int(entry.valueLength))
            )
        }
    }

    /// Calls `body` with each field's position and the bytes of its name and value, which are valid only inside it: one
    /// reference is counted for all of them.
    @inlinable public func forEach(
        _ body: (_ index: Int, _ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws -> Void
    ) rethrows {
        guard let storage else { return }
        try withExtendedLifetime(self) {
            let (bytes, entries) = (UnsafeRawPointer(storage.bytes), storage.entries)
            for index in 0..<storage.count {
                let entry = entries[index]
                let start = bytes + Int(entry.offset)
                try body(
                    index,
                    UnsafeRawBufferPointer(start: start, count: Int(entry.nameLength)),
                    UnsafeRawBufferPointer(start: start + Int(entry.nameLength), count: Int(entry.valueLength))
                )
            }
        }
    }

    /// The position of the first field of this name.
    public func firstIndex(of name: StaticString) -> Int? {
        storage?.firstIndex(of: name)
    }

    /// The position of the first field of this name.
    public func firstIndex(of name: String) -> Int? {
        var name = name
        return name.withUTF8 { wanted in
            (0..<count).first { index in
                withField(at: index) { name, _ in
                    name.count == wanted.count && name.elementsEqual(wanted)
                }
            }
        }
    }

    /// The value of the first field of this name, as text; bytes that are not UTF-8 are replaced.
    public func first(_ name: StaticString) -> String? {
        firstIndex(of: name).map { index in withField(at: index) { _, value in String(decoding: value, as: UTF8.self) }
        }
    }

    /// The name and value at a position, as text.
    public func field(at index: Int) -> (name: String, value: String) {
        withField(at: index) { name, value in
            (String(decoding: name, as: UTF8.self), String(decoding: value, as: UTF8.self))
        }
    }

    /// The storage, made or copied if it is shared; this value keeps it.
    mutating func prepare() -> Unmanaged<HeaderStorage> {
        if storage == nil || !isKnownUniquelyReferenced(&storage) {
            let copy = HeaderStorage(capacity: Swift.max(storage?.used ?? 0, 256))
            if let storage { copy.copy(storage) }
            storage = copy
        }
        guard let reference = storage.map(Unmanaged.passUnretained) else { preconditionFailure("made above") }
        return reference
    }
}

/// The memory of a list of header fields: the bytes one after another, and where each field starts.
@usableFromInline final class HeaderStorage {
    @usableFromInline struct Entry {
        @usableFromInline var offset: UInt32
        @usableFromInline var nameLength: UInt32
        @usableFromInline var valueLength: UInt32
    }

    @usableFromInline var bytes: UnsafeMutableRawPointer
    var capacity: Int
    var used = 0
    @usableFromInline var entries: UnsafeMutablePointer<Entry>
    var entryCapacity = 16
    @usableFromInline var count = 0

    init(capacity: Int) {
        self.capacity = capacity
        bytes = .allocate(byteCount: capacity, alignment: 8)
        entries = .allocate(capacity: entryCapacity)
    }

    deinit {
        bytes.deallocate()
        entries.deallocate()
    }

    /// Takes all fields away.
    ///
    /// - Returns: whether the memory is worth keeping.
    func recycle() -> Bool {
        used = 0
        count = 0
        return capacity <= 8 * 1024
    }

    func copy(_ other: HeaderStorage) {
        if other.used > capacity { grow(to: other.used) }
        bytes.copyMemory(from: other.bytes, byteCount: other.used)
        used = other.used
        while entryCapacity < other.count { growEntries() }
        entries.update(from: other.entries, count: other.count)
        count = other.count
    }

    /// Adds a field; called for each that comes.
    func append(
        _ name: UnsafeRawPointer,
        _ nameLength: Int,
        _ value: UnsafeRawPointer,
        _ valueLength: Int
    ) {
        let end = used + nameLength + valueLength
        if end > capacity { grow(to: end) }
        if count == entryCapacity { growEntries() }
        let start = bytes + used
        start.copyMemory(from: name, byteCount: nameLength)
        (start + nameLength).copyMemory(from: value, byteCount: valueLength)
        // They all fit: no storage grows beyond 32 bits.
        entries[count] = Entry(
            offset: UInt32(truncatingIfNeeded: used),
            nameLength: UInt32(truncatingIfNeeded: nameLength),
            valueLength: UInt32(truncatingIfNeeded: valueLength)
        )
        used = end
        count += 1
    }

    func firstIndex(of name: StaticString) -> Int? {
        let (start, length) = (name.utf8Start, name.utf8CodeUnitCount)
        for index in 0..<count {
            let entry = entries[index]
            if Int(entry.nameLength) == length, memcmp(bytes + Int(entry.offset), start, length) == 0 { return index }
        }
        return nil
    }

    private func grow(to bytes: Int) {
        let larger = max(capacity * 2, bytes)
        precondition(larger <= Int(UInt32.max), "a list of header fields is larger than 4 GiB")
        let copy = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 8)
        copy.copyMemory(from: self.bytes, byteCount: used)
        self.bytes.deallocate()
        self.bytes = copy
        capacity = larger
    }

    private func growEntries() {
        let copy = UnsafeMutablePointer<Entry>.allocate(capacity: entryCapacity * 2)
        copy.update(from: entries, count: count)
        entries.deallocate()
        entries = copy
        entryCapacity *= 2
    }
}
