import Audit
import Domain
import EventLoop
import Logging
import Postgres
import Primitives

/// Writes the refusals that were gathered and links the events that wait, every second: what a server does for the audit trail
/// beside its calls. Several servers of a database take turns, tenant by tenant.
final class AuditSealer: Sendable {
    /// How often it looks.
    static let interval = Duration.seconds(1)
    /// How long a chain that could not be linked is left alone, in nanoseconds.
    static let pause: UInt64 = 60_000_000_000

    private let table: LoopTable
    private let log: Logger

    init(_ table: LoopTable, _ log: Logger) {
        self.table = table
        self.log = log
    }

    /// Works until it is cancelled. A failure waits for the next time.
    func run(on loop: EventLoop) async {
        var paused: [UUID: UInt64] = [:]
        while !Task.isCancelled {
            do {
                try await loop.sleep(for: Self.interval)
                try await recordRefusals()
                paused = paused.filter { loop.now < $0.value }
                try await seal(on: loop, &paused)
            } catch {
                guard !Task.isCancelled else { return }
                log.warning("the audit trail waits", metadata: ["error": "\(error)"])
            }
        }
    }

    /// Writes the refusals of all loops that are to be written by now, or all of them.
    func recordRefusals(everything: Bool = false) async throws {
        for part in table.all {
            try await part.loop.run { try await part.refusals.flush(part, everything: everything) }
        }
    }

    /// Links what waits of all tenants but those that have failed a short while ago.
    private func seal(on loop: EventLoop, _ paused: inout [UUID: UInt64]) async throws {
        let part = table[loop]
        for tenant in try await AuditChain.waiting(part.database) where paused[tenant] == nil {
            do {
                let sealed = try await AuditChain.seal(tenant, part.database, part.auditKeys)
                guard let refused = sealed.refused.first else { continue }
                log.error(
                    "an audit event was changed or removed before it was linked",
                    metadata: [
                        "tenant": "\(tenant)", "event": "\(refused.event)", "count": "\(sealed.refused.count)",
                        "missing": "\(refused.isMissing)",
                    ]
                )
            } catch let error as AuditChainError {
                log.error("an audit chain cannot grow", metadata: ["tenant": "\(tenant)", "error": "\(error)"])
            } catch let error as PostgresError where error.sqlState == .uniqueViolation {
                log.error(
                    "an audit chain cannot grow: there is a link that no server has made",
                    metadata: ["tenant": "\(tenant)", "error": "\(error)"]
                )
            }
            paused[tenant] = loop.now + Self.pause
        }
    }
}
