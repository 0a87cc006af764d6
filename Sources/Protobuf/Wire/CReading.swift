internal import CProtobufC
internal import Glibc

/// Reads the members of an unpacked C struct; what generated `init(c:)` is made of.
public enum CReading {
    /// A string member, which protobuf-c ends with a NUL.
    public static func text(_ pointer: UnsafeMutablePointer<CChar>?) -> String {
        guard let pointer, pointer.pointee != 0 else { return "" }
        return String(
            decoding: UnsafeBufferPointer(
                start: UnsafeRawPointer(pointer).assumingMemoryBound(to: UInt8.self),
                count: strlen(pointer)
            ),
            as: UTF8.self
        )
    }

    /// A bytes member.
    public static func bytes(_ count: Int, _ data: UnsafeMutablePointer<UInt8>?) -> [UInt8] {
        guard count > 0, let data else { return [] }
        return [UInt8](UnsafeBufferPointer(start: data, count: count))
    }

    /// A repeated member of strings.
    public static func texts(_ count: Int, _ array: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> [String] {
        guard count > 0, let array else { return [] }
        return UnsafeBufferPointer(start: array, count: count).map(text)
    }

    /// A repeated member of numbers.
    @inlinable
    public static func numbers<T: BitwiseCopyable>(_ count: Int, _ array: UnsafeMutablePointer<T>?) -> [T] {
        guard count > 0, let array else { return [] }
        return [T](UnsafeBufferPointer(start: array, count: count))
    }

    /// A repeated member of truth values, which are 32 bits wide in C.
    public static func flags(_ count: Int, _ array: UnsafeMutablePointer<Int32>?) -> [Bool] {
        guard count > 0, let array else { return [] }
        return UnsafeBufferPointer(start: array, count: count).map { $0 != 0 }
    }

    /// An enum member.
    @inlinable
    public static func value<E: GeneratedEnum, C: RawRepresentable>(_ member: C) -> E
    where C.RawValue: BinaryInteger { E(rawValue: Int32(truncatingIfNeeded: member.rawValue)) }

    /// A repeated member of enum values.
    @inlinable
    public static func values<E: GeneratedEnum, C: RawRepresentable>(_ count: Int, _ array: UnsafeMutablePointer<C>?)
        -> [E]
    where C.RawValue: BinaryInteger {
        guard count > 0, let array else { return [] }
        return UnsafeBufferPointer(start: array, count: count).map { value($0) }
    }

    /// A message member, nil when it is not set.
    @inlinable
    public static func message<M: GeneratedMessage, C>(_ pointer: UnsafeMutablePointer<C>?) -> M? {
        guard let pointer else { return nil }
        return M(c: UnsafeRawPointer(pointer))
    }

    /// A repeated member of messages.
    @inlinable
    public static func messages<M: GeneratedMessage, C>(
        _ count: Int,
        _ array: UnsafeMutablePointer<UnsafeMutablePointer<C>?>?
    ) -> [M] {
        guard count > 0, let array else { return [] }
        var messages: [M] = []
        messages.reserveCapacity(count)
        for index in 0..<count where array[index] != nil {
            messages.append(M(c: UnsafeRawPointer(array[index]!)))
        }
        return messages
    }
}
