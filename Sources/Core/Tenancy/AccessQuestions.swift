public import Domain
public import Postgres
internal import Primitives
public import TrellisAPI

/// Questions about who may do what. Whoever asks about somebody else must be allowed to read roles; the platform, which
/// is in no tenant, can ask about itself only.
public enum AccessQuestions {
    /// The permission to ask about somebody else.
    static let permission = "tenancy.roles.read"

    /// Every permission that a tenant's credential can hold.
    public static func permissions(_ catalogue: PermissionCatalogue) -> ListPermissionsResponse {
        ListPermissionsResponse(
            permissions: catalogue.tenant.map { name in
                Permission(
                    name: name,
                    description: catalogue.descriptions[name] ?? "",
                    systemRoles: catalogue.systemRoles(holding: name).map(\.slug)
                )
            }
        )
    }

    /// Answers questions, all at one moment. `path` leads to a question in the request: "" or "checks[0].".
    public static func check(
        _ checks: [CheckRequest],
        path: (Int) -> String,
        _ scope: Scope,
        _ database: Database,
        _ catalogue: PermissionCatalogue
    ) async throws -> [CheckResponse] {
        let known = Set(catalogue.tenant + catalogue.platform)
        for (index, check) in checks.enumerated() where !known.contains(check.permission) {
            throw DomainError.invalid(
                "\(path(index))permission",
                "there is no permission \"\(check.permission)\": ListPermissions returns those that there are"
            )
        }
        let users = Set(try checks.compactMap { try UUID.optional($0.userID, field: "user_id") })
        let asked = Set(try checks.compactMap { try UUID.optional($0.siteID, field: "site_id") })
        if users.contains(where: { $0 != scope.actor.user }) { try scope.require(permission) }
        var grants: [UUID: Grants] = [:]
        var sites: Set<UUID> = []
        if !scope.isPlatform, !users.isEmpty || !asked.isEmpty {
            // One snapshot for all of them.
            (grants, sites) = try await database.transaction(scope.settings, mode: .snapshot) { transaction in
                var found: [UUID: Grants] = [:]
                for user in users { found[user] = try await Self.grants(user, scope, transaction, catalogue) }
                let there = SitesThere(tenantID: scope.tenant, sites: Array(asked))
                return (found, Set(try await transaction.run(there).map(\.siteID)))
            }
        }
        return try checks.map { check in
            let site = try UUID.optional(check.siteID, field: "site_id")
            if let site, !sites.contains(site) { return CheckResponse(allowed: false) }
            let user = try UUID.optional(check.userID, field: "user_id")
            let held = user.map { grants[$0] ?? Grants() } ?? scope.grants
            return CheckResponse(allowed: held.holds(check.permission, site: site))
        }
    }

    /// All that somebody may do, and by which roles.
    public static func effective(
        _ request: ListEffectivePermissionsRequest,
        _ scope: Scope,
        _ database: Database,
        _ catalogue: PermissionCatalogue
    ) async throws -> ListEffectivePermissionsResponse {
        let site = try UUID.optional(request.siteID, field: "site_id")
        let asked = try UUID.optional(request.userID, field: "user_id")
        if let asked, asked != scope.actor.user { try scope.require(permission) }
        var response = ListEffectivePermissionsResponse()
        var grants = scope.grants
        if !scope.isPlatform, let user = asked ?? scope.actor.user {
            let (rows, isLetIn) = try await database.run(
                UserGrants(tenantID: scope.tenant, userID: user),
                UserIsLetIn(tenantID: scope.tenant, userID: user),
                settings: scope.settings
            )
            guard isLetIn.certain.known else { throw DomainError.notFound(resource: "user", id: user.text) }
            let held = isLetIn.certain.letIn ? rows.filter { $0.siteID == .zero || $0.siteID == site } : []
            // Of the caller, what their credential leaves of it.
            if asked != nil { grants = catalogue.grants(held) }
            response.roleAssignments = held.map {
                RoleBinding(userID: user, role: $0.role, siteID: $0.siteID, createTime: $0.createTime).assignment
            }
        }
        let names = scope.isPlatform ? catalogue.platform : catalogue.tenant
        response.permissions = names.filter { grants.holds($0, site: site) }
        return response
    }

    /// What a user may do now: nothing when they are not let in.
    private static func grants(
        _ user: UUID,
        _ scope: Scope,
        _ transaction: Transaction,
        _ catalogue: PermissionCatalogue
    ) async throws -> Grants {
        let (rows, isLetIn) = try await transaction.run(
            UserGrants(tenantID: scope.tenant, userID: user),
            UserIsLetIn(tenantID: scope.tenant, userID: user)
        )
        return isLetIn.certain.letIn ? catalogue.grants(rows) : Grants()
    }
}
