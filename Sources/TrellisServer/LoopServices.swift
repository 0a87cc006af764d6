import Credentials
import Domain
import EventLoop
import Logging
import Postgres
import Primitives
import RPC
import RPCServer
import Tenancy

/// What the calls of one loop share: its part of the database's connections, its admitted callers, the policies.
final class LoopServices: @unchecked Sendable {
    // @unchecked: confined to its loop.
    let loop: EventLoop
    let database: Database
    let doorkeeper: Doorkeeper
    /// How people sign in.
    let credentials: SignInServices
    /// What page tokens are sealed with.
    let pageKey: SealingKey
    /// What personal data is kept under.
    let keyring: Keyring
    /// How many calls may still be made, for all loops.
    let limiter: RateLimiter
    /// Who waits for the end of a job.
    let jobSignals: JobSignals
    /// What the audit trail is proven with.
    let auditKeys: AuditKeys
    let refusals = RefusalRecorder()
    /// What consistency tokens are made with.
    let tokens: ConsistencyTokens
    /// By whom all servers hear of changes of who may do what.
    let epochs: AccessEpochs
    let log: Logger
    /// The log's, asked once: asking copies its handler.
    let logLevel: Logger.Level
    let metrics = CallMetrics()
    /// The paths of the methods, by index.
    private(set) var methods: [String] = []
    /// The full names of the services.
    private(set) var serviceNames: [String] = []
    /// By ``Route/index``; nil for methods that need no credential and are not ours.
    private(set) var policies: [RoutePolicy?] = []
    /// Every permission there is.
    private(set) var catalogue = PermissionCatalogue([])

    init(
        _ loop: EventLoop,
        database: Database,
        pageKey: SealingKey,
        keyring: Keyring,
        limiter: RateLimiter,
        jobSignals: JobSignals,
        credentials: SignInServices,
        epochs: AccessEpochs,
        news: AccessNews,
        log: Logger
    ) {
        self.loop = loop
        self.database = database
        self.pageKey = pageKey
        self.keyring = keyring
        self.limiter = limiter
        self.jobSignals = jobSignals
        auditKeys = AuditKeys(keyring)
        tokens = ConsistencyTokens(keyring)
        self.epochs = epochs
        self.log = log
        logLevel = log.logLevel
        self.credentials = credentials
        doorkeeper = Doorkeeper(loop, database, AccessTokens(database, credentials.settings), news, limiter)
    }

    /// Takes the policies of a router that holds all its methods.
    func read(_ router: Router) {
        loop.assertOnLoop()
        policies = router.routes.map(RoutePolicy.init)
        catalogue = PermissionCatalogue(policies.compactMap { $0 })
        doorkeeper.catalogue = catalogue
        methods = router.routes.map(\.path)
        serviceNames = router.services
        metrics.prepare(methods: methods.count)
    }
}

/// How people sign in to this server: one a process.
struct SignInServices: Sendable {
    let settings: CredentialSettings
    let passwords: Passwords

    init(_ settings: CredentialSettings) {
        self.settings = settings
        passwords = Passwords(cost: settings.passwordCost, atOnce: settings.hashesAtOnce)
    }
}

/// The services of all loops: filled while the server starts, then only read.
final class LoopTable: @unchecked Sendable {
    // @unchecked: not changed any more once the server listens.
    private var services: [LoopServices] = []

    /// Adds a loop's; before the server listens.
    func add(_ part: LoopServices) { services.append(part) }

    /// The services of the loop that a call lives on.
    subscript(loop: EventLoop) -> LoopServices {
        for part in services where part.loop === loop { return part }
        preconditionFailure("a call lives on a loop that the server does not know")
    }

    /// Those of all loops.
    var all: [LoopServices] { services }
}
