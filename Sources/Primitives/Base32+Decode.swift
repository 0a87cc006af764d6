extension Base32 {
    /// Reads what ``encode(_:)`` wrote, letters of either case; nil for another character, an impossible length, or bits
    /// in the last character that no encoder leaves there.
    public static func decode(_ text: some StringProtocol) -> [UInt8]? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count * 5 / 8)
        var bits: UInt32 = 0
        var count: UInt32 = 0
        for character in text.utf8 {
            guard let value = value(of: character) else { return nil }
            bits = bits << 5 | value
            count += 5
            if count >= 8 {
                count -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> count))
                bits &= (1 << count) - 1
            }
        }
        return count < 5 && bits == 0 ? bytes : nil
    }

    private static func value(of character: UInt8) -> UInt32? {
        switch character | (character >= 65 ? 0x20 : 0) {
        case 48...57: UInt32(character) - 48
        case 97...104: UInt32(character | 0x20) - 87  // a to h
        case 106...107: UInt32(character | 0x20) - 88  // j k, without i
        case 109...110: UInt32(character | 0x20) - 89  // m n, without l
        case 112...116: UInt32(character | 0x20) - 90  // p to t, without o
        case 118...122: UInt32(character | 0x20) - 91  // v to z, without u
        default: nil
        }
    }
}
