/// The head of a request in HTTP/1.1, as the admin port takes it: one request a connection.
struct AdminRequest: Equatable {
    /// Bytes of a request's head at most.
    static let maximumBytes = 8192

    /// A header field: the name in lower case, the value without spaces around it.
    struct Field: Equatable {
        var name: String
        var value: String
    }

    /// GET, POST or another.
    var method: String
    /// The path with its query.
    var target: String
    /// Whether it is HTTP/1.1 or later.
    var isHTTP11 = true
    /// The fields, in order.
    var fields: [Field] = []
    /// Bytes of the head; what follows them is the body.
    var headBytes = 0

    /// Without the query.
    var path: String { String(target.prefix { $0 != "?" }) }

    /// Whether the path is one of a method: "/package.Service/Method", and not below "/.well-known/" (RFC 8615).
    var isCall: Bool {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        return parts.count == 3 && parts[1].contains(".") && !parts[1].hasPrefix(".") && !parts[2].isEmpty
    }

    /// All values of this name, which is in lower case.
    func values(_ name: String) -> [String] { fields.filter { $0.name == name }.map(\.value) }

    /// How the end of the body is found.
    enum Body: Equatable {
        /// So many bytes; none when nothing is said.
        case bytes(Int)
        /// In pieces that tell their sizes.
        case chunked
        /// In two ways, or none that is known here.
        case unclear
    }

    /// How the end of the body is found (RFC 9112, section 6). Whatever two readers could understand differently is refused.
    var body: Body {
        let lengths = Set(values("content-length"))
        let codings = values("transfer-encoding")
        guard codings.isEmpty else {
            return codings.map({ $0.lowercased() }) == ["chunked"] && lengths.isEmpty && isHTTP11 ? .chunked : .unclear
        }
        guard let length = lengths.first else { return .bytes(0) }
        guard lengths.count == 1, (1...15).contains(length.utf8.count),
            length.utf8.allSatisfy({ (48...57).contains($0) }),
            let count = Int(length)
        else { return .unclear }
        return .bytes(count)
    }

    /// What stands in a buffer so far.
    enum Parsed: Equatable {
        /// More is to come.
        case incomplete
        /// A whole head.
        case request(AdminRequest)
        /// No head of HTTP/1.
        case malformed
    }

    /// Reads a request's head (RFC 9112, sections 3 and 5).
    static func parse(_ bytes: [UInt8]) -> Parsed {
        guard let end = headEnd(bytes) else { return bytes.count >= maximumBytes ? .malformed : .incomplete }
        guard end <= maximumBytes else { return .malformed }
        var lines = bytes[..<end].split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map { line in
            line.last == UInt8(ascii: "\r") ? line.dropLast() : line
        }
        let first = String(decoding: lines.removeFirst(), as: UTF8.self)
        let parts = first.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 3, parts[2].hasPrefix("HTTP/1."), parts[1].hasPrefix("/"), isToken(parts[0].utf8) else {
            return .malformed
        }
        var request = AdminRequest(method: parts[0], target: parts[1], isHTTP11: parts[2] != "HTTP/1.0", headBytes: end)
        for line in lines where !line.isEmpty {
            guard let field = field(line) else { return .malformed }
            request.fields.append(field)
        }
        return .request(request)
    }

    /// Where the empty line ends that ends a head.
    private static func headEnd(_ bytes: [UInt8]) -> Int? {
        var lineStart = 0
        for (index, byte) in bytes.enumerated() where byte == UInt8(ascii: "\n") {
            let line = bytes[lineStart..<index]
            if lineStart > 0, line.isEmpty || line.elementsEqual([UInt8(ascii: "\r")]) { return index + 1 }
            lineStart = index + 1
        }
        return nil
    }

    private static func field(_ line: ArraySlice<UInt8>) -> Field? {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")), isToken(line[..<colon]) else { return nil }
        var value = line[(colon + 1)...].drop { $0 == 0x20 || $0 == 0x09 }
        while let last = value.last, last == 0x20 || last == 0x09 { value = value.dropLast() }
        guard value.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }) else { return nil }
        return Field(
            name: String(decoding: line[..<colon], as: UTF8.self).lowercased(),
            value: String(decoding: value, as: UTF8.self)
        )
    }

    /// Whether the bytes are a token (RFC 9110, section 5.6.2).
    private static func isToken(_ bytes: some Collection<UInt8>) -> Bool {
        !bytes.isEmpty
            && bytes.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"):
                    true
                default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
                }
            }
    }
}

/// What the admin port answers.
struct AdminReply: Equatable, Sendable {
    /// The status code with its phrase.
    var status: String
    /// The content type of the body; empty for none.
    var type = "text/plain; charset=utf-8"
    /// Fields beside it.
    var fields: [AdminRequest.Field] = []
    /// The body.
    var body: [UInt8]

    /// A reply of text.
    init(status: String, type: String = "text/plain; charset=utf-8", body: String) {
        self.status = status
        self.type = type
        self.body = Array(body.utf8)
    }

    /// All is well.
    static func ok(_ body: String) -> AdminReply { AdminReply(status: "200 OK", body: body) }
    /// Not now.
    static func unavailable(_ body: String) -> AdminReply { AdminReply(status: "503 Service Unavailable", body: body) }

    /// The reply as it travels; the body stays away when it was asked with HEAD.
    func bytes(isHead: Bool) -> [UInt8] {
        var head = "HTTP/1.1 \(status)\r\n"
        if !type.isEmpty { head += "Content-Type: \(type)\r\n" }
        for field in fields { head += "\(field.name): \(field.value)\r\n" }
        head += "Content-Length: \(body.count)\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
        return Array(head.utf8) + (isHead ? [] : body)
    }
}
