import Domain
import RPC
import RPCServer
import TrellisAPI

/// Finds out who is calling and whether they may: authentication first, then how often they have called, then the method's
/// policy.
struct Authentication: ServerInterceptor {
    let table: LoopTable

    /// Lets callers in that are known already, and whoever calls a public method.
    func willHandleAtOnce(_ context: ServerContext) throws -> Bool {
        let services = table[context.loop]
        guard let policy = services.policies[context.route.index] else { return true }
        guard policy.scope != .public else {
            if policy.rateClass == .credential {
                try services.limiter.admit(peer: context.peer, at: context.arrived)
            }
            return true
        }
        guard let known = context.metadata.withValue("authorization", { $0.flatMap(services.doorkeeper.known) }) else {
            return false
        }
        try admit(known, policy, context, services)
        return true
    }

    /// Looks the credential up.
    func willHandle(_ context: ServerContext) async throws {
        let services = table[context.loop]
        guard let policy = services.policies[context.route.index], policy.scope != .public else { return }
        guard let header = context.metadata.withValue("authorization", { $0.map { Array($0) } }) else {
            throw DomainError.unauthenticated(.missing)
        }
        try admit(try await services.doorkeeper.admit(header), policy, context, services)
    }

    private func admit(
        _ caller: Caller,
        _ policy: RoutePolicy,
        _ context: ServerContext,
        _ services: LoopServices
    ) throws {
        if let call = caller.call(context.route.index) {
            context.admittedCall = call
            try call.gate?.admit(at: context.arrived)
            return
        }
        let scope = policy.scope == .tenantOrPlatform ? caller.scope.publishing : caller.scope
        let gate = caller.gates[Int(policy.rateClass.rawValue)]
        let call = Call(scope: scope, policy: policy, services: services, gate: gate)
        // Left before anything is asked, so that the log names who was refused. Calls that are refused are counted, too.
        context.admittedCall = call
        try gate?.admit(at: context.arrived)
        if let closure = caller.closure { throw DomainError.tenantClosed(closure) }
        try policy.check(scope)
        caller.remember(call, of: context.route.index)
    }
}
