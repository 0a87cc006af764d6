public import Domain
public import Postgres
internal import Primitives
public import TrellisAPI

/// What can be done with the API keys of a tenant.
public enum ApiKeys {
    /// How long a key can last, in days of 24 hours: ten years.
    public static let maximumLifetimeDays: Int64 = 3653

    /// Makes a key for the caller's tenant; it can hold nothing that the caller does not hold.
    public static func create(
        _ request: CreateApiKeyRequest,
        _ work: Work,
        _ catalogue: PermissionCatalogue
    ) async throws -> ApiKey {
        try catalogue.check(request.permissions, field: "permissions")
        let sites = try await self.sites(request.siteIDs, work)
        try requireCovering(request.permissions, sites, work)
        // A key that acts for a user makes keys that act for the same user only.
        let user = try UUID.optional(request.userID, field: "user_id")
        if let own = work.scope.actor.user, user != own {
            throw DomainError.invalid("user_id", "a key that acts for a user can only make keys for that user, \(own)")
        }
        return try await insert(
            tenant: work.scope.tenant,
            displayName: request.displayName,
            permissions: request.permissions,
            sites: sites,
            user: user,
            expires: try expiry(request.expireTime),
            work
        )
    }

    /// Makes an administrator key of a tenant, as the platform.
    public static func issue(_ request: IssueTenantKeyRequest, _ work: Work) async throws -> ApiKey {
        let tenant = try UUID(request.tenantID, field: "tenant_id")
        try await Tenants.requireOpen(tenant, work)
        return try await insert(
            tenant: tenant,
            displayName: request.displayName,
            permissions: ["*"],
            sites: [],
            user: nil,
            expires: try expiry(request.expireTime),
            work
        )
    }

    private static func insert(
        tenant: UUID,
        displayName: String,
        permissions: [String],
        sites: [UUID],
        user: UUID?,
        expires: Instant?,
        _ work: Work
    ) async throws -> ApiKey {
        let id = UUID.v7()
        let credential = Credential(owner: .tenant(tenant), key: id)
        let errors: KeyValuePairs = [
            "api_key_tenant_id_fkey": DomainError.notFound(resource: "tenant", id: tenant.text),
            "api_key_tenant_id_user_id_fkey": DomainError.notFound(resource: "user", id: user?.text ?? ""),
        ]
        return try await saying(errors) {
            let row = try await work.transaction.run(
                ApiKeyInsert(
                    tenantID: tenant,
                    apiKeyID: id,
                    displayName: displayName,
                    permissions: permissions,
                    siteIDs: sites,
                    userID: user,
                    obfuscatedSecret: credential.obfuscated,
                    secretHash: credential.hash,
                    expireTime: expires
                )
            )
            var key = row.certain
            key.secret = credential.secret
            return key
        }
    }

    /// Returns a page of the keys.
    public static func list(
        _ request: ListApiKeysRequest,
        _ page: Page,
        _ scope: Scope,
        _ database: Database
    ) async throws -> ListApiKeysResponse {
        let (tenant, after, count) = (scope.tenant, try page.after, Int64(page.count))
        let rows: [ApiKey]
        if let user = try UUID.optional(request.userID, field: "user_id") {
            let query = ApiKeyListByUser(
                tenantID: tenant,
                userID: user,
                after: after,
                showRevoked: request.showRevoked,
                count: count
            )
            rows = try await database.run(query, scope.settings)
        } else {
            let query = ApiKeyList(tenantID: tenant, after: after, showRevoked: request.showRevoked, count: count)
            rows = try await database.run(query, scope.settings)
        }
        var response = ListApiKeysResponse()
        (response.apiKeys, response.nextPageToken) = page.cut(rows, id: \.id)
        return response
    }

    /// Gives a key a new secret. Whoever does so could use the key, so they must hold what it holds.
    public static func rotate(_ request: RotateApiKeyRequest, _ work: Work) async throws -> ApiKey {
        let (id, tenant) = (try UUID(request.id, field: "id"), work.scope.tenant)
        _ = try await lock(id, "rotate", work)
        let credential = Credential(owner: .tenant(tenant), key: id)
        let (before, after) = try await work.transaction.run(
            ApiKeyGet(tenantID: tenant, apiKeyID: id),
            ApiKeyRotate(
                secretHash: credential.hash,
                obfuscatedSecret: credential.obfuscated,
                graceSeconds: request.gracePeriodSeconds,
                tenantID: tenant,
                apiKeyID: id
            )
        )
        var key = try after.certain
        work.audit.changed("api_key", key.id, from: before, to: key)
        // What the secrets before were let in for has changed.
        try await work.changesAccess()
        key.secret = credential.secret
        return key
    }

