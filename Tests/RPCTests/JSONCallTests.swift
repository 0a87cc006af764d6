import EventLoop
import HTTP2
import Protobuf
import RPC
import RPCServer
import RPCServices
import Testing
import TrellisAPI

/// Unary calls in JSON by the unary Connect protocol, over HTTP/2.
@Suite("Calls in JSON", .timeLimit(.minutes(1)))
struct JSONCallTests {
    /// A server whose one unary method does as `service` says: "fail CODE", "crash", "wait", "long N", or echoes.
    private final class Server: Sendable {
        let rpc: RPCServer
        let group: EventLoopGroup
        let address: String
        let events = ControlServer.Events()

        private struct Witness: ServerInterceptor, CallObserver {
            let events: ControlServer.Events

            func willHandle(_ context: ServerContext) async throws {
                if context.metadata["authorization"] == "Bearer wrong" { throw RPCError(.unauthenticated, "who?") }
            }

            func didFinish(_ context: ServerContext, _ status: Status) {
                context.trailers.append("x-ended", status.code.name)
                events.add("\(context.route.method) \(status.code.name)")
            }
        }

        init(_ limits: ServerLimits, _ transcoder: (any JSONTranscoder)?) async throws {
            group = try EventLoopGroup(count: 1, name: "json")
            let router = Router()
            router.unary("/grpc.health.v1.Health/Check") { (request: HealthCheckRequest, context) in
                try await Self.check(request, context)
            }
            router.serverStreaming("/grpc.health.v1.Health/Watch") {
                (request: HealthCheckRequest, responses: ResponseWriter<HealthCheckResponse>, _) in
                try await responses.send(HealthCheckResponse())
            }
            var configuration = ServerConfiguration()
            configuration.limits = limits
            configuration.transcoder = transcoder
            let witness = Witness(events: events)
            (configuration.interceptors, configuration.observers) = ({ _ in [witness] }, { _ in [witness] })
            configuration.reportFault = { [events] error, _ in events.add("fault \(error)") }
            rpc = RPCServer(group: group, configuration: configuration, router: router)
            try await rpc.start()
            address = try rpc.listen(host: "127.0.0.1", port: 0).description
        }

        private static func check(
            _ request: HealthCheckRequest,
            _ context: ServerContext
        ) async throws -> HealthCheckResponse {
            for (name, value) in context.metadata where name.hasPrefix("echo-") {
                if name.hasSuffix("-bin") {
                    context.responseMetadata.appendBytes(name, context.metadata.bytes(name) ?? [])
                } else {
                    context.responseMetadata.append(name, value)
                    context.trailers.append(name, value)
                }
            }
            let words = request.service.split(separator: " ")
            switch words.first {
            case "fail":
                var status = RPCStatus(code: 0, message: "")
                let detail = BadRequest(fieldViolations: [.init(field: "a.b", description: "is wrong")])
                status.details = [
                    AnyMessage(typeURL: "type.googleapis.com/google.rpc.BadRequest", value: detail.serialized()),
                    AnyMessage(typeURL: "example.com/no.Body", value: [1, 2]),
                ]
                let code = StatusCode(rawValue: Int(words[1]) ?? 2) ?? .unknown
                throw RPCError(code, "größer \"x\"", details: words.count > 2 ? [] : status.serialized())
            case "crash": throw ControlServer.Unspeakable()
            case "wait": try await context.loop.sleep(for: .seconds(60))
            default: break
            }
            return HealthCheckResponse(status: .serving)
        }
    }

    private func withServer<T>(
        _ limits: ServerLimits = .init(),
        _ transcoder: (any JSONTranscoder)? = DescriptorTranscoder(.trellis),
        _ body: (PlainClient, Server) async throws -> T
    ) async throws -> T {
        let server = try await Server(limits, transcoder)
        let client = try await PlainClient(server.address)
        let outcome: Result<T, any Error>
        do { outcome = .success(try await body(client, server)) } catch { outcome = .failure(error) }
        await client.close()
        await server.rpc.shutdown(grace: .zero)
        server.group.shutdown()
        return try outcome.get()
    }

