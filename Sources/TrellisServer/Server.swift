internal import Audit
public import Credentials
internal import Domain
public import EventLoop
public import HTTP2
public import Logging
public import Postgres
internal import Primitives
internal import RPC
public import RPCServer
internal import RPCServices
internal import Synchronization
internal import Tenancy
internal import TrellisAPI

/// What a server needs to know to start.
public struct ServerOptions: Sendable {
    /// Where gRPC is served; port 0 picks a free one.
    public var host: String
    /// The port of gRPC; 0 picks a free one.
    public var port: UInt16
    /// Makes the transports of gRPC's connections; nil leaves them without TLS.
    public var security: (any ServerTransportSecurity)?
    /// Where probes and metrics are served; nil for nowhere.
    public var admin: (host: String, port: UInt16)?
    /// The database, already migrated. The server's sessions run as the role `trellis_server`, which the address's user
    /// must be a member of.
    public var database: DatabaseAddress
    /// The limits of the connections to it, for the whole process.
    public var pool = PoolLimits()
    /// The secret that becomes the platform's first key if there is none yet, from ``Server/newPlatformKey()`` or an
    /// earlier start; to be kept safe before the server starts. Nil makes no key.
    public var platformKey: String?
    /// The root of the keys that personal data is kept under: 32 random bytes that are not in the database, the same for all
    /// its servers, for ever. Without them nothing personal can be read again.
    public var encryptionKey: [UInt8]
    /// What callers may do.
    public var limits = ServerLimits()
    /// By how many servers the rates of the plans are shared: each lets that part of them through.
    public var rateShare = 1
    /// Calls a second that can be used to guess a credential, of one address (one /64 network of IPv6), ten times as many at
    /// once; 0 is any number.
    public var credentialCallsPerAddress = 2
    /// How this process works on jobs.
    public var jobs = JobLimits()
    /// Kinds of jobs and schedules beside the server's own.
    var moreJobs = JobRegistry()
    /// How people sign in.
    public var credentials = CredentialSettings()

    /// Options with the defaults for the rest.
    public init(host: String, port: UInt16, database: DatabaseAddress, encryptionKey: [UInt8]) {
        self.host = host
        self.port = port
        self.database = database
        self.encryptionKey = encryptionKey
    }
}

/// The server put together: every service over the loops of a group and one database.
///
/// `start()`, then `stop(grace:)` once. The group belongs to the caller, who shuts it down afterwards.
public final class Server: Sendable {
    /// What a server that has started has to tell.
    public struct Started: Sendable {
        /// Where gRPC is served.
        public let address: SocketAddress
        /// Where probes and metrics are served.
        public let admin: SocketAddress?
        /// Whether ``ServerOptions/platformKey`` is a key of the platform, made by this start or an earlier one.
        public let admitsPlatformKey: Bool
    }

    private let options: ServerOptions
    private let group: EventLoopGroup
    private let log: Logger
    private let health = Health()
    private let state = Mutex(State())

    private struct State {
        var rpc: RPCServer?
        var admin: AdminServer?
        var databases: [Database] = []
        var table = LoopTable()
        var epochs: AccessEpochs?
        var noting: Task<Void, Never>?
        var unwrittenUses: [CredentialUse: Instant] = [:]
        var background: Background?
        var sealer: AuditSealer?
        var sealing: Task<Void, Never>?
        var isServing = false
        var started = 0.0
    }

    /// A secret for ``ServerOptions/platformKey``.
    public static func newPlatformKey() -> String { Admission.newPlatformKey() }

    /// A server that has not started.
    public init(_ options: ServerOptions, group: EventLoopGroup, log: Logger) {
        self.options = options
        self.group = group
        self.log = log
    }

