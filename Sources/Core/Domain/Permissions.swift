public import Primitives
public import TrellisAPI

/// What a credential may do: permissions by name, all of an area, or everything its kind of credential can hold.
///
/// Written as patterns: `tenancy.sites.read`, `tenancy.*`, `*`.
public struct PermissionSet: Hashable, Sendable {
    private var all = false
    private var areas: Set<Substring> = []
    private var names: Set<String> = []

    /// Reads patterns; what is no pattern grants nothing.
    public init(_ patterns: some Sequence<String>) {
        for pattern in patterns {
            if pattern == "*" {
                all = true
            } else if pattern.hasSuffix(".*") {
                areas.insert(pattern.dropLast(2))
            } else {
                names.insert(pattern)
            }
        }
    }

    /// Whether it has the permission of this name.
    public func contains(_ permission: String) -> Bool {
        if all || names.contains(permission) { return true }
        if areas.isEmpty { return false }
        let area = Self.area(of: permission)
        return area.count < permission.count && areas.contains(area)
    }

    /// Whether everything that `pattern` grants, now and later, is granted here: a whole area is only held by a pattern
    /// that names all of it.
    public func covers(_ pattern: String) -> Bool {
        if all { return true }
        if pattern == "*" { return false }
        if pattern.hasSuffix(".*") { return areas.contains(pattern.dropLast(2)) }
        return contains(pattern)
    }

    /// Whether it grants nothing.
    public var isEmpty: Bool { !all && areas.isEmpty && names.isEmpty }

    /// What either grants.
    public func union(_ other: PermissionSet) -> PermissionSet {
        var both = self
        both.all = all || other.all
        both.areas.formUnion(other.areas)
        both.names.formUnion(other.names)
        return both
    }

    /// What both grant.
    public func intersection(_ other: PermissionSet) -> PermissionSet {
        if all { return other }
        if other.all { return self }
        var common = PermissionSet([])
        common.areas = areas.intersection(other.areas)
        common.names = names.filter(other.contains).union(other.names.filter(contains))
        return common
    }

    /// The area of a permission: what stands before its first dot.
    static func area(of permission: String) -> Substring {
        permission.prefix { $0 != "." }
    }
}

/// Every permission there is, as the proto files declare them, and what the system roles hold of them.
public struct PermissionCatalogue: Sendable {
    /// The permissions that a tenant's credential can hold, in alphabetical order.
    public let tenant: [String]
    /// The permissions that only the platform's credential holds, in alphabetical order.
    public let platform: [String]
    /// What each permission allows.
    public let descriptions: [String: String]
    private let leastRoles: [String: SystemRole]
    private let holdings: [SystemRole: PermissionSet]

    /// Takes the permissions that services declare, and the permissions of the RPCs that the platform's credential can call.
    public init(_ declarations: [PermissionDeclaration], platform: Set<String>) {
        let ofTenants = declarations.filter { $0.leastRole != .unspecified }
        tenant = ofTenants.map(\.name).sorted()
        self.platform = platform.sorted()
        descriptions = Dictionary(declarations.map { ($0.name, $0.description) }) { first, _ in first }
        leastRoles = Dictionary(ofTenants.map { ($0.name, $0.leastRole) }) { first, _ in first }
        holdings = Dictionary(
            uniqueKeysWithValues: SystemRole.ofTenants.map { role in
                guard role != .owner else { return (role, PermissionSet(["*"])) }
                let held = ofTenants.filter { $0.leastRole.rawValue <= role.rawValue }
                return (role, PermissionSet(held.map(\.name)))
            }
        )
    }

    /// What a system role holds. The owner holds everything, what comes later too.
    public func permissions(of role: SystemRole) -> PermissionSet { holdings[role] ?? PermissionSet([]) }

