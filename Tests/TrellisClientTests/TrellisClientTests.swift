import EventLoop
import Files
import Logging
import RPC
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
            var options = ServerOptions(host: "127.0.0.1", port: 0, database: database.address)
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
            #expect(sites == ["Lima"])
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
}
