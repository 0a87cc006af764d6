import EventLoop
import Glibc
import Logging
import Postgres
import PrivateCluster
import TestSupport
import Testing

private struct Now: Statement {
    static let name = "Now"
    static let sql = "SELECT current_user::text, current_database()::text, current_setting('listen_addresses')"
    func bind(_ parameters: inout Parameters) {}
    static func decode(_ result: borrowing QueryResult) throws(PostgresError) -> [String] {
        try result.first { row throws(PostgresError) in [try row.text(0), try row.text(1), try row.text(2)] } ?? []
    }
}

private let silent: Logger = {
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    return logger
}()

private func options(_ home: String) -> PrivateCluster.Options {
    var options = PrivateCluster.Options(home: home, connections: 10, major: TestCluster.major)
    options.forTests = true
    return options
}

/// Runs a statement on a cluster.
private func ask<S: Statement>(_ statement: S, _ address: DatabaseAddress) async throws -> S.Output {
    try await onLoop { loop in
        let database = Database(loop: loop, address: address, logger: silent)
        defer { database.close() }
        return try await database.run(statement)
    }
}

@Suite("PrivateCluster", .serialized)
struct PrivateClusterTests {
    @Test("a cluster is made, used, stopped and found again with its data, as an unprivileged user without TCP")
    func life() async throws {
        try await withTemporaryFolder { folder in
            let home = "\(folder)/postgres"
            let cluster = try await onThread { try PrivateCluster.start(options(home), logger: silent) }
            let answer = try await ask(Now(), cluster.address)
            #expect(answer == [PrivateCluster.server, PrivateCluster.database, ""])
            let process = cluster.process ?? 0
            var status = stat()
            #expect(stat("/proc/\(process)", &status) == 0 && status.st_uid != 0)
            #expect(stat("\(home)/data", &status) == 0 && status.st_mode & 0o777 == 0o700)

            let second = #expect(throws: PrivateClusterError.self) {
                try PrivateCluster.start(options(home), logger: silent)
            }
            #expect(second?.description.contains("another trellisd uses") == true)

            try await onLoop { loop in
                let database = Database(loop: loop, address: cluster.administratorAddress, logger: silent)
                defer { database.close() }
                try await database.run(script: "CREATE TABLE kept AS SELECT 42 AS n; GRANT SELECT ON kept TO PUBLIC")
            }
            cluster.stop()
            #expect(kill(process, 0) != 0, "it has ended")
            cluster.stop()

            try await restarted(home)
        }
    }

    private func restarted(_ home: String) async throws {
        struct Kept: Statement {
            static let name = "Kept"
            static let sql = "SELECT n FROM public.kept"
            func bind(_ parameters: inout Parameters) {}
            static func decode(_ result: borrowing QueryResult) throws(PostgresError) -> Int32? {
                try result.first { row throws(PostgresError) in try row.int32(0) }
            }
        }
        let again = try PrivateCluster.start(options(home), logger: silent)
        defer { again.stop() }
        let kept = try await ask(Kept(), again.address)
        #expect(kept == 42)
    }

    @Test("a PostgreSQL that an earlier server left running, or that died with its lock file there, is no obstacle")
    func leftovers() async throws {
        try await withTemporaryFolder { folder in
            // What a server leaves that was ended with kill -9: PostgreSQL runs on without it.
            let left = try DetachedCluster.attach(options(folder))
            let first = try await ask(Now(), left.address(database: "postgres", user: PrivateCluster.administrator))
            #expect(first.count == 3)
            let cluster = try PrivateCluster.start(options(folder), logger: silent)
            let answer = try await ask(Now(), cluster.address)
            #expect(answer.first == PrivateCluster.server)
            cluster.stop()

            // The machine went down, and the number in the two lock files is another process's now.
            let socket = cluster.socketFolder
            let state = "\(getpid())\n\(folder)/data\n0\n5432\n\(socket)\n\n0 0\nready\n"
            for (file, text) in [
                ("\(folder)/data/postmaster.pid", state),
                ("\(socket)/.s.PGSQL.5432.lock", "\(getpid())\n\(folder)/data\n0\n5432\n\(socket)\n"),
            ] {
                let descriptor = creat(file, 0o600)
                try #require(descriptor >= 0)
                let bytes = Array(text.utf8)
                #expect(write(descriptor, bytes, bytes.count) == bytes.count)
                close(descriptor)
            }
            let again = try PrivateCluster.start(options(folder), logger: silent)
            again.stop()
        }
    }

    @Test("an initdb that was interrupted leaves nothing that counts")
    func interrupted() throws {
        let folder = "/tmp/trellis-test-interrupted-\(getpid())"
        #expect(mkdir(folder, 0o755) == 0)
        #expect(mkdir("\(folder)/data.new", 0o700) == 0)
        #expect(creat("\(folder)/data.new/half", 0o600) >= 0)
        let cluster = try PrivateCluster.start(options(folder), logger: silent)
        #expect(access("\(folder)/data/half", F_OK) != 0)
        cluster.stop()
        #expect(system("rm -rf \(folder)") == 0)
    }

    @Test("a home too deep for a socket's path gets its socket elsewhere")
    func deepHome() async throws {
        try await withTemporaryFolder { folder in
            let home = "\(folder)/\(String(repeating: "deep/", count: 30))home"
            let cluster = try PrivateCluster.start(options(home), logger: silent)
            defer { cluster.stop() }
            #expect("\(cluster.socketFolder)/.s.PGSQL.5432".utf8.count <= 107)
            let answer = try await ask(Now(), cluster.address)
            #expect(answer.count == 3)
        }
    }

    @Test("a home that PostgreSQL's user cannot reach is named, with what to do", .enabled(if: geteuid() == 0))
    func unreachable() async throws {
        try await withTemporaryFolder { folder in
            #expect(chmod(folder, 0o700) == 0)
            let error = #expect(throws: PrivateClusterError.self) {
                try PrivateCluster.start(options("\(folder)/home"), logger: silent)
            }
            #expect(error?.description.contains("\(folder)/home") == true)
            #expect(error?.description.contains("chmod o+x") == true)
        }
    }

    @Test("programs that are not there are named, with how to get them")
    func noPrograms() {
        let error = #expect(throws: PrivateClusterError.self) { try ClusterPrograms.find(major: 9) }
        #expect(error?.description.contains("scripts/setup") == true)
    }
}
