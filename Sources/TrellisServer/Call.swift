import Domain
import Postgres
import Primitives
import Protobuf
import RPC
import RPCServer

/// A call that has been let in: who calls what, and what it may use.
final class Call: Sendable {
    /// Who is calling.
    let scope: Scope
    /// The policy of the method.
    let policy: RoutePolicy
    /// What the calls of this loop share.
    let services: LoopServices
    /// How many changes of who may do what in the caller's tenant were taken into account.
    let epoch: Int64
    /// What the caller's calls of this class are counted by; nil when they are not.
    let gate: RateGate?
    /// How the call is refused, once that is known and is being remembered by itself.
    let refusal: (outcome: String, reason: String)?

    init(
        scope: Scope,
        policy: RoutePolicy,
        services: LoopServices,
        epoch: Int64,
        gate: RateGate? = nil,
        refusal: (outcome: String, reason: String)? = nil
    ) {
        self.scope = scope
        self.policy = policy
        self.services = services
        self.epoch = epoch
        self.gate = gate
        self.refusal = refusal
    }

    /// The loop's connections to PostgreSQL.
    var database: Database { services.database }

    /// How much the caller may see of personal data in the answers of this method.
    var personalView: PersonalView {
        let permission = policy.personalPermission
        return PersonalView(
            services.keyring,
            isWhole: permission.isEmpty || scope.grants.tenant.contains(permission),
            permission: permission
        )
    }
}

private enum CallKey: ContextKey {
    typealias Value = Call
}

private enum RefusedCallerKey: ContextKey {
    typealias Value = RefusedCaller
}

extension ServerContext {
    /// Who has proven who they were, and was not let in.
    var refusedCaller: RefusedCaller? {
        get { self[RefusedCallerKey.self] }
        set { self[RefusedCallerKey.self] = newValue }
    }

    /// The call as authentication has left it; nil before that, and for public methods.
    var admittedCall: Call? {
        get { self[CallKey.self] }
        set { self[CallKey.self] = newValue }
    }

    /// The call. Only handlers of methods that need a credential may ask.
    var call: Call {
        guard let call = admittedCall else {
            preconditionFailure("\(route.path) has no policy that needs a credential")
        }
        return call
    }

    /// Refuses the call when its caller does not hold the method's permission on the site that the request names.
    func checkSite(_ site: String) throws(DomainError) { try call.policy.check(call.scope, site: site) }

    /// Runs a write as one transaction: the effect, its audit event, and its outcome by request_id (``Database/write``). When
    /// it has changed who may do what, this returns when all servers know.
    ///
    /// `auditTenant` is the tenant that a call of the platform is about.
    func write<Request: WriteRequest, Response: Message>(
        _ request: Request,
        auditTenant: UUID? = nil,
        _ body: (Work) async throws -> Response
    ) async throws -> Response {
        let call = call
        precondition(call.policy.isWrite, "\(route.path) writes, but its policy says that it does not")
        let written = try await call.database.write(request, remembered, auditTenant: auditTenant, body)
        let (tenant, epochs) = (auditTenant ?? call.scope.tenant, call.services.epochs)
        var access = written.access
        if !access.isEmpty { await epochs.settle(access) }
        if !written.earlierAccess.isEmpty { access = await epochs.settleAgain(written.earlierAccess) }
        let token =
            access[tenant].map { ConsistencyToken(tenant: tenant, epoch: $0) }
            ?? ConsistencyToken(tenant: call.scope.tenant, epoch: call.epoch)
        responseMetadata.append("\(ConsistencyToken.metadata)", call.services.tokens.text(token))
        return written.response
    }

    /// Runs a read of personal data as one transaction with its audit event (``Database/read``).
    ///
    /// `auditTenant` is the tenant that a call of the platform is about; `settings` are those under which it reads.
    func read<Request: Message, Response: Message>(
        _ request: Request,
        auditTenant: UUID? = nil,
        settings: SessionSettings? = nil,
        _ body: (Reading) async throws -> Response
    ) async throws -> Response {
        let call = call
        precondition(call.policy.isClassified, "\(route.path) shows personal data, but its policy does not say so")
        return try await call.database.read(
            request,
            remembered,
            auditTenant: auditTenant,
            settings: settings,
            body
        )
    }

    /// The call as its audit event has it.
    private var remembered: WriteCall {
        let call = call
        return WriteCall(
            scope: call.scope,
            method: call.policy.method,
            callID: requestID,
            isAudited: call.policy.isAudited,
            category: call.policy.category,
            address: address,
            refusal: call.refusal,
            keyring: call.services.keyring,
            deadline: deadline
        )
    }

    /// Where the call comes from, without the port.
    var address: String {
        guard let colon = peer.lastIndex(of: ":") else { return peer }
        return String(peer[..<colon])
    }

    /// The page of a list that the request asks for.
    func page(_ request: some PagedRequest, order: String = "") throws(DomainError) -> Page {
        let call = call
        return try Page(
            request,
            method: call.policy.method,
            scope: call.scope,
            order: order,
            key: call.services.pageKey
        )
    }
}
