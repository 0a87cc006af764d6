extension JSONValue {
    /// The greatest depth of arrays and objects within each other that is read by default.
    public static let defaultDepth = 100

    /// Reads JSON text that holds exactly one value.
    ///
    /// Strict where RFC 8259 leaves a choice: UTF-8 must be well-formed, a `\u` surrogate must have its partner, and no
    /// object may name a member twice.
    public init(_ text: String, maximumDepth: Int = defaultDepth) throws(JSONError) {
        try self.init(bytes: Array(text.utf8), maximumDepth: maximumDepth)
    }

    /// Reads JSON text in UTF-8.
    public init(bytes: some Sequence<UInt8>, maximumDepth: Int = defaultDepth) throws(JSONError) {
        var parser = Parser(bytes: Array(bytes), depthLeft: maximumDepth)
        self = try parser.document()
    }
}

private struct Parser {
    let bytes: [UInt8]
    var depthLeft: Int
    var position = 0

    init(bytes: [UInt8], depthLeft: Int) {
        self.bytes = bytes
        self.depthLeft = depthLeft
    }

    var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    func failure(_ reason: String, at place: Int? = nil) -> JSONError {
        let place = min(place ?? position, bytes.count)
        let before = bytes[..<place]
        let line = before.count { $0 == 0x0A } + 1
        let start = before.lastIndex(of: 0x0A).map { $0 + 1 } ?? 0
        return JSONError(reason: reason, line: line, column: place - start + 1)
    }

    mutating func document() throws(JSONError) -> JSONValue {
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
        let value = try value()
        skipSpace()
        if next != nil { throw failure("unexpected text after the value") }
        return value
    }

    mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
    }

    mutating func value() throws(JSONError) -> JSONValue {
        skipSpace()
        guard let byte = next else { throw failure("the text ends where a value is expected") }
        switch byte {
        case UInt8(ascii: "{"): return try nested { (parser) throws(JSONError) in try parser.object() }
        case UInt8(ascii: "["): return try nested { (parser) throws(JSONError) in try parser.array() }
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
        default: throw failure("a value is expected")
        }
    }

    mutating func nested(_ body: (inout Parser) throws(JSONError) -> JSONValue) throws(JSONError) -> JSONValue {
        guard depthLeft > 0 else { throw failure("arrays and objects are nested too deep") }
        depthLeft -= 1
        let value = try body(&self)
        depthLeft += 1
        return value
    }

    mutating func word(_ word: StaticString, _ value: JSONValue) throws(JSONError) -> JSONValue {
        let end = position + word.utf8CodeUnitCount
        let matches = word.withUTF8Buffer { end <= bytes.count && bytes[position..<end].elementsEqual($0) }
        guard matches else { throw failure("a value is expected") }
        position = end
        return value
    }

    mutating func array() throws(JSONError) -> JSONValue {
        position += 1
        var elements: [JSONValue] = []
        skipSpace()
        if next == UInt8(ascii: "]") {
            position += 1
            return .array([])
        }
        while true {
            elements.append(try value())
            skipSpace()
            switch next {
            case UInt8(ascii: ",")?: position += 1
            case UInt8(ascii: "]")?:
                position += 1
                return .array(elements)
            default: throw failure("',' or ']' is expected")
            }
        }
    }

    mutating func object() throws(JSONError) -> JSONValue {
        position += 1
        var members: [JSONMember] = []
        var names: Set<String> = []
        skipSpace()
        if next == UInt8(ascii: "}") {
            position += 1
            return .object([])
        }
        while true {
            skipSpace()
            let place = position
            guard next == UInt8(ascii: "\"") else { throw failure("a member's name in double quotes is expected") }
            let name = try string()
            guard names.insert(name).inserted else { throw failure("the member '\(name)' stands twice", at: place) }
            skipSpace()
            guard next == UInt8(ascii: ":") else { throw failure("':' is expected") }
            position += 1
            members.append(JSONMember(name, try value()))
            skipSpace()
            switch next {
            case UInt8(ascii: ",")?: position += 1
            case UInt8(ascii: "}")?:
                position += 1
                return .object(members)
            default: throw failure("',' or '}' is expected")
            }
        }
    }

    /// RFC 8259, section 6: no leading zeros, digits on both sides of the point.
    mutating func number() throws(JSONError) -> JSONValue {
        let start = position
        if next == UInt8(ascii: "-") { position += 1 }
        if next == UInt8(ascii: "0") { position += 1 } else { try digits() }
        if next == UInt8(ascii: ".") {
            position += 1
            try digits()
        }
        if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
            position += 1
            if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { position += 1 }
            try digits()
        }
        return .number(String(decoding: bytes[start..<position], as: UTF8.self))
    }

    mutating func digits() throws(JSONError) {
        let start = position
        while let byte = next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { position += 1 }
        if position == start { throw failure("a digit is expected") }
    }

    mutating func string() throws(JSONError) -> String {
        let opening = position
        position += 1
        var content: [UInt8] = []
        while let byte = next {
            switch byte {
            case UInt8(ascii: "\""):
                position += 1
                guard let text = String(validating: content, as: UTF8.self) else {
                    throw failure("the string is not valid UTF-8", at: opening)
                }
                return text
            case UInt8(ascii: "\\"):
                position += 1
                try escape(&content)
            case 0..<0x20:
                throw failure("a control character in a string must be escaped")
            default:
                content.append(byte)
                position += 1
            }
        }
        throw failure("the string is not closed", at: opening)
    }

    mutating func escape(_ content: inout [UInt8]) throws(JSONError) {
        guard let byte = next else { throw failure("the text ends within an escape") }
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): content.append(byte)
        case UInt8(ascii: "b"): content.append(0x08)
        case UInt8(ascii: "f"): content.append(0x0C)
        case UInt8(ascii: "n"): content.append(0x0A)
        case UInt8(ascii: "r"): content.append(0x0D)
        case UInt8(ascii: "t"): content.append(0x09)
        case UInt8(ascii: "u"):
            let first = try hexadecimal()
            var value = UInt32(first)
            if UTF16.isLeadSurrogate(first) {
                guard position + 1 < bytes.count, bytes[position] == UInt8(ascii: "\\"),
                    bytes[position + 1] == UInt8(ascii: "u")
                else { throw failure("a \\u surrogate has no partner") }
                position += 2
                let second = try hexadecimal()
                guard UTF16.isTrailSurrogate(second) else { throw failure("a \\u surrogate has no partner") }
                value = 0x10000 + (UInt32(first) - 0xD800) << 10 + (UInt32(second) - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(value) else { throw failure("a \\u surrogate has no partner") }
            content.append(contentsOf: Array(String(scalar).utf8))
        default: throw failure("unknown escape in a string", at: position - 1)
        }
    }

    mutating func hexadecimal() throws(JSONError) -> UInt16 {
        guard position + 4 <= bytes.count,
            bytes[position..<position + 4].allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
            let value = UInt16(String(decoding: bytes[position..<position + 4], as: UTF8.self), radix: 16)
        else { throw failure("four hexadecimal digits are expected after \\u") }
        position += 4
        return value
    }
}
