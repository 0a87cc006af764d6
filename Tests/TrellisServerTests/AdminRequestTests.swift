import Testing

@testable import TrellisServer

@Suite("The admin port's HTTP")
struct AdminRequestTests {
    static func parse(_ text: String) -> AdminRequest.Parsed { AdminRequest.parse(Array(text.utf8)) }

    @Test("a head is read once it is whole, and its query is left out")
    func heads() {
        let head = "GET /metrics?x=1 HTTP/1.1\r\nHost: a\r\n\r\n"
        let request = AdminRequest(
            method: "GET",
            target: "/metrics?x=1",
            fields: [.init(name: "host", value: "a")],
            headBytes: head.utf8.count
        )
        #expect(Self.parse(head) == .request(request) && request.path == "/metrics" && !request.isCall)
        #expect(Self.parse(head + "body") == .request(request))
        #expect(
            Self.parse("HEAD / HTTP/1.0\n\n")
                == .request(AdminRequest(method: "HEAD", target: "/", isHTTP11: false, headBytes: 17))
        )
        for count in 0..<head.count { #expect(Self.parse(String(head.prefix(count))) == .incomplete) }
    }

    @Test(
        "what is no request is refused",
        arguments: [
            "PRI * HTTP/2.0\r\n\r\n", "GET /\r\n\r\n", "\r\n\r\n", "GET  / HTTP/1.1\r\n\r\n", "GET x HTTP/1.1\n\n",
            "GET / HTTP/1.1\r\na b: c\r\n\r\n", "GET / HTTP/1.1\r\na : c\r\n\r\n",
            "GET / HTTP/1.1\r\na: b\r\n c\r\n\r\n",
            "GET / HTTP/1.1\r\na\r\n\r\n", "GET / HTTP/1.1\r\na: b\rc\r\n\r\n", "G(T / HTTP/1.1\r\n\r\n",
        ]
    )
    func malformed(text: String) {
        #expect(Self.parse(text) == .malformed)
    }

    @Test("a head without an end is refused when it is too long")
    func tooLong() {
        #expect(Self.parse(String(repeating: "x", count: AdminRequest.maximumBytes - 1)) == .incomplete)
        #expect(Self.parse(String(repeating: "x", count: AdminRequest.maximumBytes)) == .malformed)
    }

    @Test("the end of a body is found in one way or the request is refused")
    func bodies() {
        func body(_ fields: String, version: String = "1.1") -> AdminRequest.Body? {
            guard case .request(let request) = Self.parse("POST / HTTP/\(version)\r\n\(fields)\r\n") else { return nil }
            return request.body
        }
        #expect(body("") == .bytes(0) && body("Content-Length: 12\r\n") == .bytes(12))
        #expect(body("content-length: 5\r\ncontent-length: 5\r\n") == .bytes(5))
        #expect(body("Transfer-Encoding: Chunked\r\n") == .chunked)
        for unclear in [
            "content-length: 5\r\ncontent-length: 6\r\n", "content-length: -1\r\n", "content-length: 5, 5\r\n",
            "content-length: +5\r\n", "content-length:\r\n", "content-length: 9999999999999999\r\n",
            "transfer-encoding: chunked\r\ncontent-length: 5\r\n", "transfer-encoding: gzip, chunked\r\n",
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", "transfer-encoding: identity\r\n",
        ] {
            #expect(body(unclear) == .unclear, "\(unclear)")
        }
        #expect(body("transfer-encoding: chunked\r\n", version: "1.0") == .unclear)
    }

    @Test("a chunked body is put together, however it is cut on the way")
    func chunks() throws {
        let text = "5;a=b\r\nhello\r\n0001\r\n,\r\nA\r\n0123456789\r\n0\r\nfield: x\r\n\r\nmore"
        for step in 1...text.utf8.count {
            var reader = BodyReader(.chunked)
            var body: [UInt8] = []
            var rest = Array(text.utf8)[...]
            while !rest.isEmpty {
                #expect(step > 1 || !reader.isAtEnd || rest.count <= 4)
                body += try reader.take(rest.prefix(step))
                rest = rest.dropFirst(step)
            }
            #expect(reader.isAtEnd && body == Array("hello,0123456789".utf8))
        }
        var counted = BodyReader(.bytes(3))
        #expect(try counted.take(Array("ab".utf8)) == Array("ab".utf8) && !counted.isAtEnd)
        #expect(try counted.take(Array("cd".utf8)) == Array("c".utf8) && counted.isAtEnd)
        #expect(BodyReader(.bytes(0)).isAtEnd)
    }

    @Test("what is no chunked body is refused")
    func badChunks() {
        for text in [
            "x\r\n", "\r\n", "-1\r\n", "+1\r\n", "1\r\nabc\r\n", "0x1\r\n", "fffffffffffff\r\n",
            String(repeating: "0", count: BodyReader.sizeLineBytes + 1),
            "0\r\n" + String(repeating: "f: v\r\n", count: BodyReader.trailerBytes / 6 + 1),
        ] {
            #expect(throws: BodyReader.Malformed.self, "\(text.prefix(20))") {
                var reader = BodyReader(.chunked)
                _ = try reader.take(text.utf8)
            }
        }
    }

    @Test("a reply names its length, and HEAD gets no body")
    func reply() {
        let reply = AdminReply.ok("ready\n")
        let text = String(decoding: reply.bytes(isHead: false), as: UTF8.self)
        #expect(text.hasPrefix("HTTP/1.1 200 OK\r\n"))
        #expect(text.contains("\r\nContent-Length: 6\r\n"))
        #expect(text.hasSuffix("\r\n\r\nready\n"))
        #expect(String(decoding: reply.bytes(isHead: true), as: UTF8.self).hasSuffix("\r\n\r\n"))
    }
}
