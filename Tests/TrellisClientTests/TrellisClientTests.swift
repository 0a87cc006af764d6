import EventLoop
import Files
import Foundation
import Logging
import Protobuf
import RPC
import RPCClient
import TestSupport
import Testing
import TrellisAPI
import TrellisClient
import TrellisServer

@Suite("TrellisClient")
struct TrellisClientTests {
    /// A whole server on a database of its own, and the key of a tenant.
    static func withServer(_ body: @escaping @Sendable (_ address: String, _ key: String) async throws -> Void)
        async throws
    {
        try await withDatabase { database in
            let group = try EventLoopGroup(count: 1)
            var options = ServerOptions(
                host: "127.0.0.1",
                port: 0,
                database: database.address,
                encryptionKey: testEncryptionKey
            )
            let platformKey = Server.newPlatformKey()
            options.platformKey = platformKey
            var log = Logger(label: "server")
            log.logLevel = .critical
            let server = Server(options, group: group, log: log)
            let outcome: Result<Void, any Error>
            do {
                let address = try await server.start().address.description
                let platform = try TrellisConnection(address: address, token: platformKey)
                let client = TenancyClient(platform)
                let tenant = try await client.createTenant(CreateTenantRequest(slug: "lima", displayName: "Lima"))
                let key = try await client.issueTenantKey(
                    IssueTenantKeyRequest(tenantID: tenant.id, displayName: "first")
                )
                await platform.close()
                outcome = .success(try await body(address, key.secret))
            } catch {
                outcome = .failure(error)
            }
            await server.stop(grace: .seconds(2))
            group.shutdown()
            try outcome.get()
        }
    }

    @Test("the example of README.md runs, and is the one in README.md")
    func readme() async throws {
        try await Self.withServer { address, key in
            let sites = try await readmeExample(address: address, key: key)
            #expect(sites == ["Main", "Lima"])
        }
        let root = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let source = String(
            decoding: try Files.read("\(root)/Tests/TrellisClientTests/ReadmeExample.swift"),
            as: UTF8.self
        )
        let lines = source.split(separator: "\n", omittingEmptySubsequences: false)
        let begin = try #require(lines.firstIndex { $0.hasSuffix("// README begins") })
        let end = try #require(lines.firstIndex { $0.hasSuffix("// README ends") })
        let example = lines[(begin + 1)..<end].map { $0.dropFirst(4) }.joined(separator: "\n")
        let readme = String(decoding: try Files.read("\(root)/README.md"), as: UTF8.self)
        #expect(readme.contains(example), "the example in README.md is not the one that is tested")
    }

    @Test("an error names the reason, the fields and the request")
    func errors() async throws {
        try await Self.withServer { address, key in
            let connection = try TrellisConnection(address: address, token: key)
            let tenancy = TenancyClient(connection)
            let error = await #expect(throws: TrellisError.self) {
                try await tenancy.createSite(CreateSiteRequest(displayName: ""))
            }
            #expect(error?.code == .invalidArgument)
            #expect(error?.reason == "INVALID_FIELDS")
            #expect(error?.fields.map(\.path) == ["display_name"])
            #expect(error?.requestID.isEmpty == false)
            let missing = await #expect(throws: TrellisError.self) {
                try await tenancy.getSite(GetSiteRequest(id: "00000000-0000-7000-8000-000000000000"))
            }
            #expect(missing?.code == .notFound && missing?.description.hasPrefix("NOT_FOUND: ") == true)
            await connection.close()
        }
    }

    @Test("a key that is wrong, and no key at all, are UNAUTHENTICATED")
    func keys() async throws {
        try await Self.withServer { address, _ in
            for token in ["nonsense", nil] as [String?] {
                let connection = try TrellisConnection(address: address, token: token)
                let error = await #expect(throws: TrellisError.self) {
                    try await TenancyClient(connection).whoAmI(WhoAmIRequest())
                }
                #expect(error?.code == .unauthenticated)
                await connection.close()
            }
        }
    }

    @Test("a server that is not there is UNAVAILABLE, long before the deadline")
    func unavailable() async throws {
        var options = TrellisConnection.Options()
        options.timeout = .seconds(600)
        let connection = try TrellisConnection(address: "127.0.0.1:1", options: options)
        let error = await #expect(throws: TrellisError.self) {
            try await TenancyClient(connection).whoAmI(WhoAmIRequest())
        }
        // A test that waited for the deadline would be ended by the suite's limit.
        #expect(error?.code == .unavailable)
        await connection.close()
    }

    @Test("details that cannot be decoded take nothing from the status")
    func brokenDetails() {
        let error = TrellisError(RPCError(.notFound, "gone", details: [0xFF, 0xFF]))
        #expect(error == TrellisError(.notFound, "gone"))
    }

    @Test("the example program runs against a server and shows what it says it does")
    func example() async throws {
        try await Self.withServer { address, key in
            // The programs are built beside the tests.
            let tests = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
            let folder = CommandLine.arguments[0].hasSuffix(".xctest") ? CommandLine.arguments[0] : tests
            let program = URL(fileURLWithPath: folder).deletingLastPathComponent().appendingPathComponent(
                "trellis-example"
            )
            let process = Process()
            process.executableURL = program
            process.arguments = [address, key]
            let output = Pipe()
            process.standardOutput = output
            let ended = AsyncStream<Int32> { continuation in
                process.terminationHandler = { process in
                    continuation.yield(process.terminationStatus)
                    continuation.finish()
                }
            }
            try process.run()
            var code: Int32?
            for await status in ended { code = status }
            let text = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
            #expect(code == 0, "\(text)")
            for line in [
                "made: Example", "refused: INVALID_ARGUMENT INVALID_FIELDS", "  display_name: ", "sites: Main, Example",
                "health: serving", "service: trellis.tenancy.v1.TenancyService",
            ] {
                #expect(text.contains(line), "\(line) is missing in:\n\(text)")
            }
        }
    }

    @Test("every detail of google.rpc can be had, typed")
    func details() throws {
        var help = Help()
        help.links = [Help.Link(description: "Errors", url: "https://example.org/errors")]
        var localized = LocalizedMessage()
        (localized.locale, localized.message) = ("es", "no está")
        var resource = ResourceInfo()
        (resource.resourceType, resource.resourceName, resource.description) = ("site", "Lima", "is gone")
        var debug = DebugInfo()
        debug.detail = "stack"
        var retry = RetryInfo()
        retry.retryDelay = ProtoDuration(seconds: 2, nanos: 0)
        func any<Detail: Message>(_ detail: Detail) -> AnyMessage {
            AnyMessage(typeURL: "type.googleapis.com/\(Detail.fullName)", value: detail.serialized())
        }
        var status = RPCStatus()
        status.details = [any(help), any(localized), any(resource), any(debug), any(retry)]
        let error = TrellisError(RPCError(.notFound, "gone", details: status.serialized()))
        #expect(error.links == [TrellisError.Link(title: "Errors", url: "https://example.org/errors")])
        #expect(error.localizedMessage == "no está")
        #expect(error.resource == TrellisError.Condition(subject: "site Lima", reason: "is gone"))
        #expect(error.debugDetail == "stack" && error.retryDelay == .seconds(2))
        #expect(error.details(as: Help.self) == [help] && error.details(as: BadRequest.self).isEmpty)
        #expect(error.details.count == 5)
    }
}
