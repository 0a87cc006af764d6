/// The little of HTTP/1.1 that the admin port speaks: GET and HEAD of a path, one request a connection.
struct AdminRequest: Equatable {
    /// Bytes of a request's head at most.
    static let maximumBytes = 8192

    /// GET or HEAD.
    var method: String
    /// Without the query.
    var path: String

    /// What stands in a buffer so far.
    enum Parsed: Equatable {
        /// More is to come.
        case incomplete
        /// A whole head.
        case request(AdminRequest)
        /// No head of HTTP/1.
        case malformed
    }

    /// Reads a request's head (RFC 9112, section 3). Header fields are skipped: none of them matters here.
    static func parse(_ bytes: [UInt8]) -> Parsed {
        let text = String(decoding: bytes, as: UTF8.self)
        guard let end = text.firstRange(of: "\r\n\r\n") ?? text.firstRange(of: "\n\n") else {
            return bytes.count >= maximumBytes ? .malformed : .incomplete
        }
        let line = text[..<end.lowerBound].prefix { $0 != "\r\n" && $0 != "\n" }
        let parts = line.split(separator: " ", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[2].hasPrefix("HTTP/1."), parts[1].hasPrefix("/") else { return .malformed }
        return .request(AdminRequest(method: String(parts[0]), path: String(parts[1].prefix { $0 != "?" })))
    }
}

/// What the admin port answers.
struct AdminReply: Equatable, Sendable {
    /// The status code with its phrase.
    var status: String
    /// The content type of the body.
    var type = "text/plain; charset=utf-8"
    /// The body.
    var body: String

    /// All is well.
    static func ok(_ body: String) -> AdminReply { AdminReply(status: "200 OK", body: body) }
    /// Not now.
    static func unavailable(_ body: String) -> AdminReply { AdminReply(status: "503 Service Unavailable", body: body) }

    /// The reply as it travels; the body stays away when it was asked with HEAD.
    func bytes(isHead: Bool) -> [UInt8] {
        let head =
            "HTTP/1.1 \(status)\r\nContent-Type: \(type)\r\nContent-Length: \(body.utf8.count)\r\n"
            + "Cache-Control: no-store\r\nConnection: close\r\n\r\n"
        return Array(head.utf8) + (isHead ? [] : Array(body.utf8))
    }
}
