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

    /// Decodes a message: wire check, unpack into the thread's arena, copy out.
    public init(serialized bytes: UnsafeRawBufferPointer) throws(WireError) {
        try self.init(serialized: bytes, limits: .standard, arena: .ofThread)
    }

    init(serialized bytes: UnsafeRawBufferPointer, limits: WireLimits, arena: Arena) throws(WireError) {
        let descriptor = Self.descriptor.assumingMemoryBound(to: ProtobufCMessageDescriptor.self)
        try WireCheck.check(bytes, descriptor, limits: limits)
        defer { arena.reset() }
        guard
            let message = protobuf_c_message_unpack(
                descriptor,
                arena.allocator,
                bytes.count,
                bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
            )
        else {
            throw WireError(reason: "the message could not be unpacked within \(Arena.limitBytes) bytes of memory")
        }
        self.init(c: UnsafeRawPointer(message))
    }

    /// Encodes the message after `prefix` zero bytes.
    public func serialized(prefix: Int) -> [UInt8] {
        let arena = Arena.ofThread
        defer { arena.reset() }
        let message = arena.message(self).assumingMemoryBound(to: ProtobufCMessage.self)
        let size = protobuf_c_message_get_packed_size(message)
        return [UInt8](unsafeUninitializedCapacity: prefix + size) { buffer, count in
            buffer.baseAddress?.update(repeating: 0, count: prefix)
            if size > 0 { protobuf_c_message_pack(message, buffer.baseAddress! + prefix) }
            count = prefix + size
        }
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
