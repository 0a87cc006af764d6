internal import CProtobufC

/// What generated messages conform to: a Swift value that knows how to read and fill its protobuf-c struct.
///
/// Only generated code conforms. Pointers are raw here so that the C types stay inside the two targets that import them.
public protocol GeneratedMessage: Message {
    /// The message's `ProtobufCMessageDescriptor`.
    static var descriptor: UnsafeRawPointer { get }

    /// Copies the fields out of an unpacked C struct.
    init(c: UnsafeRawPointer)

    /// Fills an initialised C struct; what it points to lives in the arena until the arena's reset.
    func fill(_ c: UnsafeMutableRawPointer, _ arena: Arena)
}

extension GeneratedMessage {
    /// The full name of the message, as protobuf-c has it.
    public static var fullName: String {
        String(cString: descriptor.assumingMemoryBound(to: ProtobufCMessageDescriptor.self).pointee.name)
    }

    // Inlinable, here and in CReading and CWriting, so that the module of the messages has code for each type instead
    // of code that looks types up.

    /// Decodes a message: wire check, unpack into the thread's arena, copy out.
    @inlinable
    public init(serialized bytes: UnsafeRawBufferPointer) throws(WireError) {
        try self.init(serialized: bytes, limits: .standard, arena: .ofThread)
    }

    @inlinable
    init(serialized bytes: UnsafeRawBufferPointer, limits: WireLimits, arena: Arena) throws(WireError) {
        defer { arena.reset() }
        self.init(c: try arena.unpack(bytes, Self.descriptor, limits))
    }

    /// Encodes the message after `prefix` zero bytes.
    @inlinable
    public func serialized(prefix: Int) -> [UInt8] {
        let arena = Arena.ofThread
        defer { arena.reset() }
        return arena.pack(arena.message(self), prefix: prefix)
    }
}

extension Arena {
    /// The C struct of a message out of its bytes, after the wire check.
    @usableFromInline
    func unpack(
        _ bytes: UnsafeRawBufferPointer,
        _ descriptor: UnsafeRawPointer,
        _ limits: WireLimits
    ) throws(WireError) -> UnsafeRawPointer {
        let descriptor = descriptor.assumingMemoryBound(to: ProtobufCMessageDescriptor.self)
        try WireCheck.check(bytes, descriptor, limits: limits)
        let start = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
        guard let message = protobuf_c_message_unpack(descriptor, allocator, bytes.count, start) else {
            throw WireError(reason: "the message could not be unpacked within \(Arena.limitBytes) bytes of memory")
        }
        return UnsafeRawPointer(message)
    }

    /// The bytes of a C struct after `prefix` zero bytes.
    @usableFromInline
    func pack(_ message: UnsafeMutableRawPointer, prefix: Int) -> [UInt8] {
        let message = message.assumingMemoryBound(to: ProtobufCMessage.self)
        let size = protobuf_c_message_get_packed_size(message)
        // `[UInt8](repeating:count:)` and `unsafeUninitializedCapacity` look the array's type up at run time, each time;
        // zeroing it all costs less. Not where the message is large: a debug build walks through `repeatElement` byte by
        // byte, 0.1 s for 300 KB.
        let count = prefix + size
        var bytes = count <= 4096 ? Array(repeatElement(0 as UInt8, count: count)) : [UInt8](repeating: 0, count: count)
        if size > 0 {
            bytes.withUnsafeMutableBufferPointer { buffer in
                _ = protobuf_c_message_pack(message, buffer.baseAddress! + prefix)
            }
        }
        return bytes
    }
}

/// A generated enum: proto3 enums are open, so any number is a value and those without a name are `unrecognized`.
public protocol GeneratedEnum: Sendable, Hashable {
    /// The value of that number.
    init(rawValue: Int32)
    /// The number on the wire.
    var rawValue: Int32 { get }
    /// The name in the proto file, such as `SITE_KIND_STAGING`; nil for a number that has none.
    var protoName: String? { get }
    /// The named values, in the order of the proto file.
    static var knownCases: [Self] { get }
}
