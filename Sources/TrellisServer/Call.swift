import Domain
import Postgres
import Primitives
import Protobuf
import RPCServer

/// A call that has been let in: who calls what, and what it may use.
final class Call: Sendable {
    /// Who is calling.
    let scope: Scope
    /// The policy of the method.
    let policy: RoutePolicy
    /// What the calls of this loop share.
    let services: LoopServices

    init(scope: Scope, policy: RoutePolicy, services: LoopServices) {
        self.scope = scope
        self.policy = policy
        self.services = services
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

extension ServerContext {
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

    /// Runs a write as one transaction: the effect, its audit event, and its outcome by request_id (``Database/write``).
    ///
    /// `auditTenant` is the tenant that a call of the platform is about.
    func write<Request: WriteRequest, Response: Message>(
        _ request: Request,
        auditTenant: UUID? = nil,
        _ body: (Work) async throws -> Response
    ) async throws -> Response {
        let call = call
        precondition(call.policy.isWrite, "\(route.path) writes, but its policy says that it does not")
        return try await call.database.write(request, remembered, auditTenant: auditTenant, body).response
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
