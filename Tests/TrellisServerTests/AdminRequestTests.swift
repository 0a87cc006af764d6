import Testing

@testable import TrellisServer

@Suite("The admin port's HTTP")
struct AdminRequestTests {
    static func parse(_ text: String) -> AdminRequest.Parsed { AdminRequest.parse(Array(text.utf8)) }

    @Test("a head is read once it is whole, and its query is left out")
    func heads() {
        let head = "GET /metrics?x=1 HTTP/1.1\r\nHost: a\r\n\r\n"
        #expect(Self.parse(head) == .request(AdminRequest(method: "GET", path: "/metrics")))
        #expect(Self.parse("HEAD / HTTP/1.0\n\n") == .request(AdminRequest(method: "HEAD", path: "/")))
        for count in 0..<head.count { #expect(Self.parse(String(head.prefix(count))) == .incomplete) }
    }

    @Test(
        "what is no request is refused",
        arguments: [
            "PRI * HTTP/2.0\r\n\r\n", "GET /\r\n\r\n", "\r\n\r\n", "GET  / HTTP/1.1\r\n\r\n", "GET x HTTP/1.1\n\n",
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
