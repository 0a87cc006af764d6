import Protobuf

/// A message that is its bytes, except that it cannot start with 0xFF.
struct Note: Message {
    static var fullName: String { "test.Note" }

    var bytes: [UInt8] = []

    init() {}

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    init(_ text: String) { bytes = Array(text.utf8) }

    init(serialized bytes: UnsafeRawBufferPointer) throws(WireError) {
        if bytes.first == 0xFF { throw WireError(reason: "is 255; it must be less", field: "first", offset: 0) }
        self.bytes = Array(bytes)
    }

    func serialized(prefix: Int) -> [UInt8] { [UInt8](repeating: 0, count: prefix) + bytes }

    var text: String { String(decoding: bytes, as: UTF8.self) }
}
