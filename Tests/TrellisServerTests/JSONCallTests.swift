import EventLoop
import Foundation
import Primitives
import Protobuf
import RPC
import Tenancy
import TestSupport
import Testing
import TrellisAPI

@testable import TrellisServer

/// What curl does: JSON over HTTP/2 on the port of gRPC, and over HTTP/1.1 on the admin port, which are the same calls.
@Suite("Calls with curl", .timeLimit(.minutes(3)))
struct JSONCallTests {
    /// What curl shows: the status, the fields by their lower-case names, and the body.
    struct Answer {
        var status = ""
        var fields: [String: String] = [:]
        var body = ""

        var json: JSONValue? { try? JSONValue(parsing: body) }
    }

    /// A door to the server: where it is, and how curl has to knock.
    enum Door: String, CaseIterable {
        case grpc
        case admin

        func address(_ server: TestServer) -> String {
            self == .grpc ? server.started.address.description : server.started.admin?.description ?? ""
        }

        var flags: [String] { self == .grpc ? ["--http2-prior-knowledge"] : [] }
    }

    private func curl(
        _ door: Door,
        _ server: TestServer,
        _ path: String,
        _ words: [String],
        input: Data = Data()
    ) async throws -> Answer {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/curl")
        process.arguments =
            ["--silent", "--show-error", "--max-time", "30", "--include"] + door.flags + words
            + ["http://\(door.address(server))\(path)"]
        let (output, stdin) = (Pipe(), Pipe())
        process.standardOutput = output
        process.standardInput = stdin
        try process.run()
        let bytes = await withCheckedContinuation { (continuation: CheckedContinuation<Data, Never>) in
            DispatchQueue.global().async {
                // curl may stop reading before the end.
                try? stdin.fileHandleForWriting.write(contentsOf: input)
                try? stdin.fileHandleForWriting.close()
                continuation.resume(returning: output.fileHandleForReading.readDataToEndOfFile())
            }
        }
        process.waitUntilExit()
        #expect(process.terminationStatus == 0, "curl \(words)")
        return Self.parse(String(decoding: bytes, as: UTF8.self))
    }

    private static func parse(_ text: String) -> Answer {
        var rest = text.replacingOccurrences(of: "\r\n", with: "\n")[...]
        var answer = Answer()
        // An interim response (100 Continue) comes before the one that counts.
        repeat {
            let end = rest.firstRange(of: "\n\n") ?? rest.endIndex..<rest.endIndex
            let lines = rest[..<end.lowerBound].split(separator: "\n")
            rest = rest[end.upperBound...]
            answer.status = lines.first.map { String($0.split(separator: " ")[1]) } ?? ""
            for line in lines.dropFirst() {
                let parts = line.split(separator: ":", maxSplits: 1)
                answer.fields[parts[0].lowercased()] =
                    parts.count > 1 ? parts[1].trimmingCharacters(in: .whitespaces) : ""
            }
        } while answer.status == "100"
        answer.body = String(rest)
        return answer
    }

    private static let tenancy = "/trellis.tenancy.v1.TenancyService/"

    private static func json(_ key: String?, _ body: String, _ more: [String] = []) -> [String] {
        let credential = key.map { ["--header", "authorization: Bearer \($0)"] } ?? []
        return ["--header", "content-type: application/json", "--data-binary", body] + credential + more
    }

