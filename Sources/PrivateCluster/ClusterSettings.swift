internal import Glibc

/// PostgreSQL's settings for this machine.
enum ClusterSettings {
    /// Connections beside the pool's: migrations, a psql of the operator, PostgreSQL's own reserve.
    static let spareConnections = 15

    /// Name and value of each setting.
    ///
    /// - Parameters:
    ///   - connections: the most that the server opens.
    ///   - forTests: gives up safety against a crash of the machine (not of PostgreSQL) for speed.
    static func make(connections: Int, socketFolder: String, forTests: Bool) -> [(String, String)] {
        let mebibytes = memory() >> 20
        var settings = [
            ("listen_addresses", ""),
            ("port", "5432"),
            ("unix_socket_directories", socketFolder),
            ("unix_socket_permissions", "0700"),
            ("max_connections", String(connections + spareConnections)),
            // A small share: the machine runs trellisd, and often much else, too.
            ("shared_buffers", "\(forTests ? 128 : min(max(mebibytes / 8, 64), 2048))MB"),
            ("effective_cache_size", "\(max(mebibytes / 2, 256))MB"),
            ("maintenance_work_mem", "\(min(max(mebibytes / 32, 64), 512))MB"),
            ("work_mem", "16MB"),
            ("max_wal_size", "2GB"),
            ("random_page_cost", "1.1"),
            // Short statements: compiling one takes longer than running it.
            ("jit", "off"),
            ("timezone", "UTC"),
            ("log_timezone", "UTC"),
            ("log_line_prefix", "%m [%p] %e "),
            // The server reports each failed statement with its request; here they would only fill the disk.
            ("log_min_error_statement", "panic"),
            ("log_min_messages", "warning"),
            ("log_checkpoints", "off"),
        ]
        if forTests {
            settings += [
                ("fsync", "off"), ("full_page_writes", "off"), ("max_wal_senders", "0"), ("wal_level", "minimal"),
                ("autovacuum_naptime", "10min"),
            ]
        }
        return settings
    }

    /// The machine's memory in bytes, or the container's when it has less.
    private static func memory() -> UInt64 {
        let machine = UInt64(sysconf(Int32(_SC_PHYS_PAGES))) * UInt64(sysconf(Int32(_SC_PAGESIZE)))
        let limit = Files.read("/sys/fs/cgroup/memory.max").flatMap { UInt64($0.prefix { $0.isNumber }) }
        return min(machine, limit ?? .max)
    }
}
