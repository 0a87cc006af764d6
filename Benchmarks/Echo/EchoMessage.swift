import Protobuf
import TrellisAPI

/// bench.EchoMessage, with a rule for its text.
///
/// google.type.Money has the same fields, a string 1 and an int64 2, so the bytes are the same, and the benchmark decodes
/// and encodes a message as every service does: checked, unpacked by protobuf-c, copied, packed.
struct EchoMessage: Message {
    static let fullName = "bench.EchoMessage"

    private var money: Money

    var n: Int64 { money.units }

    init() { money = Money() }

    init(serialized bytes: UnsafeRawBufferPointer) throws(WireError) { money = try Money(serialized: bytes) }

    func serialized(prefix: Int) -> [UInt8] { money.serialized(prefix: prefix) }

    func violations() -> [FieldViolation] {
        var check = FieldChecker()
        check.text("text", money.currencyCode, required: true, maximum: 400_000)
        return check.violations
    }
}
