internal import CProtobufC
internal import Glibc

/// Fills the members of a C struct that is about to be packed; what generated `fill(_:_:)` is made of.
///
/// Everything they return lives until the arena's reset. Running out of memory here is our own message being over
/// `Arena.limitBytes`, hence a precondition.
extension Arena {
    /// An initialised and filled C struct of the message.
    @inlinable
    func message<M: GeneratedMessage>(_ message: M) -> UnsafeMutableRawPointer {
        let memory = makeMessage(M.descriptor)
        message.fill(memory, self)
        return memory
    }

    /// An initialised C struct.
    @usableFromInline
    func makeMessage(_ descriptor: UnsafeRawPointer) -> UnsafeMutableRawPointer {
        let descriptor = descriptor.assumingMemoryBound(to: ProtobufCMessageDescriptor.self)
        let memory = room(descriptor.pointee.sizeof_message)
        protobuf_c_message_init(descriptor, memory)
        return memory
    }

    @usableFromInline
    func room(_ size: Int) -> UnsafeMutableRawPointer {
        guard let memory = allocate(size) else {
            preconditionFailure("a message to send is over the arena's \(Arena.limitBytes) bytes; send it in parts")
        }
        return memory
    }

    @inlinable
    func array<T>(_ count: Int, of type: T.Type) -> UnsafeMutablePointer<T> {
        room(count * MemoryLayout<T>.stride).bindMemory(to: T.self, capacity: count)
    }

    /// A string member.
    public func text(_ string: String) -> UnsafeMutablePointer<CChar> {
        var string = string
        return string.withUTF8 { utf8 in
            let memory = room(utf8.count + 1)
            if let base = utf8.baseAddress {
                guard memchr(base, 0, utf8.count) == nil else {
                    return text(String(decoding: utf8, as: UTF8.self).withoutNUL)
                }
                memory.copyMemory(from: base, byteCount: utf8.count)
            }
            memory.storeBytes(of: 0, toByteOffset: utf8.count, as: UInt8.self)
            return memory.bindMemory(to: CChar.self, capacity: utf8.count + 1)
        }
    }

    /// A bytes member: count and pointer.
    public func bytes(_ bytes: [UInt8]) -> (Int, UnsafeMutablePointer<UInt8>?) { numbers(bytes) }

    /// A repeated member of strings.
    public func texts(_ strings: [String]) -> (Int, UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) {
        guard !strings.isEmpty else { return (0, nil) }
        let array = array(strings.count, of: UnsafeMutablePointer<CChar>?.self)
        for (index, string) in strings.enumerated() { (array + index).initialize(to: text(string)) }
        return (strings.count, array)
    }

    /// A repeated member of numbers.
    @inlinable
    public func numbers<T: BitwiseCopyable>(_ numbers: [T]) -> (Int, UnsafeMutablePointer<T>?) {
        guard !numbers.isEmpty else { return (0, nil) }
        let array = array(numbers.count, of: T.self)
        numbers.withUnsafeBufferPointer { array.initialize(from: $0.baseAddress!, count: numbers.count) }
        return (numbers.count, array)
    }

    /// A repeated member of C records, such as those of bytes.
    @inlinable
    public func records<T, C>(_ values: [T], _ record: (T) -> C) -> (Int, UnsafeMutablePointer<C>?) {
        guard !values.isEmpty else { return (0, nil) }
        let array = array(values.count, of: C.self)
        for (index, value) in values.enumerated() { (array + index).initialize(to: record(value)) }
        return (values.count, array)
    }

    /// A repeated member of truth values, which are 32 bits wide in C.
    public func flags(_ flags: [Bool]) -> (Int, UnsafeMutablePointer<Int32>?) { numbers(flags.map { $0 ? 1 : 0 }) }

    /// A repeated member of enum values, which are 32 bits wide in C.
    @inlinable
    public func values<E: GeneratedEnum, C>(_ values: [E]) -> (Int, UnsafeMutablePointer<C>?) {
        precondition(MemoryLayout<C>.size == 4, "a C enum is four bytes (PROTOBUF_C__FORCE_ENUM_TO_BE_INT_SIZE)")
        let (count, numbers) = numbers(values.map(\.rawValue))
        return (count, numbers.map { UnsafeMutableRawPointer($0).assumingMemoryBound(to: C.self) })
    }

    /// A message member; nil stays unset.
    @inlinable
    public func message<M: GeneratedMessage, C>(_ message: M?) -> UnsafeMutablePointer<C>? {
        guard let message else { return nil }
        let memory: UnsafeMutableRawPointer = self.message(message)
        return memory.assumingMemoryBound(to: C.self)
    }

    /// A repeated member of messages.
    @inlinable
    public func messages<M: GeneratedMessage, C>(
        _ messages: [M]
    ) -> (Int, UnsafeMutablePointer<UnsafeMutablePointer<C>?>?) {
        guard !messages.isEmpty else { return (0, nil) }
        let array = array(messages.count, of: UnsafeMutablePointer<C>?.self)
        for (index, message) in messages.enumerated() { (array + index).initialize(to: self.message(message)) }
        return (messages.count, array)
    }
}

extension String {
    /// The text with U+FFFD in place of each NUL.
    fileprivate var withoutNUL: String {
        var scalars = UnicodeScalarView()
        for scalar in unicodeScalars { scalars.append(scalar == "\0" ? "\u{FFFD}" : scalar) }
        return String(scalars)
    }
}
