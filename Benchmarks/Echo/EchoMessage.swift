import Protobuf

/// bench.EchoMessage of Benchmarks/proto/bench.proto, written by hand: the benchmark's message is not part of the API.
struct EchoMessage: Message {
    static var fullName: String { "bench.EchoMessage" }

    var text = ""
    var n: Int64 = 0

    init() {}

    init(serialized bytes: UnsafeRawBufferPointer) throws(WireError) {
        var reader = Reader(bytes: bytes)
        while let (field, type) = try reader.tag() {
            switch (field, type) {
            case (1, 2):
                let value = try reader.field()
                guard let text = String(validating: value, as: UTF8.self) else {
                    throw WireError(reason: "is not UTF-8", field: "text", offset: reader.offset)
                }
                self.text = text
            case (2, 0): n = Int64(bitPattern: try reader.varint())
            default: throw WireError(reason: "field \(field) of type \(type) is not known", offset: reader.offset)
            }
        }
    }

    func serialized(prefix: Int) -> [UInt8] {
        var text = text
        return text.withUTF8 { text in
            [UInt8](unsafeUninitializedCapacity: prefix + text.count + 24) { buffer, count in
                for index in 0..<prefix { buffer[index] = 0 }
                count = prefix
                func varint(_ value: UInt64) {
                    var value = value
                    while value > 127 {
                        buffer[count] = UInt8(truncatingIfNeeded: value) | 128
                        count += 1
                        value >>= 7
                    }
                    buffer[count] = UInt8(value)
                    count += 1
                }
                if !text.isEmpty {
                    varint(1 << 3 | 2)
                    varint(UInt64(text.count))
                    UnsafeMutableBufferPointer(rebasing: buffer[count...]).baseAddress?
                        .initialize(from: text.baseAddress.unsafelyUnwrapped, count: text.count)
                    count += text.count
                }
                if n != 0 {
                    varint(2 << 3)
                    varint(UInt64(bitPattern: n))
                }
            }
        }
    }
}

/// Reads fields one after another.
private struct Reader {
    let bytes: UnsafeRawBufferPointer
    var offset = 0

    mutating func tag() throws(WireError) -> (field: UInt64, type: UInt64)? {
        guard offset < bytes.count else { return nil }
        let tag = try varint()
        return (tag >> 3, tag & 7)
    }

    mutating func varint() throws(WireError) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while offset < bytes.count, shift < 64 {
            let byte = bytes[offset]
            offset += 1
            value |= UInt64(byte & 127) << shift
            if byte < 128 { return value }
            shift += 7
        }
        throw WireError(reason: "a number does not end", offset: offset)
    }

    mutating func field() throws(WireError) -> UnsafeRawBufferPointer {
        let length = try varint()
        guard length <= UInt64(bytes.count - offset) else {
            throw WireError(reason: "\(length) bytes do not fit into the message", offset: offset)
        }
        defer { offset += Int(length) }
        return UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + Int(length)])
    }
}
