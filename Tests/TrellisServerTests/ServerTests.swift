import EventLoop
import Foundation
import Logging
import Postgres
import Primitives
import Protobuf
import RPC
import RPCClient
import Tenancy
import TestSupport
import Testing
import TrellisAPI

@testable import TrellisServer

@Suite("The server as a whole")
struct ServerTests {
    @Test("the admin port tells liveness, readiness and what was called")
    func admin() async throws {
        try await TestServer.with { server in
            #expect(try await server.admin("/healthz") == (200, "ok\n"))
            #expect(try await server.admin("/readyz") == (200, "ready\n"))
            #expect(try await server.admin("/nowhere").status == 404)
            let (_, key) = try await server.tenant("acme")
            #expect(await AccessTests.refusal(server, "GetSite", GetSiteRequest(id: UUID.v7().text), key) != nil)
            let metrics = try await server.admin("/metrics").body
            let method = "method=\"trellis.tenancy.v1.TenancyService/GetSite\""
            #expect(metrics.contains("trellis_calls_total{\(method),status=\"NOT_FOUND\"} 1\n"))
            #expect(metrics.contains("trellis_call_duration_seconds_bucket{\(method),le=\"+Inf\"} 1\n"))
            #expect(metrics.contains("trellis_connections 1\n"))
        }
    }

