public import Domain
public import Postgres
internal import Primitives
public import TrellisAPI

/// What can be done with roles, and who has them.
public enum Roles {
    /// Makes a role that holds nothing beyond what its maker holds.
    public static func create(
        _ request: CreateRoleRequest,
        _ work: Work,
        _ catalogue: PermissionCatalogue
    ) async throws -> Role {
        guard SystemRole(slug: request.role) == nil else {
            throw DomainError.invalid("role", "\"\(request.role)\" is a system role: choose another name")
        }
        try catalogue.check(request.permissions, field: "permissions")
        try work.scope.requireCovering(request.permissions)
        let taken = DomainError.alreadyExists(resource: "role", field: "role", value: request.role)
        let made = try await saying(["role_pkey": taken]) {
            try await work.transaction.run(
                RoleInsert(
                    tenantID: work.scope.tenant,
                    role: request.role,
                    displayName: request.displayName.isEmpty ? request.role : request.displayName,
                    description: request.description,
                    permissions: request.permissions
                )
            )
            .certain
        }
        work.audit.changed("role", made.role, from: nil, to: made)
        return made
    }

    /// Returns one role.
    public static func get(
        _ request: GetRoleRequest,
        _ scope: Scope,
        _ database: Database,
        _ catalogue: PermissionCatalogue
    ) async throws -> Role {
        if let system = SystemRole(slug: request.role) { return system.role(catalogue) }
        return try await database.run(RoleGet(tenantID: scope.tenant, role: request.role), scope.settings)
            .orNotFound("role", request.role)
    }

    /// Returns a page of the roles: the system roles before the first of the tenant's own.
    public static func list(
        _ page: Page,
        _ scope: Scope,
        _ database: Database,
        _ catalogue: PermissionCatalogue
    ) async throws -> ListRolesResponse {
        var after = ""
        if let position = page.position {
            var reader = PositionReader(position)
            after = try reader.text()
        }
        let rows = try await database.run(
            RoleList(tenantID: scope.tenant, after: after, count: Int64(page.count)),
            scope.settings
        )
        var response = ListRolesResponse()
        (response.roles, response.nextPageToken) = page.cut(rows) { row in
            var writer = PositionWriter()
            writer.write(row.role)
            return writer.bytes
        }
        if page.position == nil {
            response.roles = SystemRole.ofTenants.map { $0.role(catalogue) } + response.roles
        }
        return response
    }

    /// Changes a role: locks it, checks the etag, sets what the mask names.
    public static func update(
        _ request: UpdateRoleRequest,
        _ work: Work,
        _ catalogue: PermissionCatalogue
    ) async throws -> Role {
        let mask = try UpdateMask(
            request.updateMask?.paths,
            fields: [
                "display_name": !request.displayName.isEmpty, "description": !request.description.isEmpty,
                "permissions": !request.permissions.isEmpty,
            ]
        )
        let before = try await lock(request.role, request.etag, work)
        var role = before
        // Whoever could change a role that holds more than they do could take away what they could not give.
        try work.scope.requireCovering(role.permissions)
        if mask.contains("display_name") {
            role.displayName = request.displayName.isEmpty ? request.role : request.displayName
        }
        if mask.contains("description") { role.description = request.description }
        let changesPermissions = mask.contains("permissions") && role.permissions != request.permissions
        if mask.contains("permissions") {
            guard !request.permissions.isEmpty else {
                throw DomainError.invalid(
                    "permissions",
                    "it is empty, but a role must hold something: delete it instead"
                )
            }
            try catalogue.check(request.permissions, field: "permissions")
            try work.scope.requireCovering(request.permissions)
            role.permissions = request.permissions
        }
        let changed = try await work.transaction.run(
            RoleUpdate(
                displayName: role.displayName,
                description: role.description,
                permissions: role.permissions,
                tenantID: work.scope.tenant,
                role: request.role
            )
        )
        if changesPermissions { try await work.changesAccess() }
        work.audit.changed("role", request.role, from: before, to: changed.certain)
        return changed.certain
    }

    /// Deletes a role that nobody has.
    public static func delete(_ request: DeleteRoleRequest, _ work: Work) async throws -> Role {
        let role = try await lock(request.role, request.etag, work)
        let tenant = work.scope.tenant
        let holders = try await work.transaction.run(RoleHolders(tenantID: tenant, role: request.role)).certain.count
        guard holders == 0 else {
            throw DomainError.failedPrecondition(
                .init(
                    reason: "ROLE_IN_USE",
                    subject: "roles/\(request.role)",
                    description: "\(holders) assignments of role \(request.role) are left: take them away first"
                )
            )
        }
        _ = try await work.transaction.run(RoleDelete(tenantID: tenant, role: request.role))
        work.audit.changed("role", request.role, from: role, to: nil)
        return role
    }

    // MARK: Who has which

    /// Gives a user a role.
    public static func assign(
        _ request: AssignRoleRequest,
        _ work: Work,
        _ catalogue: PermissionCatalogue
    ) async throws -> RoleAssignment {
        let user = try UUID(request.userID, field: "user_id")
        let site = try UUID.optional(request.siteID, field: "site_id")
        let tenant = work.scope.tenant
        _ = try await Users.lock(user, work)
        try await check(RoleGrant(role: request.role, siteID: request.siteID), "", work, catalogue)
        let insert = RoleBindingInsert(tenantID: tenant, userID: user, role: request.role, siteID: site ?? .zero)
        let isNew = try await work.transaction.run(insert) == 1
        // Also when they had it: whoever repeats the call waits for all servers, too.
        try await work.changesAccess()
        let assignment = try await work.transaction.run(
            RoleBindingGet(tenantID: tenant, userID: user, role: request.role, siteID: site ?? .zero)
        )
        .certain.assignment
        work.audit.changed("user", user.text, from: isNew ? nil : assignment, to: assignment)
        return assignment
    }

