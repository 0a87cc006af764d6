/// A JSON parser (RFC 8259) over UTF-8 bytes: no extensions, bounded depth and size, keys once an object.
struct JSONParser {
    private let bytes: UnsafeBufferPointer<UInt8>
    private let limits: JSONLimits
    private var next = 0

    init(_ bytes: UnsafeBufferPointer<UInt8>, limits: JSONLimits) {
        self.bytes = bytes
        self.limits = limits
    }

    /// The one value that the text holds.
    mutating func parse() throws(JSONError) -> JSONValue {
        guard bytes.count <= limits.sizeBytes else {
            throw JSONError(reason: "the text is \(bytes.count) bytes long; at most \(limits.sizeBytes) are allowed")
        }
        let value = try value(depth: 0)
        skipSpace()
        guard next == bytes.count else { throw error("unexpected text after the value; JSON text is one value") }
        return value
    }

    private mutating func value(depth: Int) throws(JSONError) -> JSONValue {
        skipSpace()
        guard next < bytes.count else { throw error("the text ends where a value should begin") }
        switch bytes[next] {
        case UInt8(ascii: "{"): return try object(depth: depth + 1)
        case UInt8(ascii: "["): return try array(depth: depth + 1)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number(try number())
        default: throw error("\(shown(bytes[next])) where a value should begin")
        }
    }

    private mutating func object(depth: Int) throws(JSONError) -> JSONValue {
        try enter(depth)
        var members: [(key: String, value: JSONValue)] = []
        var keys: Set<String> = []
        skipSpace()
        if take(UInt8(ascii: "}")) { return .object([]) }
        while true {
            skipSpace()
            guard next < bytes.count, bytes[next] == UInt8(ascii: "\"") else {
                throw error("a key in double quotes should begin here")
            }
            let key = try string()
            guard keys.insert(key).inserted else { throw error("the key \"\(key)\" occurs twice in this object") }
            skipSpace()
            guard take(UInt8(ascii: ":")) else { throw error("a colon should follow the key \"\(key)\"") }
            members.append((key, try value(depth: depth)))
            skipSpace()
            if take(UInt8(ascii: ",")) { continue }
            guard take(UInt8(ascii: "}")) else { throw error("a comma or } should follow the value of \"\(key)\"") }
            return .object(members)
        }
    }

    private mutating func array(depth: Int) throws(JSONError) -> JSONValue {
        try enter(depth)
        var elements: [JSONValue] = []
        skipSpace()
        if take(UInt8(ascii: "]")) { return .array([]) }
        while true {
            elements.append(try value(depth: depth))
            skipSpace()
            if take(UInt8(ascii: ",")) { continue }
            guard take(UInt8(ascii: "]")) else { throw error("a comma or ] should follow the element") }
            return .array(elements)
        }
    }

    private mutating func enter(_ depth: Int) throws(JSONError) {
        guard depth <= limits.depth else { throw error("values are nested more than \(limits.depth) deep") }
        next += 1
    }

    private mutating func word(_ word: StaticString, _ value: JSONValue) throws(JSONError) -> JSONValue {
        let count = word.utf8CodeUnitCount
        guard next + count <= bytes.count, (0..<count).allSatisfy({ bytes[next + $0] == word.utf8Start[$0] }) else {
            throw error("\(shown(bytes[next])) where a value should begin")
        }
        next += count
        return value
    }

    private mutating func number() throws(JSONError) -> String {
        let start = next
        _ = take(UInt8(ascii: "-"))
        if take(UInt8(ascii: "0")) {
            if next < bytes.count, bytes[next].isDigit { throw error("a number may not begin with 0") }
        } else {
            try digits()
        }
        if take(UInt8(ascii: ".")) { try digits() }
        if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
            if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
            try digits()
        }
        return String(decoding: bytes[start..<next], as: UTF8.self)
    }

    private mutating func digits() throws(JSONError) {
        let start = next
        while next < bytes.count, bytes[next].isDigit { next += 1 }
        guard next > start else { throw error("a digit should be here") }
    }

    // MARK: strings

    private mutating func string() throws(JSONError) -> String {
        next += 1
        let start = next
        while next < bytes.count, bytes[next] != UInt8(ascii: "\""), bytes[next] != UInt8(ascii: "\\"),
            bytes[next] >= 0x20
        {
            next += 1
        }
        if next < bytes.count, bytes[next] == UInt8(ascii: "\"") {
            next += 1
            return String(decoding: bytes[start..<next - 1], as: UTF8.self)
        }
        return try escapedString(from: start)
    }

    private mutating func escapedString(from start: Int) throws(JSONError) -> String {
        var text = [UInt8](bytes[start..<next])
        while next < bytes.count {
            let byte = bytes[next]
            if byte == UInt8(ascii: "\"") {
                next += 1
                return String(decoding: text, as: UTF8.self)
            }
            guard byte >= 0x20 else { throw error("a control character in a string; write it as \\u00XX") }
            next += 1
            if byte == UInt8(ascii: "\\") {
                try escape(into: &text)
            } else {
                text.append(byte)
            }
        }
        throw error("the text ends inside a string")
    }

    private mutating func escape(into text: inout [UInt8]) throws(JSONError) {
        guard next < bytes.count else { throw error("the text ends inside a string") }
        let byte = bytes[next]
        next += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"): text.append(contentsOf: UTF8.encode(try unicodeEscape())!)
        default: throw error("\\\(shown(byte)) is no escape; there are \\\" \\\\ \\/ \\b \\f \\n \\r \\t and \\uXXXX")
        }
    }

    private mutating func unicodeEscape() throws(JSONError) -> Unicode.Scalar {
        let first = try fourHexDigits()
        if let scalar = Unicode.Scalar(first) { return scalar }
        guard first < 0xDC00, take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) else {
            throw error("half of a surrogate pair; a pair is \\uD8XX\\uDCXX")
        }
        let second = try fourHexDigits()
        guard (0xDC00...0xDFFF).contains(second),
            let scalar = Unicode.Scalar(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00))
        else { throw error("half of a surrogate pair; a pair is \\uD8XX\\uDCXX") }
        return scalar
    }

    private mutating func fourHexDigits() throws(JSONError) -> UInt32 {
        guard next + 4 <= bytes.count, bytes[next..<next + 4].allSatisfy(\.isHexDigit) else {
            throw error("four hexadecimal digits should follow \\u")
        }
        defer { next += 4 }
        return bytes[next..<next + 4].reduce(0) { value, byte in
            value << 4 | UInt32(byte.isDigit ? byte - 0x30 : (byte | 0x20) - 0x61 + 10)
        }
    }

    // MARK: bytes

    private mutating func skipSpace() {
        while next < bytes.count,
            bytes[next] == 0x20 || bytes[next] == 0x0A || bytes[next] == 0x0D || bytes[next] == 0x09
        {
            next += 1
        }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard next < bytes.count, bytes[next] == byte else { return false }
        next += 1
        return true
    }

    private func shown(_ byte: UInt8) -> String {
        byte > 0x20 && byte < 0x7F ? String(Unicode.Scalar(byte)) : "byte \(byte)"
    }

    private func error(_ reason: String) -> JSONError {
        let before = bytes[0..<min(next, bytes.count)]
        let line = before.count { $0 == 0x0A } + 1
        let lineStart = before.lastIndex(of: 0x0A).map { $0 + 1 } ?? 0
        return JSONError(reason: reason, line: line, column: before.count - lineStart + 1)
    }
}
