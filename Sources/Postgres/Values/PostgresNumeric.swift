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

    /// Appends the binary format of a decimal text: an optional sign, digits, and optionally a point and digits.
    ///
    /// - Returns: false, with nothing appended, for any other text.
    static func append(_ text: String, to bytes: inout [UInt8]) -> Bool {
        var digits = Array(text.utf8)
        var sign: UInt16 = 0
        if let first = digits.first, first == UInt8(ascii: "-") || first == UInt8(ascii: "+") {
            if first == UInt8(ascii: "-") { sign = negative }
            digits.removeFirst()
        }
        let point = digits.firstIndex(of: UInt8(ascii: ".")) ?? digits.count
        var whole = Array(digits[..<point])
        var decimals = Array(digits[point...].dropFirst())
        guard !(whole.isEmpty && decimals.isEmpty), (whole + decimals).allSatisfy({ (48...57).contains($0) }),
            whole.count <= 131_072, decimals.count <= 16_383
        else { return false }
        let scale = UInt16(decimals.count)
        whole.insert(contentsOf: Array(repeating: 48, count: (4 - whole.count % 4) % 4), at: 0)
        decimals.append(contentsOf: Array(repeating: 48, count: (4 - decimals.count % 4) % 4))
        var weight = Int16(whole.count / 4 - 1)
        var groups: [UInt16] = []
        let all = whole + decimals
        for start in stride(from: 0, to: all.count, by: 4) {
            groups.append(all[start..<(start + 4)].reduce(0) { $0 * 10 + UInt16($1 - 48) })
        }
        while groups.first == 0 {
            groups.removeFirst()
            weight -= 1
        }
        while groups.last == 0 { groups.removeLast() }
        if groups.isEmpty {
            weight = 0
            sign = 0
        }
        UInt16(groups.count).appendBigEndian(to: &bytes)
        weight.appendBigEndian(to: &bytes)
        sign.appendBigEndian(to: &bytes)
        scale.appendBigEndian(to: &bytes)
        for group in groups { group.appendBigEndian(to: &bytes) }
        return true
    }
}