    /// Opens the connections to the database, makes the platform's first key if there is none, and serves.
    ///
    /// Throws `PostgresError` when the database cannot be used, `KeyringError` when it belongs to another encryption key, `EventLoopError` when an address cannot be listened on. A
    /// server that failed to start is to be stopped, too.
    public func start() async throws -> Started {
        let (address, pool, log, loops) = (
            options.database.with(role: "trellis_server"), options.pool, log, group.loops
        )
        let databases = loops.map {
            Database(loop: $0, address: address, limits: pool, loops: loops.count, logger: log)
        }
        let table = LoopTable()
        let limiter = RateLimiter(share: options.rateShare, perAddress: options.credentialCallsPerAddress)
        // Kept as they come, so that what had begun is stopped when the rest cannot start.
        state.withLock { ($0.databases, $0.table) = (databases, table) }
        let first = databases[0]
        let secret = options.platformKey
        let keyring = Keyring(root: options.encryptionKey)
        let (admitsPlatformKey, pageKey) = try await loops[0].run {
            try await Admission.check(keyring, first)
            try await SigningKeys.ensure(keyring, first)
            var admits = false
            if let secret { admits = try await Admission.ensurePlatformKey(first, secret: secret) }
            try await AuditKeeping.prepare(first)
            try await AuditKeeping.recordMigrations(first, AuditKeys(keyring))
            return (admits, try await Admission.pageSealingKey(first))
        }
        let signals = JobSignals()
        let credentials = SignInServices(options.credentials)
        let news = loops.map { _ in AccessNews() }
        let epochs = AccessEpochs(first, news, log)
        for (index, database) in databases.enumerated() {
            table.add(
                LoopServices(
                    loops[index],
                    database: database,
                    pageKey: pageKey,
                    keyring: keyring,
                    limiter: limiter,
                    jobSignals: signals,
                    credentials: credentials,
                    epochs: epochs,
                    news: news[index],
                    log: log
                )
            )
        }
        state.withLock { $0.epochs = epochs }
        await loops[0].run { epochs.start() }
        let rpc = RPCServer(group: group, configuration: configuration(table)) { [health] loop in
            let router = Router()
            Services.register(in: router, health: health, table)
            table[loop].read(router)
            return router
        }
        state.withLock { $0.rpc = rpc }
        try await rpc.start()
        let listening = try rpc.listen(host: options.host, port: options.port, security: options.security)
        let admin = try options.admin.map {
            try AdminServer(
                host: $0.host,
                port: $0.port,
                group: group,
                rpc: rpc,
                messageBytes: options.limits.messageBytes
            ) { [weak self] request in
                await self?.answer(request) ?? .unavailable("stopped\n")
            }
        }
        state.withLock {
            $0.admin = admin
            $0.isServing = true
            $0.started = Double(Instant.now().microseconds) / 1e6
        }
        admin?.start()
        health.setAll(.serving, services: table.all.first?.serviceNames ?? [])
        let noting = await loops[0].run { [self, loop = loops[0]] in
            loop.startTask { await self.keepNotingUses(on: loop) }
        }
        state.withLock { $0.noting = noting }
        let sealer = AuditSealer(table, log)
        let sealing = await loops[0].run { [loop = loops[0]] in loop.startTask { await sealer.run(on: loop) } }
        var registry = ServerJobs.registry()
        registry.merge(options.moreJobs)
        let (kinds, parts, limits) = (registry, table.all, options.jobs)
        let background = await loops[0].run { Background(parts, kinds, limits) }
        state.withLock { ($0.background, $0.sealer, $0.sealing) = (background, sealer, sealing) }
        return Started(address: listening, admin: admin?.address, admitsPlatformKey: admitsPlatformKey)
    }

    /// Stops: says that it is no longer ready, lets open calls end within `grace`, closes the connections.
    public func stop(grace: Duration) async {
        let (rpc, admin, databases, background, sealer, sealing) = state.withLock { state in
            state.isServing = false
            return (state.rpc, state.admin, state.databases, state.background, state.sealer, state.sealing)
        }
        let (epochs, noting) = state.withLock { ($0.epochs, $0.noting) }
        noting?.cancel()
        sealing?.cancel()
        health.close()
        async let stopped: Void? = background?.stop(grace: grace)
        await rpc?.shutdown(grace: grace)
        await stopped
        admin?.close()
        await sealing?.value
        do { try await sealer?.recordRefusals(everything: true) } catch {
            log.warning("the last refusals are in no audit event", metadata: ["error": "\(error)"])
        }
        do { try await noteUses() } catch {
            log.warning("the last uses of credentials were not written down", metadata: ["error": "\(error)"])
        }
        if let epochs, let first = databases.first { await first.loop.run { epochs.stop() } }
        for database in databases { await database.loop.run { database.close() } }
    }

    private func configuration(_ table: LoopTable) -> ServerConfiguration {
        var configuration = ServerConfiguration()
        configuration.limits = options.limits
        configuration.observers = { [CallCounter(services: table[$0]), CallLog(services: table[$0])] }
        configuration.interceptors = { [Authentication(services: table[$0])] }
        configuration.transcoder = Services.transcoder
        configuration.convertError = { error, context in
            let services = table[context.loop]
            // By far the most of what is refused when somebody calls far too much.
            if let refusal = error as? RateRefusal {
                services.metrics.refused(refusal)
                refusal.write(to: &context.trailers)
                return refusal.rpcError(requestID: context.requestID)
            }
            let reply = ErrorReply(error)
            services.refusals.note(reply, context, services.policies[context.route.index])
            if reply.isFault { Faults.report(error, context, services.log) }
            return reply.rpcError(requestID: context.requestID)
        }
        return configuration
    }

    /// Writes the refusals that were gathered.
    func recordRefusals() async throws {
        try await state.withLock { $0.sealer }?.recordRefusals(everything: true)
    }

