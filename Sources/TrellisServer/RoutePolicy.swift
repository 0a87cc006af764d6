import Domain
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
    /// The method's name in logs, audit events, page tokens and outcomes: its path without the first slash.
    let method: String

    /// What a route carries; nil for methods that are not ours (health, reflection), which are public.
    init?(_ route: Route) {
        guard let policy = route.attributes as? MethodPolicy else { return nil }
        permission = policy.permission
        scope = policy.scope
        isWrite = policy.effect == .write
        isAudited = policy.audited
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
        guard permission.isEmpty || caller.permissions.contains(permission) else {
            throw .permissionDenied(permission: permission)
        }
    }
}

extension PermissionCatalogue {
    /// Reads the permissions of all methods.
    init(_ policies: [RoutePolicy]) {
        self.init(policies.map { ($0.permission, $0.admitsTenants, $0.admitsPlatform) })
    }
}
