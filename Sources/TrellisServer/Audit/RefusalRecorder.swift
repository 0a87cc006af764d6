import Audit
import Domain
import EventLoop
import Logging
import Postgres
import Primitives
import RPC
import RPCServer
import Tenancy

/// Remembers the refusals of a loop until they are written, off the way of the calls.
final class RefusalRecorder: @unchecked Sendable {
    // @unchecked: confined to its loop.
    private var gathering = RefusalGathering()

    /// Counts a call that ended with an error, if it was refused, it is known whose trail that belongs to, and it has not left
    /// an event of its own.
    func note(_ reply: ErrorReply, _ context: ServerContext, _ policy: RoutePolicy?) {
        guard reply.isRefusal, let policy, context.admittedCall?.refusal == nil else { return }
        let (scope, refused) = (context.admittedCall?.scope, context.refusedCaller)
        var (tenant, namedKey) = (scope?.tenant ?? refused?.tenant, UUID?.none)
        if tenant == nil {
            let named = context.metadata["authorization"].flatMap(Self.credential)
            guard let named, case .tenant(let owner) = named.owner else { return }
            (tenant, namedKey) = (owner, named.key)
        }
        guard let tenant else { return }
        gathering.add(
            Refusal(
                tenant: tenant,
                actor: scope?.actor ?? refused?.actor,
                namedKey: namedKey,
                method: policy.method,
                outcome: reply.code.name,
                reason: reply.reason,
                callID: context.requestID,
                address: context.address
            ),
            now: context.loop.now
        )
    }

    /// Writes what is to be written by now, or everything.
    func flush(_ services: LoopServices, everything: Bool) async throws {
        services.loop.assertOnLoop()
        if gathering.uncounted > 0 {
            services.log.warning(
                "refusals of too many kinds at once: some are in no audit event",
                metadata: ["count": "\(gathering.uncounted)"]
            )
        }
        let taken = gathering.take(now: services.loop.now, everything: everything)
        if taken.isEmpty { return }
        do {
            try await Refusals.write(taken, services.database, services.auditKeys)
        } catch {
            gathering.putBack(taken)
            throw error
        }
    }

    /// What a refused `authorization: Bearer trl_...` claims to be.
    private static func credential(_ header: String) -> Credential? {
        let parts = header.split(separator: " ", maxSplits: 1)
        return parts.count == 2 ? Credential(secret: String(parts[1])) : nil
    }
}

extension ErrorReply {
    /// Whether somebody wanted what they may not: to be remembered.
    var isRefusal: Bool { code == .unauthenticated || code == .permissionDenied }
}
