import Credentials
import Domain
import EventLoop
import Foundation
import FoundationNetworking
import HTTP2
import Logging
import Postgres
import Primitives
import Protobuf
import RPC
import RPCClient
import Tenancy
import TestSupport
import TrellisAPI

@testable import TrellisServer

/// A whole server on a database of its own and a real socket, and a client of it.
final class TestServer: Sendable {
    let group: EventLoopGroup
    let server: Server
    let channel: Channel
    let started: Server.Started
    let platformKey: String

    let database: TestDatabase

    /// Starts a server on a database.
    ///
    /// - Parameters:
    ///   - security: the server's TLS, and how its own client speaks it; nil for neither.
    init(
        on database: TestDatabase,
        platformKey: String = Server.newPlatformKey(),
        loops: Int = 2,
        credentials: CredentialSettings = .cheap,
        credentialCallsPerAddress: Int = 0,
        jobs: JobRegistry = JobRegistry(),
        jobLimits: JobLimits = JobLimits(),
        log: Logger? = nil,
        security: (server: any ServerTransportSecurity, client: any ClientTransportSecurity)? = nil
    ) async throws {
        self.database = database
        self.platformKey = platformKey
        group = try EventLoopGroup(count: loops)
        var options = ServerOptions(
            host: "127.0.0.1",
            port: 0,
            database: database.address,
            encryptionKey: testEncryptionKey
        )
        options.admin = ("127.0.0.1", 0)
        options.platformKey = platformKey
        // All tests have one address.
        options.credentialCallsPerAddress = credentialCallsPerAddress
        options.moreJobs = jobs
        options.jobs = jobLimits
        options.credentials = credentials
        options.security = security?.server
        var log = log ?? Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
        if ProcessInfo.processInfo.environment["TRELLIS_TEST_LOG"] != nil {
            log = Logger(label: "test", factory: { StreamLogHandler.standardError(label: $0) })
        }
        server = Server(options, group: group, log: log)
        started = try await server.start()
        var configuration = ChannelConfiguration()
        configuration.security = security?.client
        channel = try Channel(address: started.address.description, configuration: configuration)
    }

    /// Runs `body` against a server on a database of its own, and stops it.
    static func with(_ body: @escaping @Sendable (TestServer) async throws -> Void) async throws {
        try await withDatabase { database in
            let server = try await TestServer(on: database)
            let outcome: Result<Void, any Error>
            do { outcome = .success(try await body(server)) } catch { outcome = .failure(error) }
            await server.stop()
            try outcome.get()
        }
    }

    /// Another server on the same database.
    func second() async throws -> TestServer { try await TestServer(on: database, platformKey: platformKey) }

    func stop() async {
        await channel.close()
        await server.stop(grace: .seconds(2))
        group.shutdown()
    }

    /// Calls a method of TenancyService.
    func call<Answer: Message>(
        _ method: String,
        _ request: some Message,
        _ token: String?,
        as answer: Answer.Type = Answer.self,
        metadata: Metadata = Metadata()
    ) async throws -> Answer {
        try await response(method, request, token, as: answer, metadata: metadata).message
    }

    /// Calls a method of AccessService.
    func access<Answer: Message>(
        _ method: String,
        _ request: some Message,
        _ token: String?,
        as answer: Answer.Type = Answer.self
    ) async throws -> Answer {
        try await response(method, request, token, service: "trellis.tenancy.v1.AccessService", as: answer).message
    }

    /// Calls a method of AdmissionService.
    func admission<Answer: Message>(
        _ method: String,
        _ request: some Message,
        _ token: String?,
        as answer: Answer.Type = Answer.self
    ) async throws -> Answer {
        try await response(method, request, token, service: "trellis.tenancy.v1.AdmissionService", as: answer).message
    }

    func response<Answer: Message>(
        _ method: String,
        _ request: some Message,
        _ token: String?,
        service: String = "trellis.tenancy.v1.TenancyService",
        as: Answer.Type = Answer.self,
        metadata: Metadata = Metadata()
    ) async throws -> Response<Answer> {
        var options = CallOptions(metadata: metadata, timeout: .seconds(20))
        if let token { options.metadata.append("authorization", "Bearer \(token)") }
        return try await channel.unaryResponse("/\(service)/\(method)", request, options)
    }

    /// Makes a tenant, by default on the plan whose rates no test reaches, and its administrator key.
    func tenant(_ slug: String, plan: String = "enterprise") async throws -> (tenant: Tenant, key: String) {
        let tenant: Tenant = try await call(
            "CreateTenant",
            CreateTenantRequest(slug: slug, displayName: slug, plan: plan),
            platformKey
        )
        let key: ApiKey = try await call(
            "IssueTenantKey",
            IssueTenantKeyRequest(tenantID: tenant.id, displayName: "first"),
            platformKey
        )
        return (tenant, key.secret)
    }

    /// Makes a user, gives them roles (on a site, where one is named), and makes a key that acts for them.
    func user(
        _ name: String,
        roles: [(role: String, site: String)],
        _ admin: String
    ) async throws -> (user: User, key: String) {
        let user: User = try await call(
            "CreateUser",
            CreateUserRequest(email: "\(name)@example.com", displayName: name),
            admin
        )
        for (role, site) in roles {
            let request = AssignRoleRequest(userID: user.id, role: role, siteID: site)
            _ = try await access("AssignRole", request, admin, as: RoleAssignment.self)
        }
        let request = CreateApiKeyRequest(displayName: name, permissions: ["*"], userID: user.id)
        let key: ApiKey = try await call("CreateApiKey", request, admin)
        return (user, key.secret)
    }

    /// Waits until no loop remembers callers as they were before the last change.
    func accessSettles() async throws { try await Task.sleep(for: Admission.lease) }

    /// Asks the admin port.
    func admin(_ path: String) async throws -> (status: Int, body: String) {
        guard let url = URL(string: "http://\(started.admin.map(\.description) ?? "")\(path)") else { return (0, "") }
        let (data, response) = try await URLSession.shared.data(from: url)
        return ((response as? HTTPURLResponse)?.statusCode ?? 0, String(decoding: data, as: UTF8.self))
    }
}

extension CredentialSettings {
    /// Passwords that are hashed in no time.
    static var cheap: CredentialSettings {
        var settings = CredentialSettings()
        settings.passwordCost = PasswordCost(memoryKiB: 64, passes: 1)
        return settings
    }
}

extension RPCError {
    /// A detail of the error.
    func detail<Detail: Message>(_: Detail.Type = Detail.self) throws -> Detail? {
        try RPCStatus(serialized: details).details
            .first { $0.typeURL == "type.googleapis.com/\(Detail.fullName)" }
            .map { try Detail(serialized: $0.value) }
    }

    /// The reason in the error's ErrorInfo.
    var reason: String? { (try? detail(ErrorInfo.self))?.reason }

    /// The fields that the error names.
    var fields: [String]? { (try? detail(BadRequest.self))?.fieldViolations.map(\.field) }
}
