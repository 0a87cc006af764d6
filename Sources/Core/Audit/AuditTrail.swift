public import Domain
public import Postgres
public import Primitives

/// Whose trail a call is about.
public struct AuditTrail: Sendable {
    /// The tenant; the zero UUID for the platform's own trail.
    public let tenant: UUID
    /// Under which settings it is read: those of the tenant, whoever calls.
    public let settings: SessionSettings
    private let isWhole: Bool

    /// The trail of the caller's tenant, or, for the platform, of the one that it names.
    ///
    /// Throws ``DomainError/invalid(_:)`` when somebody else names a tenant.
    public init(_ tenantID: String, _ scope: Scope) throws(DomainError) {
        let named = try UUID.optional(tenantID, field: "tenant_id")
        if scope.isPlatform {
            tenant = named ?? .zero
        } else {
            guard named == nil || named == scope.tenant else {
                throw .invalid("tenant_id", "only the platform names a tenant: leave it empty to read your own trail")
            }
            tenant = scope.tenant
        }
        isWhole = tenant == scope.tenant && scope.grants.tenant.contains("tenancy.end_users.read_personal")
        settings = Scope.settings(tenant: tenant)
    }

    /// The settings for lists: their statement is planned for the filters that it has.
    public var listing: SessionSettings {
        SessionSettings(settings.values + [.init(name: "plan_cache_mode", value: "force_custom_plan")])
    }

    /// How much of personal data the caller sees: as it is with the permission to see users' and end users', and the platform
    /// sees none of a tenant's.
    public func view(_ view: PersonalView) -> PersonalView {
        PersonalView(view.keyring, isWhole: view.isWhole && isWhole, permission: view.permission)
    }
}
