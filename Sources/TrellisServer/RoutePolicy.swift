import Domain
import Primitives
import Protobuf
import RPCServer
import TrellisAPI

/// The policy of a method, as the proto file has it, made ready to be asked on every call.
struct RoutePolicy: Sendable {
    /// The permission that the caller must hold; empty when none is needed.
    let permission: String
    /// Which kinds of credential may call.
    let scope: PolicyScope
    /// Whether the call changes anything.
    let isWrite: Bool
    /// Whether the call leaves an audit event.
    let isAudited: Bool
    /// What kind of record that is.
    let category: AuditCategory
    /// Whether it shows personal data, so that reading it leaves an audit event.
    let isClassified: Bool
    /// Whether the call administers a tenant, and so must come from where that allows it.
    let isAdministrative: Bool
    /// Whether holding the permission on some site may be enough: which one, the request says.
    let admitsSites: Bool
    /// The permission that shows personal data as it is; empty when none is needed.
    let personalPermission: String
    /// By which of the plan's rates calls are counted.
    let rateClass: RateClass
    /// The method's name in logs, audit events, page tokens and outcomes: its path without the first slash.
    let method: String

    /// What a route carries; nil for methods that are not ours (health, reflection), which are public.
    init?(_ route: Route) {
        guard let policy = route.attributes as? MethodPolicy else { return nil }
        permission = policy.permission
        scope = policy.scope
        isWrite = policy.effect == .write
        isAudited = policy.audited
        category = policy.category != .unspecified ? policy.category : policy.effect == .write ? .dataChange : .access
        isClassified = policy.classified
        isAdministrative = policy.administrative
        admitsSites = policy.anySite || !policy.siteField.isEmpty
        personalPermission = policy.personalPermission
        rateClass = policy.rateClass == .unspecified ? (isWrite ? .write : .read) : policy.rateClass
        method = String(route.path.dropFirst())
    }

    /// Whether a credential of a tenant may call.
    var admitsTenants: Bool { scope == .tenant || scope == .tenantOrPlatform || scope == .authenticated }
    /// Whether the platform's credential may call.
    var admitsPlatform: Bool { scope == .platform || scope == .tenantOrPlatform || scope == .authenticated }

    /// Refuses a caller whose credential is of the wrong kind or lacks the permission.
    func check(_ caller: Scope) throws(DomainError) {
        guard caller.isPlatform ? admitsPlatform : admitsTenants else {
            throw .wrongCredentialKind(required: caller.isPlatform ? .tenant : .platform)
        }
        guard permission.isEmpty || caller.grants.tenant.contains(permission) || isHeldSomewhere(caller) else {
            throw .permissionDenied(permission: permission)
        }
    }

    private func isHeldSomewhere(_ caller: Scope) -> Bool {
        admitsSites && caller.grants.sites.values.contains { $0.contains(permission) }
    }

    /// Refuses a caller who does not hold the permission on the site that the request names, or, when it names none, on
    /// the whole tenant. What is no id is left to the field rules.
    func check(_ caller: Scope, site: String) throws(DomainError) {
        guard !caller.grants.tenant.contains(permission) else { return }
        try caller.require(permission, site: UUID(site))
    }
}

extension PermissionCatalogue {
    /// Every permission that the contract declares.
    init(_ policies: [RoutePolicy]) {
        self.init(
            DescriptorPool.trellis.services.flatMap(\.permissions),
            platform: Set(policies.lazy.filter(\.admitsPlatform).map(\.permission).filter { !$0.isEmpty })
        )
    }
}