    private func call(
        _ json: String,
        _ fields: [String: String] = [:],
        more: [(String, String)] = [],
        body: [UInt8]? = nil,
        limits: ServerLimits = .init()
    ) async throws -> PlainClient.Answer {
        try await withServer(limits) { client, _ in
            await client.json(fields, more: more, body: body ?? Array(json.utf8))
        }
    }

    @Test("a call in JSON is answered in JSON", arguments: ["application/json", "Application/JSON; charset=utf-8"])
    func plain(type: String) async throws {
        try await withServer { client, server in
            let answer = await client.json(["content-type": type], body: Array("{\"service\": \"a\"}".utf8))
            #expect(answer.httpStatus == "200" && answer.text == "{\"status\":\"SERVING\"}")
            #expect(answer.headers.first("content-type") == "application/json")
            #expect(answer.headers.first("content-length") == "\(answer.body.count)")
            #expect(answer.headers.first("grpc-status") == nil && answer.trailers.isEmpty)
            #expect(answer.headers.first("trailer-x-ended") == "OK")
            #expect(server.events.all == ["Check OK"])
            #expect(server.rpc.counts().finished[0] == 1)
        }
    }

    @Test("metadata go both ways as headers, and trailers as headers that say so")
    func metadata() async throws {
        let more = [("echo-a", "1"), ("echo-a", "2"), ("echo-b-bin", "AAE=")]
        let headers = Metadata(try await call("{}", more: more).headers)
        #expect(headers.all("echo-a") == ["1", "2"] && headers.all("trailer-echo-a") == ["1", "2"])
        #expect(headers.all("echo-b-bin") == ["AAE"])
    }

    @Test("an error has its HTTP status, its name, its message and its details")
    func errors() async throws {
        let expected = [
            "", "499 canceled", "500 unknown", "400 invalid_argument", "504 deadline_exceeded", "404 not_found",
            "409 already_exists", "403 permission_denied", "429 resource_exhausted", "400 failed_precondition",
            "409 aborted", "400 out_of_range", "501 unimplemented", "500 internal", "503 unavailable", "500 data_loss",
            "401 unauthenticated",
        ]
        for code in 1...16 {
            let answer = try await call("{\"service\":\"fail \(code) bare\"}")
            let json = try JSONValue(parsing: answer.text)
            #expect("\(answer.httpStatus ?? "") \(json["code"]?.text ?? "")" == expected[code])
            #expect(json["message"]?.text == "größer \"x\"" && json["details"] == nil)
            #expect(answer.headers.first("content-type") == "application/json")
        }
        let answer = try await call("{\"service\":\"fail 3\"}", ["echo-a": "1"])
        let details = try #require(try JSONValue(parsing: answer.text)["details"])
        #expect(details[0]?["type"]?.text == "google.rpc.BadRequest")
        #expect(details[0]?["value"]?.text == "Cg8KA2EuYhIIaXMgd3Jvbmc")
        #expect(details[0]?["debug"]?["fieldViolations"]?[0]?["field"]?.text == "a.b")
        #expect(details[1] == .object([("type", .string("no.Body")), ("value", .string("AQI"))]))
        #expect(answer.headers.first("echo-a") == "1" && answer.headers.first("trailer-x-ended") == "INVALID_ARGUMENT")
    }

    @Test("an error that is not for the caller's eyes is none in JSON either")
    func fault() async throws {
        let answer = try await call("{\"service\":\"crash\"}", ["x-request-id": "r1"])
        #expect(answer.httpStatus == "500")
        #expect(answer.text == "{\"code\":\"internal\",\"message\":\"internal error; request id r1\"}")
    }

    @Test("interceptors stand before calls in JSON, too")
    func refused() async throws {
        let answer = try await call("{}", ["authorization": "Bearer wrong"])
        #expect(answer.httpStatus == "401" && answer.text == "{\"code\":\"unauthenticated\",\"message\":\"who?\"}")
    }

