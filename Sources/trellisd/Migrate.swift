import EventLoop
import Glibc
import Logging
import Schema
import Terminal

/// `trellisd migrate`: brings the schema up to this version and ends.
enum Migrate {
    /// Returns the exit code.
    static func run(_ configuration: Configuration) -> Int32 {
        let log = Logger(label: "trellisd")
        do {
            let home = configuration.databaseURL == nil ? try HomeFolder(configuration.home) : nil
            defer { home?.unlock() }
            let storage = try Storage.open(configuration, log)
            defer { storage.close() }
            let applied = try migrate(storage, log)
            let version = try MigrationSet.embedded().schemaVersion.map(\.description) ?? "empty"
            if applied.isEmpty {
                Terminal.print("the schema is \(version) already")
            } else {
                for migration in applied { Terminal.print("applied \(migration)") }
                Terminal.print("the schema is \(version) now")
            }
            return 0
        } catch {
            log.critical("\(error)")
            return error is ConfigurationError ? ExitCode.usage : ExitCode.failure
        }
    }

    private static func migrate(_ storage: Storage, _ log: Logger) throws -> [Migration] {
        let loop = try EventLoop(name: "main")
        let outcome = Outcome()
        loop.submit {
            loop.startTask {
                do { outcome.result = .success(try await storage.migrate(on: loop, log)) } catch {
                    outcome.result = .failure(error)
                }
                loop.stop()
            }
        }
        loop.run()
        return try outcome.result.get()
    }

    /// What the loop hands back; confined to the main thread, which runs it.
    private final class Outcome: @unchecked Sendable {
        var result: Result<[Migration], any Error> = .success([])
    }
}