    @Test("a call that failed names its request, by the caller's name for it where that is usable")
    func requestID() async throws {
        try await TestServer.with { server in
            let named = await #expect(throws: RPCError.self) {
                try await server.call(
                    "WhoAmI",
                    WhoAmIRequest(),
                    nil,
                    as: WhoAmIResponse.self,
                    metadata: ["x-request-id": "mine-1"]
                )
            }
            #expect(try named?.detail(RequestInfo.self)?.requestID == "mine-1")
            #expect(named?.metadata["x-request-id"] == "mine-1")
            let unnamed = await AccessTests.refusal(server, "WhoAmI", WhoAmIRequest(), nil)
            #expect(UUID(try unnamed?.detail(RequestInfo.self)?.requestID ?? "")?.version == 7)
            let key = try await server.tenant("acme").key
            let fine = try await server.response(
                "WhoAmI",
                WhoAmIRequest(),
                key,
                as: WhoAmIResponse.self,
                metadata: ["x-request-id": "mine-2"]
            )
            #expect(fine.trailers["x-request-id"] == "mine-2")
        }
    }

    @Test("two servers that start at once on one database agree on its first key and on page tokens")
    func twoServers() async throws {
        try await withDatabase { database in
            async let one = TestServer(on: database)
            async let two = TestServer(on: database)
            let servers = try await [one, two]
            #expect(servers.filter(\.started.admitsPlatformKey).count == 1)
            let first = try #require(servers.first { $0.started.admitsPlatformKey })
            let other = try #require(servers.first { !$0.started.admitsPlatformKey })
            let (_, key) = try await first.tenant("acme")
            for name in ["a", "b"] {
                _ = try await other.call("CreateSite", CreateSiteRequest(displayName: name), key, as: Site.self)
            }
            let page: ListSitesResponse = try await first.call("ListSites", ListSitesRequest(pageSize: 1), key)
            let next: ListSitesResponse = try await other.call(
                "ListSites",
                ListSitesRequest(pageToken: page.nextPageToken),
                key
            )
            #expect(next.sites.map(\.displayName) == ["a", "b"])
            for server in servers { await server.stop() }
        }
    }

    @Test("a server that cannot have its port, or its database, says so and can be stopped")
    func failedStart() async throws {
        try await TestServer.with { server in
            let group = try EventLoopGroup(count: 1)
            var options = ServerOptions(
                host: "127.0.0.1",
                port: 0,
                database: server.database.address,
                encryptionKey: testEncryptionKey
            )
            let taken = try #require(server.started.admin)
            options.admin = ("127.0.0.1", taken.port)
            let second = Server(options, group: group, log: server.database.logger)
            await #expect(throws: EventLoopError.self) { try await second.start() }
            await second.stop(grace: .zero)
            options.database = options.database.with(database: "nowhere")
            options.pool.acquireTimeout = .milliseconds(200)
            let third = Server(options, group: group, log: Logger(label: "quiet") { _ in SwiftLogNoOpLogHandler() })
            await #expect(throws: PostgresError.self) { try await third.start() }
            await third.stop(grace: .zero)
            group.shutdown()
        }
    }

    @Test("a server that drains is not ready, and ends open calls within its grace")
    func drain() async throws {
        try await withDatabase { database in
            let server = try await TestServer(on: database)
            let (_, admin) = try await server.tenant("acme")
            let key = CreateApiKeyRequest(displayName: "k", permissions: ["*"])
            let made: ApiKey = try await server.call("CreateApiKey", key, admin)
            // Takes as long as a lease.
            async let revoked = server.call("RevokeApiKey", RevokeApiKeyRequest(id: made.id), admin, as: ApiKey.self)
            try await Task.sleep(for: .milliseconds(100))
            await server.server.stop(grace: .seconds(5))
            #expect(try await revoked.revokeTime != nil)
            await server.channel.close()
            server.group.shutdown()
        }
    }

    @Test("health tells of the server and of each service, and a watch hears of the end")
    func health() async throws {
        try await withDatabase { database in
            let server = try await TestServer(on: database)
            for service in ["", "trellis.tenancy.v1.TenancyService"] {
                let answer: HealthCheckResponse = try await server.channel.unary(
                    "/grpc.health.v1.Health/Check",
                    HealthCheckRequest(service: service)
                )
                #expect(answer.status == .serving)
            }
            let watch = server.channel.serverStreaming(
                "/grpc.health.v1.Health/Watch",
                HealthCheckRequest(),
                returning: HealthCheckResponse.self
            )
            var heard = watch.makeAsyncIterator()
            #expect(try await heard.next()?.status == .serving)
            async let stopped: Void = server.server.stop(grace: .seconds(30))
            #expect(try await heard.next()?.status == .notServing)
            await #expect(throws: RPCError.self) { try await heard.next() }
            await stopped
            await server.channel.close()
            server.group.shutdown()
        }
    }

    @Test("reflection lists every service and gives out the files that declare them")
    func reflection() async throws {
        try await TestServer.with { server in
            let call = server.channel.call("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")
            func ask(
                _ question: ServerReflectionRequest.MessageRequestChoice
            ) async throws -> ServerReflectionResponse.MessageResponseChoice? {
                await call.send(ServerReflectionRequest(messageRequest: question).serialized())
                return try ServerReflectionResponse(serialized: try #require(try await call.next())).messageResponse
            }
            guard case .listServicesResponse(let list) = try await ask(.listServices("*")) else {
                Issue.record("no list of services")
                return
            }
            let names = list.service.map(\.name)
            #expect(names.contains("trellis.tenancy.v1.TenancyService") && names.contains("grpc.health.v1.Health"))
            for name in names where name.hasPrefix("trellis.") {
                guard case .fileDescriptorResponse(let files) = try await ask(.fileContainingSymbol(name)) else {
                    Issue.record("no file for \(name)")
                    continue
                }
                #expect(!files.fileDescriptorProto.isEmpty)
            }
            call.cancel()
        }
    }

    @Test("outcomes of writes are kept for a day and then forgotten")
    func purge() async throws {
        try await TestServer.with { server in
            let (_, key) = try await server.tenant("acme")
            let request = CreateSiteRequest(displayName: "Lima", requestID: "r-1")
            let site: Site = try await server.call("CreateSite", request, key)
            try await server.database.execute(
                "UPDATE trellis.idempotency SET create_time = now() - interval '23 hours 59 minutes'"
            )
            try await server.runSchedule("purge-outcomes")
            #expect(try await server.call("CreateSite", request, key, as: Site.self) == site)
            try await server.database.execute(
                "UPDATE trellis.idempotency SET create_time = now() - interval '24 hours 1 minute'"
            )
            try await server.runSchedule("purge-outcomes")
            // Run again, it finds the site that it made the first time.
            let again = await AccessTests.refusal(server, "CreateSite", request, key)
            #expect(again?.code == .alreadyExists)
        }
    }
}