    @Test(
        "JSON that is not the request is invalid_argument, and the message says where and why",
        arguments: [
            ("", "line 1, column 1: "), ("{\"service\"", "line 1, column 11: "), ("[]", "an object"),
            ("{\"sevice\":\"a\"}", "sevice: is unknown; did you mean service?"),
            ("{\"service\":7}", "service: is a number"),
            ("{\"service\":\"a\",\"service\":\"b\"}", "occurs twice"), ("{} x", "unexpected text"),
        ]
    )
    func badJSON(json: String, reason: String) async throws {
        let answer = try await call(json)
        let error = try JSONValue(parsing: answer.text)
        #expect(answer.httpStatus == "400" && error["code"]?.text == "invalid_argument")
        let message = try #require(error["message"]?.text)
        #expect(message.hasPrefix("the request is not a well-formed grpc.health.v1.HealthCheckRequest: "))
        #expect(message.contains(reason), "\(message)")
    }

    @Test("bytes that are not UTF-8 are not JSON")
    func notText() async throws {
        let answer = try await call("", body: [0x22, 0xFF, 0x22])
        #expect(answer.httpStatus == "400" && answer.text.contains("not UTF-8"))
    }

    @Test("requests and answers may be gzip")
    func gzip() async throws {
        let text = "{\"service\":\"\(String(repeating: "a", count: 3000))\"}"
        let compressed = try #require(GzipCodec().compress(Array(text.utf8)))
        let answer = try await call("", ["content-encoding": "gzip"], body: compressed)
        #expect(answer.httpStatus == "200" && answer.headers.first("content-encoding") == nil)
        let damaged = try await call(text, ["content-encoding": "gzip"])
        #expect(damaged.httpStatus == "500" && damaged.text.contains("not what content-encoding gzip says"))
        let other = try await call("{}", ["content-encoding": "br"])
        #expect(other.httpStatus == "501" && other.headers.first("accept-encoding") == "gzip")
        #expect(other.text.contains("content-encoding br is not taken here; send identity or gzip"))
    }

