import EventLoop
import Glibc
import Logging
import Primitives
import TLS
import Terminal
import TrellisServer

/// `trellisd serve`: from the configuration to the ready line, and from the signal to the end.
///
/// The main thread has a loop of its own for the signals and for this; calls are served on the loops of a group.
final class Serve: @unchecked Sendable {  // confined to the main loop once that runs
    private let configuration: Configuration
    private let log: Logger
    private let main: EventLoop
    private var signals: [SignalWatcher] = []
    private var server: Server?
    private var tls: ServerTLS?
    private var exitCode: Int32 = 0
    private var hasStarted = false
    private var isStopping = false

    private init(_ configuration: Configuration, _ log: Logger) throws {
        self.configuration = configuration
        self.log = log
        main = try EventLoop(name: "main")
    }

    /// Serves until a signal. Returns the exit code.
    static func run(_ configuration: Configuration) -> Int32 {
        let log = Logger(label: "trellisd")
        Process.prepare(log)
        do {
            return try Serve(configuration, log).run()
        } catch {
            log.critical("\(error)")
            return error is ConfigurationError ? ExitCode.usage : ExitCode.failure
        }
    }

    private func run() throws -> Int32 {
        let home = try HomeFolder(configuration.home)
        defer { home.unlock() }
        let storage = try Storage.open(configuration, log)
        defer { storage.close() }
        let group = try EventLoopGroup(count: configuration.loops)
        defer { group.shutdown() }
        main.submit { self.begin(home, storage, group) }
        main.run()
        return exitCode
    }

    /// On the main loop: watches for signals and starts.
    private func begin(_ home: HomeFolder, _ storage: Storage, _ group: EventLoopGroup) {
        do {
            for number in [SIGTERM, SIGINT] {
                signals.append(try SignalWatcher(loop: main, signal: number) { self.signal(number) })
            }
            if let settings = configuration.tls {
                tls = try ServerTLS(settings) { [log] peer, reason in
                    log.info("TLS handshake failed", metadata: ["peer": "\(peer)", "reason": "\(reason)"])
                }
                signals.append(try SignalWatcher(loop: main, signal: SIGHUP) { self.reload() })
            }
        } catch {
            return fail(error)
        }
        main.startTask {
            do { try await self.start(home, storage, group) } catch { self.fail(error) }
        }
    }

    /// On SIGHUP: reads the certificates again.
    private func reload() {
        guard let tls else { return }
        do throws(TLSConfigurationError) {
            try tls.reload()
            log.notice("SIGHUP: read the certificates again, for new connections", metadata: expiry(tls))
        } catch {
            log.error("SIGHUP: the certificates cannot be used, the old ones stay: \(error)", metadata: expiry(tls))
        }
        warnOfExpiry(tls)
    }

    private func expiry(_ tls: ServerTLS) -> Logger.Metadata {
        ["expires": "\(tls.certificateExpiry.map { Instant(microseconds: $0 * 1_000_000).rfc3339 } ?? "unknown")"]
    }

    /// How long before its certificate expires the log of a start or a reload warns of it.
    private static let expiryWarningSeconds: Int64 = 14 * 86_400

    private func warnOfExpiry(_ tls: ServerTLS) {
        guard let expiry = tls.certificateExpiry else { return }
        let left = expiry - Instant.now().microseconds / 1_000_000
        guard left < Self.expiryWarningSeconds else { return }
        log.warning(
            left < 0
                ? "the certificate has expired: clients will refuse it; replace it and send SIGHUP"
                : "the certificate expires soon: replace it and send SIGHUP",
            metadata: self.expiry(tls)
        )
    }

    private func start(_ home: HomeFolder, _ storage: Storage, _ group: EventLoopGroup) async throws {
        if storage.cluster != nil {
            let applied = try await storage.migrate(on: main, log)
            if !applied.isEmpty { log.notice("migrated the schema", metadata: ["applied": "\(applied.count)"]) }
        } else {
            try await storage.verify(on: main, log)
        }
        var credentials = try Credentials.prepare(home, address: configuration.listen)
        var options = ServerOptions(
            host: configuration.listen.host,
            port: configuration.listen.port,
            database: storage.address,
            encryptionKey: try EncryptionKey.load(configuration.encryptionKeyFile, home)
        )
        options.admin = configuration.admin.map { ($0.host, $0.port) }
        options.pool = configuration.poolLimits
        options.credentials = configuration.credentials
        options.limits = configuration.limits
        options.rateShare = configuration.rateShare
        options.credentialCallsPerAddress = configuration.credentialCallsPerAddress
        options.jobs.slots = configuration.jobSlots
        options.platformKey = credentials.platformKey
        options.security = tls
        let server = Server(options, group: group, log: log)
        self.server = server
        let started = try await server.start()
        try credentials.finish(home, started, tls, log)
        if isStopping { return await stop() }
        hasStarted = true
        log.notice(
            "serving",
            metadata: [
                "grpc": "\(started.address)", "admin": "\(started.admin.map(\.description) ?? "none")",
                "tls": "\(configuration.tls.map { "\($0.minimumVersion.rawValue) or newer" } ?? "none")",
                "loops": "\(configuration.loops)", "home": "\(home.path)",
            ]
        )
        if let tls {
            warnOfExpiry(tls)
        } else if !started.address.isLoopback {
            log.warning(
                "gRPC is served without TLS where others may reach it, and keys can be read on the way: set tls-cert",
                metadata: ["grpc": "\(started.address)"]
            )
        }
        Terminal.print(
            "trellisd ready grpc=\(started.address) admin=\(started.admin.map(\.description) ?? "none")"
                + (tls == nil ? "" : " tls=on")
        )
    }

    private func signal(_ number: Int32) {
        let name = number == SIGTERM ? "SIGTERM" : "SIGINT"
        guard !isStopping else {
            log.warning("\(name) again: stopping at once")
            // Whoever sends a second one does not want to wait; the private cluster ends with this process.
            _exit(128 + number)
        }
        isStopping = true
        log.notice("\(name): finishing the calls in flight", metadata: ["grace": "\(configuration.grace)"])
        // While it starts, start() sees that it is to stop.
        if hasStarted { main.startTask { await self.stop() } }
    }

    private func stop() async {
        await server?.stop(grace: configuration.grace)
        log.notice("stopped")
        end()
    }

    private func fail(_ error: any Error) {
        log.critical("\(error)")
        exitCode = error is ConfigurationError ? ExitCode.usage : ExitCode.failure
        main.startTask {
            await self.server?.stop(grace: .zero)
            self.end()
        }
    }

    private func end() {
        for watcher in signals { watcher.close() }
        signals = []
        main.stop()
    }
}

/// What the process asks of the system once.
enum Process {
    static func prepare(_ log: Logger) {
        // A peer that goes away is an error of the write, not the end of the process.
        Glibc.signal(SIGPIPE, SIG_IGN)
        raiseFileLimit(log)
    }

    /// A connection is a file descriptor: takes as many as the system allows.
    private static func raiseFileLimit(_ log: Logger) {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0, limit.rlim_cur < limit.rlim_max
        else { return }
        limit.rlim_cur = limit.rlim_max
        if setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) != 0 {
            log.warning(
                "cannot raise the limit of open files",
                metadata: ["reason": "\(String(cString: strerror(errno)))"]
            )
        }
    }
}