    /// Changes a key: locks it, checks the etag, sets what the mask names.
    public static func update(
        _ request: UpdateApiKeyRequest,
        _ work: Work,
        _ catalogue: PermissionCatalogue
    ) async throws -> ApiKey {
        let mask = try UpdateMask(
            request.updateMask?.paths,
            fields: [
                "display_name": !request.displayName.isEmpty, "permissions": !request.permissions.isEmpty,
                "expire_time": request.expireTime != nil, "site_ids": !request.siteIDs.isEmpty,
            ]
        )
        let (id, tenant) = (try UUID(request.id, field: "id"), work.scope.tenant)
        var key = try await lock(id, "change", work)
        try Etag.check(request.etag, current: "\(key.version)", resource: "API key", id: request.id)
        if mask.contains("display_name") {
            guard !request.displayName.isEmpty else {
                throw DomainError.invalid("display_name", "it is empty, but a key says what it is for")
            }
            key.displayName = request.displayName
        }
        if mask.contains("permissions") {
            guard !request.permissions.isEmpty else {
                throw DomainError.invalid(
                    "permissions",
                    "it is empty, but a key must hold something: revoke it instead"
                )
            }
            try catalogue.check(request.permissions, field: "permissions")
            key.permissions = request.permissions
        }
        if mask.contains("site_ids") { key.siteIDs = try await sites(request.siteIDs, work) }
        if mask.contains("expire_time") { key.expireTime = try expiry(request.expireTime) }
        try requireCovering(key.permissions, key.siteIDs, work)
        let (before, after) = try await work.transaction.run(
            ApiKeyGet(tenantID: tenant, apiKeyID: id),
            ApiKeyUpdate(
                displayName: key.displayName,
                permissions: key.permissions,
                siteIDs: key.siteIDs,
                expireTime: key.expireTime,
                tenantID: tenant,
                apiKeyID: id
            )
        )
        let changed = try after.certain
        work.audit.changed("api_key", changed.id, from: before, to: changed)
        try await work.changesAccess()
        return changed
    }

    /// A key that is valid and of which the caller holds everything, locked. `verb` is what they want to do with it.
    private static func lock(_ id: UUID, _ verb: String, _ work: Work) async throws -> ApiKeyLockRow {
        let key = try await work.transaction.run(ApiKeyLock(tenantID: work.scope.tenant, apiKeyID: id))
            .orNotFound("API key", id)
        guard key.revokeTime == nil else { throw ended(id, "API_KEY_REVOKED", "was revoked: make a new one") }
        guard !key.isExpired else { throw ended(id, "API_KEY_EXPIRED", "has expired: make a new one") }
        try requireCovering(key.permissions, key.siteIDs, work)
        if let own = work.scope.actor.user, key.userID != own {
            throw DomainError.invalid("id", "a key that acts for a user can only \(verb) keys of that user, \(own)")
        }
        return key
    }

    private static func ended(_ id: UUID, _ reason: String, _ description: String) -> DomainError {
        let text = "API key \(id) \(description)"
        return .failedPrecondition(.init(reason: reason, subject: "apiKeys/\(id)", description: text))
    }

    /// Revokes a key.
    public static func revoke(_ request: RevokeApiKeyRequest, _ work: Work) async throws -> ApiKey {
        let id = try UUID(request.id, field: "id")
        let (before, after) = try await work.transaction.run(
            ApiKeyGet(tenantID: work.scope.tenant, apiKeyID: id),
            ApiKeyRevoke(tenantID: work.scope.tenant, apiKeyID: id)
        )
        let revoked = try after.orNotFound("API key", id)
        work.audit.changed("api_key", revoked.id, from: before, to: revoked)
        // Also when it was revoked before: whoever repeats the call waits for all servers, too.
        try await work.changesAccess()
        return revoked
    }

    /// The sites that a key is limited to, each once; they are there until the transaction ends.
    private static func sites(_ texts: [String], _ work: Work) async throws -> [UUID] {
        var sites: [UUID] = []
        for (index, text) in texts.enumerated() {
            let site = try UUID(text, field: "site_ids[\(index)]")
            guard !sites.contains(site) else { continue }
            _ = try await work.transaction.run(SiteShare(tenantID: work.scope.tenant, siteID: site))
                .orNotFound("site", site)
            sites.append(site)
        }
        return sites
    }

    /// Refuses to give a key what the caller does not hold where it will hold it.
    private static func requireCovering(_ permissions: [String], _ sites: [UUID], _ work: Work) throws(DomainError) {
        guard !sites.isEmpty else { return try work.scope.requireCovering(permissions) }
        for site in sites { try work.scope.requireCovering(permissions, site: site) }
    }

    private static func expiry(_ time: Timestamp?) throws(DomainError) -> Instant? {
        guard let time else { return nil }
        let now = Instant.now()
        let last = now.advanced(byMicroseconds: maximumLifetimeDays * 86_400_000_000)
        let instant = time.instant
        guard instant > now, instant <= last else {
            throw .invalid("expire_time", "it must lie after now (\(now)) and not after \(last)")
        }
        return instant
    }
}