    @Test("what is not POST is 405, what streams is 415, what is not there is 404")
    func otherRequests() async throws {
        let get = try await call("", [":method": "GET"])
        #expect(get.httpStatus == "405" && get.headers.first("allow") == "POST")
        let streaming = try await call("{}", [":path": "/grpc.health.v1.Health/Watch"])
        #expect(streaming.httpStatus == "415" && streaming.headers.first("accept-post") == "application/grpc")
        #expect(streaming.text.contains("\"code\":\"unimplemented\""))
        let missing = try await call("{}", [":path": "/grpc.health.v1.Health/Nothing"])
        #expect(missing.httpStatus == "404")
        #expect(
            missing.text
                == "{\"code\":\"unimplemented\",\"message\":\"there is no method /grpc.health.v1.Health/Nothing\"}"
        )
        let without = try await withServer(.init(), nil) { client, _ in await client.json([:], body: Array("{}".utf8)) }
        #expect(without.httpStatus == "415" && without.body.isEmpty)
    }

    @Test("a timeout in milliseconds is the call's deadline")
    func timeout() async throws {
        let late = try await call(
            "{\"service\":\"wait\"}",
            ["connect-timeout-ms": "20", "connect-protocol-version": "1"]
        )
        #expect(late.httpStatus == "504" && late.text.contains("deadline_exceeded"))
        #expect(try await call("{}", ["connect-timeout-ms": "0"]).httpStatus == "504")
        #expect(try await call("{}", ["connect-timeout-ms": "9999999999"]).httpStatus == "200")
        for value in ["-1", "1.5", "1s", "12345678901"] {
            let answer = try await call("{}", ["connect-timeout-ms": value])
            #expect(answer.httpStatus == "400" && answer.text.contains("connect-timeout-ms is \(value)"))
        }
        let version = try await call("{}", ["connect-protocol-version": "2"])
        #expect(version.httpStatus == "400" && version.text.contains("it must be 1"))
    }

    @Test("a request over the limit is resource_exhausted: announced, sent, or inflated")
    func limits() async throws {
        var limits = ServerLimits()
        limits.messageBytes = 1000
        let long = "{\"service\":\"\(String(repeating: "a", count: 987))\"}"
        #expect(try await call(String(long.dropLast(3)) + "\"}", limits: limits).httpStatus == "200")
        for fields in [[:], ["content-length": "1003"]] {
            let answer = try await call(long + "  ", fields, limits: limits)
            #expect(answer.httpStatus == "429" && answer.text.contains("larger than the limit of 1000 bytes"))
        }
        let bomb = try #require(GzipCodec().compress([UInt8](repeating: 32, count: 100_000)))
        let answer = try await call("", ["content-encoding": "gzip"], body: bomb, limits: limits)
        #expect(answer.httpStatus == "429" && answer.text.contains("larger than the limit of 1000 bytes when it is"))
    }

    private static func head(_ path: String) -> [UInt8] {
        RawPeer.headerBlock([
            (":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "localhost"),
            ("content-type", "application/json"),
        ])
    }

    @Test("a request that is answered early is not reset, and its rest is read over")
    func early() async throws {
        try await withServer { _, server in
            let peer = try RawPeer(server.address)
            try peer.greet()
            try peer.write(RawPeer.frame(1, 4, 1, Self.head("/no.Service/Method")))
            let early = peer.read { $0.stream == 1 && $0.type == 0 }
            #expect(early?.flags == 1)
            for _ in 0..<3 { try peer.write(RawPeer.frame(0, 0, 1, [UInt8](repeating: 0, count: 16_384))) }
            try peer.write(RawPeer.frame(0, 1, 1, [0]) + RawPeer.frame(6, 0, 0, [1, 2, 3, 4, 5, 6, 7, 8]))
            let next = peer.read { $0.type == 3 || $0.type == 7 || ($0.type == 6 && $0.flags == 1) }
            #expect(next?.type == 6, "the stream was reset, or the connection given up")
        }
    }

    @Test("a body cut at any places is the same body")
    func splits() async throws {
        try await withServer { _, server in
            let peer = try RawPeer(server.address)
            try peer.greet()
            var random = SplitMix(seed: 21)
            for round in 0..<30 {
                let stream = UInt32(round * 2 + 1)
                let name = String(repeating: "é", count: Int.random(in: 0...300, using: &random))
                var rest = Array("{\"service\": \"\(name)\"}".utf8)[...]
                try peer.write(RawPeer.frame(1, 4, stream, Self.head("/grpc.health.v1.Health/Check")))
                while !rest.isEmpty {
                    let part = rest.prefix(Int.random(in: 1...80, using: &random))
                    rest = rest.dropFirst(part.count)
                    try peer.write(RawPeer.frame(0, rest.isEmpty ? 1 : 0, stream, Array(part)))
                }
                let answer = peer.read { $0.stream == stream && $0.type == 0 }
                #expect(answer?.payload == Array("{\"status\":\"SERVING\"}".utf8))
            }
        }
    }

    @Test("too much metadata is 431")
    func tooManyFields() async throws {
        var fields: [String: String] = [:]
        for index in 0..<260 { fields["n\(index)"] = "v" }
        #expect(try await call("{}", fields).httpStatus == "431")
    }
}

extension PlainClient {
    /// Calls Check in JSON.
    fileprivate func json(
        _ fields: [String: String],
        more: [(String, String)] = [],
        body: [UInt8]
    ) async -> Answer {
        let usual = [":path": "/grpc.health.v1.Health/Check", "content-type": "application/json", "te": ""]
        return await request("", usual.merging(fields) { $1 }, more: more, body: body)
    }
}

extension PlainClient.Answer {
    /// The body as text.
    fileprivate var text: String { String(decoding: body, as: UTF8.self) }
}
