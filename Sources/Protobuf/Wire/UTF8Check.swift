/// What is wrong with the bytes of a protobuf string.
enum TextFault {
    case nul
    case notUTF8
}

/// Looks for bytes that a protobuf string may not hold here: invalid UTF-8 (RFC 3629: overlong forms, surrogates, past
/// U+10FFFF) and NUL, at which protobuf-c would cut the string.
///
/// ASCII passes eight bytes at a time.
///
/// - Returns: nil when the text is fine, else the fault and its offset.
func findTextFault(_ start: UnsafePointer<UInt8>, count: Int) -> (fault: TextFault, offset: Int)? {
    let raw = UnsafeRawPointer(start)
    var index = 0
    while index < count {
        while index &+ 8 <= count {
            let word = raw.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            // A byte with its top bit set, or (by the borrow of the subtraction) a zero byte, stops the fast way.
            guard (word | (word &- 0x0101_0101_0101_0101)) & 0x8080_8080_8080_8080 == 0 else { break }
            index &+= 8
        }
        guard index < count else { return nil }
        let byte = start[index]
        if byte < 0x80 {
            if byte == 0 { return (.nul, index) }
            index &+= 1
            continue
        }
        guard let length = multiByteLength(start + index, available: count &- index) else { return (.notUTF8, index) }
        index &+= length
    }
    return nil
}

/// The length of the well-formed multi-byte sequence at `start`, or nil.
private func multiByteLength(_ start: UnsafePointer<UInt8>, available: Int) -> Int? {
    func isContinuation(_ offset: Int) -> Bool { start[offset] & 0xC0 == 0x80 }
    let lead = start[0]
    switch lead {
    case 0xC2...0xDF:
        return available >= 2 && isContinuation(1) ? 2 : nil
    case 0xE0...0xEF:
        guard available >= 3, isContinuation(1), isContinuation(2) else { return nil }
        let isOverlong = lead == 0xE0 && start[1] < 0xA0
        let isSurrogate = lead == 0xED && start[1] > 0x9F
        return isOverlong || isSurrogate ? nil : 3
    case 0xF0...0xF4:
        guard available >= 4, isContinuation(1), isContinuation(2), isContinuation(3) else { return nil }
        let isOverlong = lead == 0xF0 && start[1] < 0x90
        let isPastUnicode = lead == 0xF4 && start[1] > 0x8F
        return isOverlong || isPastUnicode ? nil : 4
    default:
        return nil
    }
}