    /// Takes a role from a user.
    public static func unassign(
        _ request: UnassignRoleRequest,
        _ work: Work,
        _ catalogue: PermissionCatalogue
    ) async throws -> RoleAssignment {
        let user = try UUID(request.userID, field: "user_id")
        let site = try UUID.optional(request.siteID, field: "site_id")
        let tenant = work.scope.tenant
        try work.scope.requireCovering(try await patterns(of: request.role, work, catalogue), site: site)
        if request.role == SystemRole.owner.slug, site == nil { try await Users.keepAnOwner(beside: user, work) }
        let taken = try await work.transaction.run(
            RoleBindingDelete(tenantID: tenant, userID: user, role: request.role, siteID: site ?? .zero)
        )
        guard let taken else {
            throw DomainError.notFound(resource: "role assignment", id: "\(request.role) of user \(user)")
        }
        try await work.changesAccess()
        work.audit.changed("user", user.text, from: taken.assignment, to: nil)
        return taken.assignment
    }

    /// Returns a page of who has which role where.
    public static func assignments(
        _ request: ListRoleAssignmentsRequest,
        _ page: Page,
        _ scope: Scope,
        _ database: Database
    ) async throws -> ListRoleAssignmentsResponse {
        var (afterUser, afterRole, afterSite) = (UUID.zero, "", UUID.zero)
        if let position = page.position {
            var reader = PositionReader(position)
            (afterUser, afterRole, afterSite) = (try reader.id(), try reader.text(), try reader.id())
        }
        let query = RoleBindingList(
            tenantID: scope.tenant,
            afterUser: afterUser,
            afterRole: afterRole,
            afterSite: afterSite,
            filterUser: try UUID.optional(request.userID, field: "user_id") ?? .zero,
            filterRole: request.role,
            filterSite: try UUID.optional(request.siteID, field: "site_id") ?? .zero,
            count: Int64(page.count)
        )
        var response = ListRoleAssignmentsResponse()
        let cut = page.cut(try await database.run(query, scope.settings)) { row in
            var writer = PositionWriter()
            writer.write(row.userID)
            writer.write(row.role)
            writer.write(row.siteID)
            return writer.bytes
        }
        (response.roleAssignments, response.nextPageToken) = (cut.rows.map(\.assignment), cut.next)
        return response
    }

    // MARK: Parts

    /// Refuses to give a role that is not there, on a site that is not there, or that holds what the giver does not hold
    /// there. Role and site stay until the transaction ends. `path` leads to the grant in the request: "" or "roles[0].".
    static func check(
        _ grant: RoleGrant,
        _ path: String,
        _ work: Work,
        _ catalogue: PermissionCatalogue
    ) async throws {
        let site = try UUID.optional(grant.siteID, field: "\(path)site_id")
        if let site {
            let found = try await work.transaction.run(SiteShare(tenantID: work.scope.tenant, siteID: site))
            _ = try found.orNotFound("site", site)
        }
        try work.scope.requireCovering(try await patterns(of: grant.role, work, catalogue), site: site)
    }

    /// What a role holds, as patterns; the role stays as it is until the transaction ends.
    private static func patterns(
        of role: String,
        _ work: Work,
        _ catalogue: PermissionCatalogue
    ) async throws -> [String] {
        if let system = SystemRole(slug: role) { return system.patterns(catalogue) }
        return try await work.transaction.run(RoleShare(tenantID: work.scope.tenant, role: role))
            .orNotFound("role", role).permissions
    }

    private static func lock(_ role: String, _ etag: String, _ work: Work) async throws -> Role {
        guard SystemRole(slug: role) == nil else {
            throw DomainError.failedPrecondition(
                .init(
                    reason: "SYSTEM_ROLE",
                    subject: "roles/\(role)",
                    description: "\(role) is a system role, which cannot be changed: make a role of your own"
                )
            )
        }
        let found = try await work.transaction.run(RoleLock(tenantID: work.scope.tenant, role: role))
            .orNotFound("role", role)
        try Etag.check(etag, current: found.etag, resource: "role", id: role)
        return found
    }
}

extension SystemRole {
    /// What the role holds, as patterns.
    func patterns(_ catalogue: PermissionCatalogue) -> [String] {
        self == .owner ? ["*"] : catalogue.expand(catalogue.permissions(of: self), platform: false)
    }

    /// The role as the API shows it.
    func role(_ catalogue: PermissionCatalogue) -> Role {
        let (name, description) =
            switch self {
            case .owner: ("Owner", "Holds everything, what comes later too.")
            case .admin: ("Administrator", "Administers people, credentials and settings.")
            case .manager: ("Manager", "Changes what the tenant works with.")
            case .member, .unspecified, .unrecognized: ("Member", "Works with what the tenant has.")
            }
        return Role(
            role: slug,
            displayName: name,
            description: description,
            permissions: patterns(catalogue),
            system: true
        )
    }
}

extension RoleBinding {
    /// The assignment as the API shows it.
    var assignment: RoleAssignment {
        RoleAssignment(
            userID: userID.text,
            role: role,
            siteID: siteID == .zero ? "" : siteID.text,
            createTime: Timestamp(createTime)
        )
    }
}
