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

    /// The area of a permission: what stands before its first dot.
    static func area(of permission: String) -> Substring {
        permission.prefix { $0 != "." }
    }
}

/// Every permission there is: read from the policies of all RPCs, so that it cannot differ from what they enforce.
public struct PermissionCatalogue: Sendable {
    /// The permissions that a tenant's credential can hold, in alphabetical order.
    public let tenant: [String]
    /// The permissions that the platform's credential holds, in alphabetical order.
    public let platform: [String]

    /// Collects from policies: a permission and the kinds of credential that its RPC takes.
    public init(_ policies: some Sequence<(permission: String, tenant: Bool, platform: Bool)>) {
        var tenant: Set<String> = []
        var platform: Set<String> = []
        for policy in policies where !policy.permission.isEmpty {
            if policy.tenant { tenant.insert(policy.permission) }
            if policy.platform { platform.insert(policy.permission) }
        }
        self.tenant = tenant.sorted()
        self.platform = platform.sorted()
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
}