    /// The system roles that hold a permission, the least first.
    public func systemRoles(holding permission: String) -> [SystemRole] {
        guard let least = leastRoles[permission] else { return [] }
        return SystemRole.ofTenants.filter { least.rawValue <= $0.rawValue }
    }

    /// Every permission that the set grants to a credential of a tenant, or of the platform.
    public func expand(_ permissions: PermissionSet, platform isPlatform: Bool) -> [String] {
        (isPlatform ? platform : tenant).filter { permissions.contains($0) }
    }

    /// Refuses patterns that grant nothing: a permission or an area that does not exist, or not for tenants.
    public func check(_ patterns: [String], field: String) throws(DomainError) {
        let areas = Set(tenant.map { PermissionSet.area(of: $0) })
        for (index, pattern) in patterns.enumerated() where pattern != "*" {
            if pattern.hasSuffix(".*") ? areas.contains(pattern.dropLast(2)) : tenant.contains(pattern) { continue }
            throw .invalid(
                "\(field)[\(index)]",
                "there is no permission \"\(pattern)\"; there are: *, "
                    + (areas.sorted().map { "\($0).*" } + tenant).joined(separator: ", ")
            )
        }
    }

    /// What a user's roles grant, each on the tenant or on its site.
    package func grants(_ rows: [UserGrant]) -> Grants {
        var grants = Grants()
        for row in rows {
            let held = SystemRole(slug: row.role).map { permissions(of: $0) } ?? PermissionSet(row.permissions ?? [])
            if row.siteID == .zero {
                grants.tenant = grants.tenant.union(held)
            } else {
                grants.sites[row.siteID, default: PermissionSet([])] = grants.sites[row.siteID]?.union(held) ?? held
            }
        }
        return grants
    }
}

/// What somebody may do: on the whole tenant, and beyond that on single sites.
public struct Grants: Hashable, Sendable {
    /// On the tenant, and so on all its sites.
    public var tenant: PermissionSet
    /// On single sites, beside that.
    public var sites: [UUID: PermissionSet]

    /// Takes the parts; by default nothing.
    public init(tenant: PermissionSet = PermissionSet([]), sites: [UUID: PermissionSet] = [:]) {
        self.tenant = tenant
        self.sites = sites
    }

    /// What both grant: a credential's own permissions hold nowhere but where its user's do.
    public func limited(to permissions: PermissionSet) -> Grants {
        Grants(
            tenant: tenant.intersection(permissions),
            sites: sites.mapValues { $0.intersection(permissions) }.filter { !$0.value.isEmpty }
        )
    }

    /// What of it holds on single sites: a credential that is limited to them holds nothing beyond.
    public func limited(to sites: [UUID]) -> Grants {
        let held = sites.map { ($0, self.sites[$0].map(tenant.union) ?? tenant) }
        return Grants(sites: Dictionary(held) { first, _ in first })
    }

    /// Whether a permission is held on a site, or, with nil, on the whole tenant.
    public func holds(_ permission: String, site: UUID?) -> Bool {
        tenant.contains(permission) || site.flatMap { sites[$0] }?.contains(permission) == true
    }

    /// Whether all that `pattern` grants is held on a site, or, with nil, on the whole tenant.
    public func covers(_ pattern: String, site: UUID?) -> Bool {
        tenant.covers(pattern) || site.flatMap { sites[$0] }?.covers(pattern) == true
    }
}

extension SystemRole {
    /// The system roles that every tenant has, the least first.
    public static let ofTenants: [SystemRole] = [.member, .manager, .admin, .owner]

    /// The role's short name, such as "owner".
    public var slug: String {
        switch self {
        case .member: "member"
        case .manager: "manager"
        case .admin: "admin"
        case .owner: "owner"
        case .unspecified, .unrecognized: ""
        }
    }

    /// The system role of a short name; nil for a role that a tenant has made.
    public init?(slug: String) {
        guard let role = Self.ofTenants.first(where: { $0.slug == slug }) else { return nil }
        self = role
    }
}
