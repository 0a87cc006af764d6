/// Reads the text of JSON numbers exactly, without going through floating point.
enum JSONNumber {
    /// The most zeros that an exponent may stand for; past any integer's range.
    private static let maxExponent = 400

    /// The integer that the text is, also when it is written like `1.0` or `1e2`; nil when it has a fraction or is out of
    /// the range of `T`.
    static func integer<T: FixedWidthInteger>(_ text: String, as: T.Type = T.self) -> T? {
        if let plain = T(text) { return text.utf8.first == UInt8(ascii: "+") ? nil : plain }
        let isNegative = text.utf8.first == UInt8(ascii: "-")
        var digits: [UInt8] = []
        var exponent = 0
        var isFraction = false
        var rest = Array(text.utf8)[(isNegative ? 1 : 0)...]
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"):
                digits.append(byte &- UInt8(ascii: "0"))
                if isFraction { exponent -= 1 }
            case UInt8(ascii: "."):
                guard !isFraction, !digits.isEmpty else { return nil }
                isFraction = true
            case UInt8(ascii: "e"), UInt8(ascii: "E"):
                guard let written = Int(String(decoding: rest, as: UTF8.self)), abs(written) < maxExponent else {
                    return nil
                }
                exponent += written
                rest = []
            default:
                return nil
            }
        }
        guard !digits.isEmpty else { return nil }
        while exponent < 0, digits.last == 0 {
            digits.removeLast()
            exponent += 1
        }
        if digits.allSatisfy({ $0 == 0 }) { return 0 }
        guard exponent >= 0 else { return nil }
        digits.append(contentsOf: repeatElement(0, count: exponent))
        var value: T = 0
        for digit in digits {
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carried) =
                isNegative ? product.subtractingReportingOverflow(T(digit)) : product.addingReportingOverflow(T(digit))
            guard !overflow, !carried else { return nil }
            value = sum
        }
        return value
    }
}
