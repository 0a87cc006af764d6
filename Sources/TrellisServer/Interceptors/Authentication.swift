import Domain
import HTTP2
import Primitives
import RPC
import RPCServer
import Tenancy
import TrellisAPI

/// Finds out who is calling and whether they may: authentication first, then from where, then how often they have called, then
/// the method's policy.
struct Authentication: ServerInterceptor {
    let services: LoopServices

    /// Lets callers in that are known already, and whoever calls a public method.
    func willHandleAtOnce(_ context: ServerContext) throws -> Bool {
        guard let policy = services.policies[context.route.index] else { return true }
        guard policy.scope != .public else {
            if policy.rateClass == .credential {
                try services.limiter.admit(peer: context.peer, at: context.arrived)
            }
            return true
        }
        guard let caller = known(context) else { return false }
        guard try isFresh(caller, context) else { return false }
        try admit(caller, policy, context)
        return true
    }

    /// Looks the caller up.
    func willHandle(_ context: ServerContext) async throws {
        guard let policy = services.policies[context.route.index], policy.scope != .public else { return }
        let token = try token(context)
        let evidence = try evidence(context)
        // Before anything is asked for them: whoever guesses at credentials from elsewhere costs nothing.
        if policy.isAdministrative, let tenant = evidence.tenant {
            let address = IPAddress(peer: context.peer)
            guard !services.doorkeeper.refuses(address, of: tenant) else { throw notAllowed(address, context) }
        }
        do {
            try admit(try await services.doorkeeper.admit(evidence, isUrgent: token != nil), policy, context)
        } catch let refused as RefusedCaller {
            context.refusedCaller = refused
            throw DomainError.unauthenticated(refused.problem)
        }
    }

    private func known(_ context: ServerContext) -> Caller? {
        let doorkeeper = services.doorkeeper
        let found: Caller?? = context.metadata.withValue("authorization") { header in
            header.map { doorkeeper.known($0) }
        }
        // A caller who sends a header is who that says, whatever certificate the connection has.
        if let found { return found }
        return context.peerIdentity.flatMap { doorkeeper.known(certificate: $0.fingerprint) }
    }

    private func evidence(_ context: ServerContext) throws(DomainError) -> Evidence {
        if let header = context.metadata.withValue("authorization", { $0.map { Array($0) } }) {
            return try Evidence(header: header)
        }
        guard let identity = context.peerIdentity else { throw .unauthenticated(.missing) }
        return .certificate(identity)
    }

    /// The consistency token of a call.
    private func token(_ context: ServerContext) throws -> ConsistencyToken? {
        try context.metadata.withValue(ConsistencyToken.metadata) { try $0.map { try services.tokens.read($0) } }
    }

    /// Whether what is known of a caller takes everything into account that they have seen already.
    private func isFresh(_ caller: Caller, _ context: ServerContext) throws -> Bool {
        guard let token = try token(context) else { return true }
        return token.tenant != caller.scope.tenant || token.epoch <= caller.epoch
    }

    private func admit(_ caller: Caller, _ policy: RoutePolicy, _ context: ServerContext) throws {
        let known = caller.call(context.route.index)
        let call = known ?? self.call(caller, policy)
        // Left before anything is refused, so that the log names who was.
        context.admittedCall = call
        if policy.isAdministrative, let addresses = caller.addresses { try check(addresses, context) }
        // Calls that are refused for what follows are counted, too.
        try call.gate?.admit(at: context.arrived)
        guard known == nil else { return }
        if let closure = caller.closure { throw DomainError.tenantClosed(closure) }
        try policy.check(call.scope)
        caller.remember(call, of: context.route.index)
    }

    private func call(_ caller: Caller, _ policy: RoutePolicy) -> Call {
        let scope = policy.scope == .tenantOrPlatform ? caller.scope.publishing : caller.scope
        let gate = caller.gates[Int(policy.rateClass.rawValue)]
        return Call(scope: scope, policy: policy, services: services, epoch: caller.epoch, gate: gate)
    }

    private func check(_ addresses: AllowedAddresses, _ context: ServerContext) throws(DomainError) {
        let address = IPAddress(peer: context.peer)
        guard addresses.admits(address) else { throw notAllowed(address, context) }
    }

    private func notAllowed(_ address: IPAddress?, _ context: ServerContext) -> DomainError {
        .addressNotAllowed(address?.description ?? context.peer)
    }
}