    @Test("a write and a read are the same through both doors, and need the same credential", arguments: Door.allCases)
    func story(door: Door) async throws {
        try await TestServer.with { server in
            let (_, key) = try await server.tenant("acme")
            let made = try await curl(
                door,
                server,
                Self.tenancy + "CreateSite",
                Self.json(key, #"{"displayName": "Lima", "timeZone": "America/Lima"}"#)
            )
            #expect(made.status == "200" && made.fields["content-type"] == "application/json")
            let id = try #require(made.json?["id"]?.text)
            let site: Site = try await server.call("GetSite", GetSiteRequest(id: id), key)
            #expect(site.displayName == "Lima" && site.timeZone == "America/Lima")
            let read = try await curl(
                door,
                server,
                Self.tenancy + "GetSite",
                Self.json(key, "{\"id\":\"\(id)\"}", ["--compressed", "--header", "x-request-id: mine"])
            )
            #expect(read.json?["displayName"]?.text == "Lima")
            #expect(read.fields["trailer-x-request-id"] == "mine")

            let refused = try await curl(door, server, Self.tenancy + "GetSite", Self.json(nil, "{}"))
            #expect(refused.status == "401" && refused.json?["code"]?.text == "unauthenticated")
            let types = refused.json?["details"]?.elements?.compactMap { $0["type"]?.text } ?? []
            #expect(types.contains("google.rpc.ErrorInfo") && types.contains("google.rpc.RequestInfo"))

            let invalid = try await curl(door, server, Self.tenancy + "CreateSite", Self.json(key, "{}"))
            #expect(invalid.status == "400" && invalid.json?["code"]?.text == "invalid_argument")
            let violation = invalid.json?["details"]?.elements?.first { $0["type"]?.text == "google.rpc.BadRequest" }
            #expect(violation?["debug"]?["fieldViolations"]?[0]?["field"]?.text == "display_name")

            let unknown = try await curl(
                door,
                server,
                Self.tenancy + "CreateSite",
                Self.json(key, #"{"displayNam":"x"}"#)
            )
            #expect(unknown.status == "400" && unknown.body.contains("did you mean displayName?"))

            let metrics = try await server.admin("/metrics").body
            let method = "method=\"trellis.tenancy.v1.TenancyService/CreateSite\""
            #expect(metrics.contains("trellis_calls_total{\(method),status=\"OK\"} 1\n"))
            #expect(metrics.contains("trellis_calls_total{\(method),status=\"INVALID_ARGUMENT\"} 2\n"))
        }
    }

    @Test("what is no unary POST is refused as HTTP has it, through both doors", arguments: Door.allCases)
    func refusals(door: Door) async throws {
        try await TestServer.with { server in
            let get = try await curl(door, server, Self.tenancy + "WhoAmI", [])
            #expect(get.status == "405" && get.fields["allow"] == "POST")
            let streaming = try await curl(door, server, "/grpc.health.v1.Health/Watch", Self.json(nil, "{}"))
            #expect(streaming.status == "415")
            let missing = try await curl(door, server, "/no.Service/Method", Self.json(nil, "{}"))
            #expect(missing.status == "404" && missing.json?["code"]?.text == "unimplemented")
            let form = try await curl(door, server, Self.tenancy + "WhoAmI", ["--data", "a=b"])
            #expect(form.status == "415")
            let open = try await curl(door, server, "/grpc.health.v1.Health/Check", Self.json(nil, "{}"))
            #expect(open.status == "200" && open.body == #"{"status":"SERVING"}"#)
        }
    }

    @Test("a large request comes through, by length, in chunks and after 100 Continue", arguments: Door.allCases)
    func large(door: Door) async throws {
        try await TestServer.with { server in
            // A name that no service has, of 2 MiB: curl asks before it sends so much.
            let body = Data("{\"service\":\"\(String(repeating: "x", count: 2 << 20))\"}".utf8)
            for more in [[], ["--header", "transfer-encoding: chunked"], ["--header", "expect:"]] {
                if door == .grpc && more.first != nil && more[1].hasPrefix("transfer") { continue }
                let answer = try await curl(
                    door,
                    server,
                    "/grpc.health.v1.Health/Check",
                    ["--header", "content-type: application/json", "--data-binary", "@-"] + more,
                    input: body
                )
                #expect(answer.status == "404" && answer.json?["code"]?.text == "not_found", "\(more)")
            }
            let tooLarge = Data("{\"service\":\"\(String(repeating: "x", count: 5 << 20))\"}".utf8)
            for more in [[], ["--header", "expect:"]] {
                let answer = try await curl(
                    door,
                    server,
                    "/grpc.health.v1.Health/Check",
                    ["--header", "content-type: application/json", "--data-binary", "@-"] + more,
                    input: tooLarge
                )
                #expect(answer.status == "429" && answer.json?["code"]?.text == "resource_exhausted", "\(more)")
            }
        }
    }

    @Test("the admin port goes on answering probes, and takes gRPC for what it is not")
    func probes() async throws {
        try await TestServer.with { server in
            #expect(try await server.admin("/healthz") == (200, "ok\n"))
            let grpc = try await curl(
                .admin,
                server,
                Self.tenancy + "WhoAmI",
                ["--header", "content-type: application/grpc", "--data", "x"]
            )
            #expect(grpc.status == "415" && grpc.body == "gRPC needs HTTP/2\n")
            let post = try await curl(.admin, server, "/healthz", ["--data", "x"])
            #expect(post.status == "405")
            let unclear = try await curl(
                .admin,
                server,
                Self.tenancy + "WhoAmI",
                Self.json(nil, "{}", ["--header", "transfer-encoding: gzip"])
            )
            #expect(unclear.status == "400")
        }
    }

    @Test("a deadline in milliseconds ends a call", arguments: Door.allCases)
    func deadline(door: Door) async throws {
        try await TestServer.with { server in
            let (_, key) = try await server.tenant("acme")
            let made: ApiKey = try await server.call(
                "CreateApiKey",
                CreateApiKeyRequest(displayName: "k", permissions: ["*"]),
                key
            )
            let late = try await curl(
                door,
                server,
                Self.tenancy + "RevokeApiKey",
                Self.json(key, "{\"id\":\"\(made.id)\"}", ["--header", "connect-timeout-ms: 50"])
            )
            // A revocation lasts as long as a lease, which is longer than this deadline.
            #expect(late.status == "504" && late.json?["code"]?.text == "deadline_exceeded")
        }
    }
}