    /// How often it is written down when credentials were last used.
    static let usesInterval = Duration.seconds(60)

    /// Writes down when credentials were last used, as one batch for all of them. What could not be written is, the next time.
    func noteUses() async throws {
        let table = state.withLock { $0.table }
        guard let first = table.all.first else { return }
        var uses = state.withLock { state in
            defer { state.unwrittenUses = [:] }
            return state.unwrittenUses
        }
        for part in table.all {
            let (used, now) = await part.loop.run { (part.doorkeeper.takeUses(), part.loop.now) }
            let time = Instant.now()
            for (use, at) in used {
                let instant = time.advanced(byMicroseconds: -Int64((now - at) / 1000))
                uses[use] = max(uses[use] ?? instant, instant)
            }
        }
        do { try await first.loop.run { [uses] in try await Admission.note(uses, first.database) } } catch {
            state.withLock { [uses] in $0.unwrittenUses = uses }
            throw error
        }
    }

    /// Writes them down until it is cancelled. A failure waits for the next time.
    private func keepNotingUses(on loop: EventLoop) async {
        while !Task.isCancelled {
            do { try await loop.sleep(for: Self.usesInterval) } catch { return }
            do { try await noteUses() } catch {
                guard !Task.isCancelled else { return }
                log.warning("when credentials were last used is not written down", metadata: ["error": "\(error)"])
            }
        }
    }

    // MARK: The admin port

    private func answer(_ request: AdminRequest) async -> AdminReply {
        switch request.path {
        case "/healthz": .ok("ok\n")
        case "/readyz": await readiness()
        case "/metrics": AdminReply(status: "200 OK", type: PrometheusText.contentType, body: await metrics())
        case "/.well-known/jwks.json": await keySet()
        default:
            AdminReply(
                status: "404 Not Found",
                body: "there are /healthz, /readyz, /metrics and /.well-known/jwks.json\n"
            )
        }
    }

    /// Ready while it serves and the database answers.
    private func readiness() async -> AdminReply {
        let (isServing, table) = state.withLock { ($0.isServing, $0.table) }
        guard isServing, let part = table.all.first else { return .unavailable("not serving\n") }
        let failure = await part.loop.run { () -> PostgresError? in
            do throws(PostgresError) {
                var settings = SessionSettings.none
                settings.deadline = part.loop.now + 2_000_000_000
                _ = try await part.database.run(ProbeDatabase(), settings)
                return nil
            } catch {
                return error
            }
        }
        return failure == nil ? .ok("ready\n") : .unavailable("the database does not answer\n")
    }

    /// The keys that access tokens are verified with, for whoever verifies them without us.
    private func keySet() async -> AdminReply {
        guard let part = state.withLock({ $0.table }).all.first else { return .unavailable("not serving\n") }
        let set: JwkSet
        do { set = try await part.loop.run { try await SigningKeys.published(part.database) } } catch {
            log.warning("the signing keys cannot be read", metadata: ["error": "\(error)"])
            return .unavailable("the database does not answer\n")
        }
        return AdminReply(status: "200 OK", type: "application/jwk-set+json", body: SigningKeys.document(set) + "\n")
    }

    private func metrics() async -> String {
        let (table, rpc, background, started) = state.withLock { ($0.table, $0.rpc, $0.background, $0.started) }
        var calls: [CallMetrics.MethodCounts] = []
        var rateRefusals: [RateLimit.Label: Int] = [:]
        var batches = 0
        for part in table.all {
            let (counts, refused, sent) = await part.loop.run {
                (part.metrics.counts, part.metrics.rateRefusals, part.database.batchCount)
            }
            batches += sent
            rateRefusals.merge(refused, uniquingKeysWith: +)
            if calls.isEmpty { calls = counts } else { for index in calls.indices { calls[index].add(counts[index]) } }
        }
        return ServerMetrics(
            counts: rpc?.counts() ?? ServerCounts(),
            methods: table.all.first?.methods ?? [],
            calls: calls,
            rateRefusals: rateRefusals,
            batches: batches,
            jobs: await background?.metrics(),
            started: started
        ).text()
    }
}

extension EventLoop {
    /// Runs `body` on this loop and waits for what it returns, from wherever.
    func run<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            submit {
                self.startTask {
                    do { continuation.resume(returning: try await body()) } catch {
                        continuation.resume(throwing: error)
                    }
                }
            }
        }
    }

    /// Runs `body` on this loop and waits for what it returns, from wherever.
    func run<Value: Sendable>(_ body: @escaping @Sendable () async -> Value) async -> Value {
        await withCheckedContinuation { continuation in
            submit { self.startTask { continuation.resume(returning: await body()) } }
        }
    }
}
