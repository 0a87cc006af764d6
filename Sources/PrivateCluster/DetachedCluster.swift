public import Postgres

/// A cluster that several processes share and that outlives the one that started it: what tests run on. Blocking.
public struct DetachedCluster: Sendable {
    private let home: ClusterHome
    private let postmaster: Postmaster
    /// The programs that it runs.
    public let programs: ClusterPrograms
    /// Where the unix socket is.
    public let socketFolder: String

    /// Uses the cluster that runs in `options.home`, or makes and starts it. The caller sees to it that no other process
    /// does so at the same time.
    ///
    /// - Throws: ``PrivateClusterError`` with what to do.
    public static func attach(_ options: PrivateCluster.Options) throws(PrivateClusterError) -> DetachedCluster {
        let home = try ClusterHome(options.home)
        let user = try ClusterUser.current()
        let programs = try ClusterPrograms.find(major: home.major ?? options.major)
        if home.major == nil { try home.makeData(programs, user) }
        let socketFolder = try home.makeSocketFolder(user)
        if let postmaster = Postmaster.running(home) {
            return DetachedCluster(home: home, postmaster: postmaster, programs: programs, socketFolder: socketFolder)
        }
        Postmaster.clear(home)
        let settings = ClusterSettings.make(
            connections: options.connections,
            socketFolder: socketFolder,
            forTests: options.forTests
        )
        let postmaster = try Postmaster.start(home, programs, user, settings: settings, endsWithUs: false)
        return DetachedCluster(home: home, postmaster: postmaster, programs: programs, socketFolder: socketFolder)
    }

    /// One of its databases.
    public func address(database: String, user: String) -> DatabaseAddress {
        DatabaseAddress(socketDirectory: socketFolder, database: database, user: user)
    }

    /// Stops it for everybody.
    public func stop() {
        postmaster.stop()
    }
}
