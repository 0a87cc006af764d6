import HTTP2
import RPC
import RPCClient
import RPCServer
import Testing

/// Requests that are good HTTP/2 and bad gRPC: each has its one right answer, and the connection goes on.
@Suite("Bad requests", .timeLimit(.minutes(1)))
struct BadRequestTests {
    private static let message: [UInt8] = [0, 0, 0, 0, 1, 65]

    private func answer(
        _ method: String = "Echo",
        _ fields: [String: String] = [:],
        body: [UInt8] = message
    ) async throws -> PlainClient.Answer {
        let server = try await ControlServer()
        let client = try await PlainClient(server.address)
        let answer = await client.request(method, fields, body: body)
        let next = await client.request("Echo", body: Self.message)
        #expect(next.status == .ok && next.body == Self.message, "the connection is not as good as before")
        await client.close()
        await server.stop()
        return answer
    }

    @Test(
        "a content type that is not gRPC's is 415",
        arguments: [
            "text/plain", "application/json", "application/grpc-web", "application/grpc-web+proto", "application/gr",
            "application/grpcx",
        ]
    )
    func contentType(type: String) async throws {
        let answer = try await answer("Echo", ["content-type": type])
        #expect(answer.httpStatus == "415")
        #expect(answer.body.isEmpty)
    }

    @Test(
        "gRPC with messages that are not protobuf is gRPC, and UNIMPLEMENTED",
        arguments: ["application/grpc+json", "application/grpc+thrift;v=1"]
    )
    func otherMessages(type: String) async throws {
        let answer = try await answer("Echo", ["content-type": type])
        #expect(answer.httpStatus == "200" && answer.status == .unimplemented)
        #expect(answer.message == "content-type \(type) is not taken here; send application/grpc")
    }

    @Test("no content type is 415")
    func noContentType() async throws {
        let answer = try await answer("Echo", ["content-type": ""])
        #expect(answer.httpStatus == "415")
    }

    @Test(
        "gRPC's content type is taken in each of its spellings",
        arguments: [
            "application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8",
            "Application/GRPC+proto ; a=b",
        ]
    )
    func goodContentType(type: String) async throws {
        let answer = try await answer("Echo", ["content-type": type])
        #expect(answer.httpStatus == "200" && answer.status == .ok && answer.body == Self.message)
    }

    @Test("a method other than POST is 405", arguments: ["GET", "PUT", "OPTIONS"])
    func method(method: String) async throws {
        let answer = try await answer("Echo", [":method": method])
        #expect(answer.httpStatus == "405")
        #expect(answer.headers.first("allow") == "POST")
    }

    @Test("an unknown method is UNIMPLEMENTED, in a trailers-only response")
    func unknownMethod() async throws {
        let answer = try await answer("Nothing")
        #expect(answer.httpStatus == "200" && answer.status == .unimplemented)
        #expect(answer.headers.first("content-type") == "application/grpc")
        #expect(answer.message == "there is no method /test.Control/Nothing")
    }

    @Test("an encoding that is not offered is UNIMPLEMENTED and says which are", arguments: ["deflate", "GZIP", "x"])
    func encoding(name: String) async throws {
        let answer = try await answer("Echo", ["grpc-encoding": name], body: [1, 0, 0, 0, 1, 65])
        #expect(answer.status == .unimplemented)
        #expect(answer.headers.first("grpc-accept-encoding") == "identity, gzip")
    }

    @Test("a compressed message without an encoding is INTERNAL", arguments: [nil, "identity"])
    func compressedFlag(encoding: String?) async throws {
        let fields = encoding.map { ["grpc-encoding": $0] } ?? [:]
        let answer = try await answer("Echo", fields, body: [1, 0, 0, 0, 1, 65])
        #expect(answer.status == .internal)
    }

    @Test(
        "a message that is not whole is INTERNAL",
        arguments: [[0], [0, 0, 0, 0], [0, 0, 0, 0, 2, 65], [2, 0, 0, 0, 1, 65]]
    )
    func truncated(body: [UInt8]) async throws {
        #expect(try await answer(body: body).status == .internal)
    }

    @Test(
        "no message, or two, where one is wanted is UNIMPLEMENTED",
        arguments: [[], message + message, message + [0]]
    )
    func cardinality(body: [UInt8]) async throws {
        #expect(try await answer(body: body).status == .unimplemented)
    }

    @Test("a message over the limit is RESOURCE_EXHAUSTED before it is there")
    func tooLarge() async throws {
        let answer = try await answer(body: [0, 0, 64, 0, 1])
        #expect(answer.status == .resourceExhausted)
        #expect(
            answer.message
                == "a request message of 4194305 bytes is larger than the limit of 4194304 bytes"
        )
    }

    @Test("a timeout that is none is INVALID_ARGUMENT", arguments: ["1", "abc", "-5S", "123456789m"])
    func badTimeout(value: String) async throws {
        #expect(try await answer("Echo", ["grpc-timeout": value]).status == .invalidArgument)
    }

    @Test("a deadline that has passed is DEADLINE_EXCEEDED", arguments: ["0n", "0S"])
    func expired(value: String) async throws {
        #expect(try await answer("Echo", ["grpc-timeout": value]).status == .deadlineExceeded)
    }

    @Test("a timeout of eleven thousand years is a long one")
    func longTimeout() async throws {
        #expect(try await answer("Echo", ["grpc-timeout": "99999999H"]).status == .ok)
    }

    @Test("more than 256 fields are RESOURCE_EXHAUSTED")
    func fieldCount() async throws {
        var fields: [String: String] = [:]
        for index in 0..<260 { fields["n\(index)"] = "v" }
        #expect(try await answer("Echo", fields).status == .resourceExhausted)
    }
}
