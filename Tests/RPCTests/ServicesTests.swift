import EventLoop
import Protobuf
import RPC
import RPCClient
import RPCServer
import RPCServices
import Testing
import TrellisAPI

@Suite("Health and reflection", .timeLimit(.minutes(1)))
struct ServicesTests {
    /// Runs a test against a server that has only the two services.
    private func withServices(_ body: (Health, Channel) async throws -> Void) async throws {
        let group = try EventLoopGroup(count: 2, name: "services")
        let health = Health()
        let server = RPCServer(group: group, configuration: .init()) { _ in
            let router = Router()
            router.register(health: health)
            router.register(reflection: Reflection(.trellis))
            return router
        }
        try await server.start()
        let channel = try Channel(address: try server.listen(host: "127.0.0.1", port: 0).description)
        let result = await Result { try await body(health, channel) }
        await channel.close()
        await server.shutdown(grace: .zero)
        group.shutdown()
        try result.get()
    }

    private func check(_ channel: Channel, _ service: String) async throws(RPCError) -> HealthCheckResponse {
        try await channel.unary("/grpc.health.v1.Health/Check", HealthCheckRequest(service: service))
    }

    @Test("Check says what was said last; a service that nobody named is NOT_FOUND")
    func check() async throws {
        try await withServices { health, channel in
            var seen = [try await check(channel, "").status]
            health.set(.serving)
            health.set(.serving, for: "a.B")
            seen.append(try await check(channel, "").status)
            seen.append(try await check(channel, "a.B").status)
            health.setAll(.notServing, services: ["c.D"])
            seen.append(try await check(channel, "a.B").status)
            seen.append(try await check(channel, "c.D").status)
            #expect(seen == [.notServing, .serving, .serving, .notServing, .notServing])
            let error = await #expect(throws: RPCError.self) { _ = try await check(channel, "x.Y") }
            #expect(error?.code == .notFound)
            #expect(error?.message.contains("x.Y") == true)
        }
    }

    @Test("Watch tells each change, also of a service that appears later, and ends when its caller goes")
    func watch() async throws {
        try await withServices { health, channel in
            let stream = channel.serverStreaming(
                "/grpc.health.v1.Health/Watch",
                HealthCheckRequest(service: "a.B"),
                returning: HealthCheckResponse.self
            )
            var iterator = stream.makeAsyncIterator()
            var seen: [HealthCheckResponse.ServingStatus?] = [try await iterator.next()?.status]
            health.set(.serving, for: "a.B")
            seen.append(try await iterator.next()?.status)
            health.set(.serving, for: "a.B")  // no change
            health.set(.serving)  // another
            health.set(.notServing, for: "a.B")
            seen.append(try await iterator.next()?.status)
            #expect(seen == [.serviceUnknown, .serving, .notServing])
            stream.call.cancel()
            let error = await #expect(throws: RPCError.self) { _ = try await iterator.next() }
            #expect(error?.code == .cancelled)
        }
    }

    /// Asks on one stream, one question after another.
    private func ask(
        _ channel: Channel,
        _ questions: [ServerReflectionRequest.MessageRequestChoice?],
        version: String = "v1"
    ) async throws -> [ServerReflectionResponse] {
        let call = channel.call("/grpc.reflection.\(version).ServerReflection/ServerReflectionInfo")
        var answers: [ServerReflectionResponse] = []
        for question in questions {
            await call.send(ServerReflectionRequest(host: "here", messageRequest: question).serialized())
            let bytes = try await call.next() ?? []
            answers.append(try ServerReflectionResponse(serialized: bytes))
        }
        call.finishSending()
        let end = try await call.next()
        #expect(end == nil)
        return answers
    }

    @Test("the services are listed by both versions", arguments: ["v1", "v1alpha"])
    func list(version: String) async throws {
        try await withServices { _, channel in
            let answers = try await ask(channel, [.listServices("")], version: version)
            guard case .listServicesResponse(let list)? = answers.first?.messageResponse else {
                Issue.record("\(answers)")
                return
            }
            #expect(
                list.service.map(\.name) == [
                    "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
                    "grpc.reflection.v1alpha.ServerReflection",
                ]
            )
            #expect(answers.first?.validHost == "here")
        }
    }

    @Test(
        "a file is found by its name and by everything that it declares",
        arguments: [
            "grpc.health.v1.Health", "grpc.health.v1.Health.Check", "grpc.health.v1.HealthCheckRequest",
            "grpc.health.v1.HealthCheckRequest.service", "grpc.health.v1.HealthCheckResponse.ServingStatus",
            "grpc.health.v1.HealthCheckResponse.SERVING",
        ]
    )
    func symbols(symbol: String) async throws {
        try await withServices { _, channel in
            let answers = try await ask(
                channel,
                [.fileByFilename("grpc/health/v1/health.proto"), .fileContainingSymbol(symbol)]
            )
            guard case .fileDescriptorResponse(let byName)? = answers.first?.messageResponse else {
                Issue.record("\(answers)")
                return
            }
            #expect(byName.fileDescriptorProto.count == 1)
            #expect(answers[1].messageResponse == answers[0].messageResponse)
        }
    }

    @Test("a file comes with all that it imports, and what a stream has had is not sent again")
    func imports() async throws {
        try await withServices { _, channel in
            let site = ServerReflectionRequest.MessageRequestChoice.fileContainingSymbol("trellis.tenancy.v1.Site")
            let answers = try await ask(channel, [site, site])
            let counts = answers.map { answer in
                if case .fileDescriptorResponse(let files)? = answer.messageResponse {
                    return files.fileDescriptorProto.count
                }
                return 0
            }
            #expect(counts[0] > 3)
            #expect(counts[1] == 1)
        }
    }

    @Test("extensions are found by what they extend")
    func extensions() async throws {
        try await withServices { _, channel in
            let options = "google.protobuf.MethodOptions"
            let answers = try await ask(
                channel,
                [
                    .allExtensionNumbersOfType(options),
                    .fileContainingExtension(ExtensionRequest(containingType: options, extensionNumber: 50001)),
                    .fileContainingExtension(ExtensionRequest(containingType: options, extensionNumber: 1)),
                    .allExtensionNumbersOfType("a.Nobody"),
                ]
            )
            guard case .allExtensionNumbersResponse(let numbers)? = answers[0].messageResponse else {
                Issue.record("\(answers[0])")
                return
            }
            #expect(numbers.extensionNumber == [50001])
            #expect(numbers.baseTypeName == options)
            guard case .fileDescriptorResponse? = answers[1].messageResponse else {
                Issue.record("\(answers[1])")
                return
            }
            #expect(answers[2...].allSatisfy { isError($0, 5) })
        }
    }

    @Test("what is not there is answered on the stream, which goes on")
    func missing() async throws {
        try await withServices { _, channel in
            let answers = try await ask(
                channel,
                [.fileByFilename("no.proto"), .fileContainingSymbol("no.Symbol"), nil, .listServices("")]
            )
            #expect(isError(answers[0], 5) && isError(answers[1], 5) && isError(answers[2], 3))
            #expect(!isError(answers[3], 5))
        }
    }

    private func isError(_ answer: ServerReflectionResponse, _ code: Int32) -> Bool {
        if case .errorResponse(let error)? = answer.messageResponse { return error.errorCode == code }
        return false
    }
}

extension Result where Failure == any Error {
    /// What `body` comes to.
    fileprivate init(_ body: () async throws -> Success) async {
        do { self = .success(try await body()) } catch { self = .failure(error) }
    }
}
