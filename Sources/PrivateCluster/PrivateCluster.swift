internal import Glibc
public import Logging
public import Postgres
internal import Synchronization

/// A PostgreSQL cluster of our own, in a folder, on a unix socket, without TCP.
///
/// It is made at the first start, runs as an unprivileged user when we are root, is started again when PostgreSQL dies,
/// and stopped with us. After a kill -9 of either, the next start finds what is left and clears it away. Every call
/// blocks: make it before the loops run, or through `Offload`.
public final class PrivateCluster: Sendable {
    /// The superuser of the cluster, for migrations.
    public static let administrator = "trellis_admin"
    /// The role that the server logs in as.
    public static let server = "trellis_server"
    /// The database.
    public static let database = "trellis"

    /// The shortest and the longest pause before PostgreSQL is started again.
    private static let pauses: (first: UInt32, last: UInt32) = (100, 5000)

    /// How a cluster is to run.
    public struct Options: Sendable {
        /// The folder that holds the cluster; made when missing.
        public var home: String
        /// The most connections that the server opens.
        public var connections: Int
        /// PostgreSQL's major version for a new cluster; nil for the newest installed.
        public var major: Int?
        /// Gives up safety against a crash of the machine for speed.
        public var forTests = false

        /// Makes options for a cluster in `home`.
        public init(home: String, connections: Int = PoolLimits().maximumConnections, major: Int? = nil) {
            self.home = home
            self.connections = connections
            self.major = major
        }
    }

    private struct State {
        var process: pid_t?
        var isStopping = false
        var hasEnded = false
        /// Held while the cluster may run.
        var lock: FileLock?
    }

    /// Where the unix socket is.
    public let socketFolder: String
    /// The programs that it runs.
    public let programs: ClusterPrograms
    private let home: ClusterHome
    private let user: ClusterUser
    private let settings: [(String, String)]
    private let logger: Logger
    private let state = Mutex(State())

    /// The database as the server sees it.
    public var address: DatabaseAddress {
        DatabaseAddress(socketDirectory: socketFolder, database: Self.database, user: Self.server)
    }

    /// The database as the superuser sees it, for migrations.
    public var administratorAddress: DatabaseAddress { address.with(user: Self.administrator) }

    /// Makes the cluster in the home when there is none, and starts it. Blocks until it takes connections.
    ///
    /// - Throws: ``PrivateClusterError`` with what to do.
    public static func start(_ options: Options, logger: Logger) throws(PrivateClusterError) -> PrivateCluster {
        let cluster = try PrivateCluster(options, logger)
        try cluster.begin()
        return cluster
    }

    private init(_ options: Options, _ logger: Logger) throws(PrivateClusterError) {
        home = try ClusterHome(options.home)
        user = try ClusterUser.current()
        programs = try ClusterPrograms.find(major: home.major ?? options.major)
        guard let lock = try FileLock.take(home.lock, waits: false) else {
            throw .homeInUse(home: home.path)
        }
        state.withLock { $0.lock = lock }
        self.logger = logger
        if home.major == nil {
            logger.notice("making a PostgreSQL \(programs.major) cluster", metadata: ["home": "\(home.path)"])
            try home.makeData(programs, user)
        }
        try user.checkReach(home.data, log: home.log)
        socketFolder = try home.makeSocketFolder(user)
        settings = ClusterSettings.make(
            connections: options.connections,
            socketFolder: socketFolder,
            forTests: options.forTests
        )
        Postmaster.clear(home)
    }

    /// Starts PostgreSQL from the thread that will watch it: PostgreSQL is told to end with that thread.
    private func begin() throws(PrivateClusterError) {
        let first = FirstStart()
        let argument = Unmanaged.passRetained(Watch(cluster: self, first: first))
        var thread = pthread_t()
        let failure = pthread_create(&thread, nil, watchMain, argument.toOpaque())
        guard failure == 0 else {
            argument.release()
            throw .system(operation: "make a thread", errno: failure)
        }
        pthread_detach(thread)
        try first.wait()
    }

    /// Starts PostgreSQL, waits for its end and starts it again, until told to stop.
    fileprivate func watch(_ first: FirstStart) {
        do throws(PrivateClusterError) {
            try run()
            first.signal(nil)
        } catch {
            end()
            first.signal(error)
            return
        }
        var pause = Self.pauses.first
        while true {
            if let process = state.withLock({ $0.process }) {
                let status = ChildProcess.wait(process)
                let isStopping = state.withLock { state in
                    state.process = nil
                    return state.isStopping
                }
                if isStopping { break }
                logger.error("PostgreSQL ended by itself; starting it again", metadata: ["status": "\(status)"])
            }
            ChildProcess.pause(milliseconds: pause)
            if state.withLock({ $0.isStopping }) { break }
            Postmaster.clear(home)
            do throws(PrivateClusterError) {
                try run()
                pause = Self.pauses.first
                logger.notice("PostgreSQL runs again")
            } catch {
                pause = min(pause * 2, Self.pauses.last)
                logger.error("PostgreSQL does not start", metadata: ["reason": "\(error)"])
            }
        }
        end()
    }

    private func end() {
        state.withLock { state in
            state.hasEnded = true
            state.lock = nil
        }
    }

    private func run() throws(PrivateClusterError) {
        let postmaster = try Postmaster.start(home, programs, user, settings: settings, endsWithUs: true)
        let mustStop = state.withLock { state in
            state.process = postmaster.process
            return state.isStopping
        }
        if mustStop { kill(postmaster.process, SIGINT) }
    }

    /// Stops PostgreSQL: sessions are ended, what is committed is on disk. Blocks until it is down; a second call does
    /// nothing.
    public func stop() {
        let process = state.withLock { state in
            state.isStopping = true
            return state.process
        }
        if let process { kill(process, SIGINT) }
        for step in 0..<(Postmaster.stopSecondsMax * 100 + 1000) {
            if state.withLock({ $0.hasEnded }) { return }
            if let process, step == Postmaster.stopSecondsMax * 100 { kill(process, SIGQUIT) }
            ChildProcess.pause(milliseconds: 10)
        }
    }

    /// The process number of PostgreSQL, while it runs.
    public var process: Int32? { state.withLock { $0.process } }
}

/// What the watching thread is handed.
private final class Watch {
    let cluster: PrivateCluster
    let first: FirstStart

    init(cluster: PrivateCluster, first: FirstStart) {
        self.cluster = cluster
        self.first = first
    }
}

/// The outcome of the first start, on its way from the watching thread to the one that waits for it.
private final class FirstStart: Sendable {
    private let outcome = Mutex<PrivateClusterError??>(nil)

    func signal(_ error: PrivateClusterError?) {
        outcome.withLock { $0 = .some(error) }
    }

    func wait() throws(PrivateClusterError) {
        while true {
            if let outcome = outcome.withLock({ $0 }) {
                if let error = outcome { throw error }
                return
            }
            ChildProcess.pause(milliseconds: 5)
        }
    }
}

private func watchMain(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let argument else { return nil }
    let watch = Unmanaged<Watch>.fromOpaque(argument).takeRetainedValue()
    watch.cluster.watch(watch.first)
    return nil
}
