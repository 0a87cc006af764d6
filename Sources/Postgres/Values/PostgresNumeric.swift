/// The binary format of `numeric`: digits in base 10,000, the weight of the first one, a sign and the number of decimals.
enum PostgresNumeric {
    private static let negative: UInt16 = 0x4000
    private static let notANumber: UInt16 = 0xC000
    private static let infinity: UInt16 = 0xD000
    private static let negativeInfinity: UInt16 = 0xF000

    /// The decimal text of a numeric as it came over the wire, with as many decimals as its scale; nil when malformed.
    static func text(wire: UnsafeRawBufferPointer) -> String? {
        guard wire.count >= 8 else { return nil }
        func word(_ index: Int) -> UInt16 {
            UInt16(bigEndian: wire.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self))
        }
        let count = Int(word(0))
        let weight = Int(Int16(bitPattern: word(1)))
        let sign = word(2)
        let scale = Int(word(3))
        switch sign {
        case notANumber: return "NaN"
        case infinity: return "Infinity"
        case negativeInfinity: return "-Infinity"
        case 0, negative: break
        default: return nil
        }
        guard wire.count == 8 + 2 * count else { return nil }

        // The digit of base 10,000 that stands for 10,000^power.
        func digit(_ power: Int) -> UInt16 {
            let index = weight - power
            return index >= 0 && index < count ? word(4 + index) : 0
        }
        var text: [UInt8] = sign == negative ? [UInt8(ascii: "-")] : []
        func append(_ digit: UInt16, to text: inout [UInt8]) {
            for divisor in [1000, 100, 10, 1] as [UInt16] { text.append(48 + UInt8(digit / divisor % 10)) }
        }
        let start = text.count
        for power in stride(from: max(weight, 0), through: 0, by: -1) { append(digit(power), to: &text) }
        while text.count > start + 1, text[start] == 48 { text.remove(at: start) }
        if scale > 0 {
            text.append(UInt8(ascii: "."))
            let point = text.count
            for power in 1...(scale + 3) / 4 { append(digit(-power), to: &text) }
            text.removeLast(text.count - point - scale)
        }
        return String(decoding: text, as: UTF8.self)
    }
}
