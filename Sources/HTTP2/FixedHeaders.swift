internal import CNghttp2

/// Header fields that are the same in many messages, laid out once for the library.
///
/// Made for constants: the memory is never given back, and copies cost nothing.
public struct FixedHeaders: @unchecked Sendable {
    // @unchecked: immutable; the memory is written before it is shared.
    let fields: UnsafeMutablePointer<nghttp2_nv>
    let count: Int

    /// Lays the fields out, in this order; pseudo fields come first and names are lower case.
    public init(_ list: [(name: StaticString, value: StaticString)]) {
        count = list.count
        fields = .allocate(capacity: max(1, list.count))
        for (index, field) in list.enumerated() {
            fields[index] = nghttp2_nv(
                name: UnsafeMutablePointer(mutating: field.name.utf8Start),
                value: UnsafeMutablePointer(mutating: field.value.utf8Start),
                namelen: field.name.utf8CodeUnitCount,
                valuelen: field.value.utf8CodeUnitCount,
                flags: UInt8(NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue | NGHTTP2_NV_FLAG_NO_COPY_VALUE.rawValue)
            )
        }
    }

    /// No fields.
    public static let none = FixedHeaders([])
}

/// Calls `body` with the fixed fields and then the others as the library wants them.
///
/// The library copies the names and values of `more`; it keeps pointers to the fixed ones.
// In place, so that what `body` captures is not counted where there is nothing more.
@inline(__always)
func withFields<T>(
    _ fixed: FixedHeaders,
    _ more: HeaderFields,
    _ body: (UnsafePointer<nghttp2_nv>, Int) -> T
) -> T {
    more.isEmpty ? body(fixed.fields, fixed.count) : withAllFields(fixed, more, body)
}

private func withAllFields<T>(
    _ fixed: FixedHeaders,
    _ more: HeaderFields,
    _ body: (UnsafePointer<nghttp2_nv>, Int) -> T
) -> T {
    let total = fixed.count + more.count
    return withUnsafeTemporaryAllocation(of: nghttp2_nv.self, capacity: total) { all in
        guard let base = all.baseAddress else {
            preconditionFailure("an allocation of at least one field is not empty")
        }
        base.initialize(from: fixed.fields, count: fixed.count)
        for index in 0..<more.count {
            // The storage is kept alive below; the pointers stay valid after the inner closure.
            more.withField(at: index) { name, value in
                (base + fixed.count + index).initialize(
                    to: nghttp2_nv(
                        name: UnsafeMutablePointer(mutating: name.assumingMemoryBound(to: UInt8.self).baseAddress),
                        value: UnsafeMutablePointer(mutating: value.assumingMemoryBound(to: UInt8.self).baseAddress),
                        namelen: name.count,
                        valuelen: value.count,
                        flags: UInt8(NGHTTP2_NV_FLAG_NONE.rawValue)
                    )
                )
            }
        }
        return withExtendedLifetime(more) { body(UnsafePointer(base), total) }
    }
}
