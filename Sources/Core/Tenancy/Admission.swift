public import Domain
public import Postgres
public import Primitives

/// Lets callers in: finds out whom a credential or a certificate stands for.
public enum Admission {
    /// Whom it stands for.
    public struct Admitted: Sendable {
        /// Under what the caller's calls run.
        public let scope: Scope
        /// When it ends.
        public let expires: Instant?
        /// How many changes of who may do what in the tenant are taken into account, at least.
        public let epoch: Int64
        /// From where the caller may administer the tenant; nil for everywhere.
        public let addresses: AllowedAddresses?
        /// Whose use is to be noted; nil for none's.
        public let use: CredentialUse?
        /// How the tenant stands.
        public let standing: TenantStanding

        /// Takes the parts.
        public init(
            scope: Scope,
            expires: Instant?,
            epoch: Int64,
            addresses: AllowedAddresses?,
            use: CredentialUse?,
            standing: TenantStanding
        ) {
            self.scope = scope
            self.expires = expires
            self.epoch = epoch
            self.addresses = addresses
            self.use = use
            self.standing = standing
        }
    }

    /// Looks a credential up; nil when it is unknown, expired or revoked. On the database's loop.
    public static func admit(
        _ credential: Credential,
        _ database: Database,
        _ catalogue: PermissionCatalogue
    ) async throws(PostgresError) -> Admitted? {
        switch credential.owner {
        case .platform:
            guard
                let row = try await database.run(
                    PlatformKeyCredential(platformKeyID: credential.key),
                    Scope.platformSettings
                ),
                constantTimeEqual(row.secretHash, credential.hash)
            else { return nil }
            let grants = Grants(tenant: PermissionSet(["*"]))
            let scope = Scope(tenant: .zero, actor: .platform(key: credential.key), grants: grants)
            return Admitted(
                scope: scope,
                expires: nil,
                epoch: row.epoch,
                addresses: nil,
                use: nil,
                standing: .platform
            )
        case .tenant(let tenant):
            let (found, roles, tenantRows) = try await database.run(
                ApiKeyCredential(tenantID: tenant, apiKeyID: credential.key),
                ApiKeyUserGrants(tenantID: tenant, apiKeyID: credential.key),
                TenantAdmission(tenantID: tenant),
                settings: Scope.settings(tenant: tenant)
            )
            guard let row = found, let validity = row.validity(of: credential.hash) else { return nil }
            // What its user loses, the key loses.
            var grants = Grants(tenant: PermissionSet(row.permissions))
            if row.userID != nil { grants = catalogue.grants(roles).limited(to: grants.tenant) }
            if row.isLimited { grants = grants.limited(to: row.sites) }
            let actor: Actor = row.userID.map { .user($0, key: credential.key) } ?? .service(key: credential.key)
            return Admitted(
                scope: Scope(tenant: tenant, actor: actor, grants: grants),
                expires: validity.end,
                epoch: row.epoch,
                addresses: AllowedAddresses(stored: row.networks),
                use: CredentialUse(kind: .apiKey, tenant: tenant, id: credential.key),
                standing: TenantStanding(tenantRows)
            )
        }
    }

    /// Looks up whose certificate bears one of these names; nil when it is nobody's, or more than one principal's. On the
    /// database's loop.
    ///
    /// Throws ``RefusedCaller`` when it was a principal's who was revoked, or `PostgresError`.
    public static func admit(_ names: [CertificateName], _ database: Database) async throws -> Admitted? {
        let names = names.map(\.text)
        let (rows, tenantRows) = try await database.run(
            ServicePrincipalCredential(certificates: names),
            CertificateAdmission(certificates: names),
            settings: Scope.platformSettings
        )
        // A name whose principal was revoked does not stand in the way of another.
        let found = rows.filter { !$0.isRevoked }
        guard let row = found.first else {
            guard let last = rows.last, rows.allSatisfy({ $0.tenantID == last.tenantID }) else { return nil }
            let actor = Actor.service(key: last.servicePrincipalID)
            throw RefusedCaller(tenant: last.tenantID, actor: actor, problem: .unknownCertificate)
        }
        guard found.allSatisfy({ $0.servicePrincipalID == row.servicePrincipalID }) else { return nil }
        return Admitted(
            scope: Scope(
                tenant: row.tenantID,
                actor: .service(key: row.servicePrincipalID),
                grants: Grants(tenant: PermissionSet(row.permissions))
            ),
            expires: nil,
            epoch: row.epoch,
            addresses: AllowedAddresses(stored: row.networks),
            use: CredentialUse(kind: .servicePrincipal, tenant: row.tenantID, id: row.servicePrincipalID),
            standing: TenantStanding(tenantRows)
        )
    }

    /// Writes down when credentials were used, of all tenants, as one batch. On the database's loop.
    public static func note(_ uses: [CredentialUse: Instant], _ database: Database) async throws(PostgresError) {
        let keys = uses.filter { $0.key.kind == .apiKey }.sorted { $0.key.id < $1.key.id }
        let principals = uses.filter { $0.key.kind == .servicePrincipal }.sorted { $0.key.id < $1.key.id }
        guard !uses.isEmpty else { return }
        _ = try await database.run(
            ApiKeysUsed(tenants: keys.map(\.key.tenant), keys: keys.map(\.key.id), times: keys.map(\.value)),
            ServicePrincipalsUsed(
                tenants: principals.map(\.key.tenant),
                principals: principals.map(\.key.id),
                times: principals.map(\.value)
            ),
            settings: Scope.platformSettings
        )
    }

    /// A secret for the platform's first key, for ``ensurePlatformKey(_:secret:)``.
    public static func newPlatformKey() -> String { Credential(owner: .platform, key: .v7()).secret }

    /// Makes `secret` the platform's first key when there has never been one.
    ///
    /// The caller keeps the secret safe before it calls, so that a crash on either side loses nothing: the same call made
    /// again makes the key or finds it. Safe when several servers start on one database at the same time. On the
    /// database's loop.
    ///
    /// - Returns: whether `secret` is a key of the platform now: not when another one was made first, or this one was
    ///   revoked.
    public static func ensurePlatformKey(_ database: Database, secret: String) async throws(PostgresError) -> Bool {
        guard let credential = Credential(secret: secret), credential.owner == .platform else { return false }
        _ = try await database.run(
            PlatformKeyInsert(platformKeyID: credential.key, displayName: "first", secretHash: credential.hash),
            Scope.platformSettings
        )
        return try await admit(credential, database, PermissionCatalogue([], platform: [])) != nil
    }

    /// Refuses a keyring with another root key than the one that the database was first used with. On the database's loop.
    ///
    /// Throws ``KeyringError/otherRoot`` or `PostgresError`.
    public static func check(_ keyring: Keyring, _ database: Database) async throws {
        let name = "keyring_fingerprint"
        let insert = ServerSecretInsert(secretName: name, value: keyring.fingerprint)
        _ = try await database.run(insert, Scope.platformSettings)
        let row = try await database.run(ServerSecretGet(secretName: name), Scope.platformSettings)
        guard row.map({ constantTimeEqual($0.value, keyring.fingerprint) }) == true else {
            throw KeyringError.otherRoot
        }
    }

    /// The key that all servers of this database seal page tokens with; made when there is none. On the database's loop.
    public static func pageSealingKey(_ database: Database) async throws(PostgresError) -> SealingKey {
        let name = "page_token"
        let fresh = SecureRandom.bytes(SealingKey.byteCount)
        _ = try await database.run(ServerSecretInsert(secretName: name, value: fresh), Scope.platformSettings)
        guard let row = try await database.run(ServerSecretGet(secretName: name), Scope.platformSettings),
            row.value.count == SealingKey.byteCount
        else {
            throw PostgresError(
                .protocol,
                "trellis.server_secret holds no usable \(name): delete its row and start again"
            )
        }
        return SealingKey(row.value)
    }
}

/// A credential whose use is noted.
public struct CredentialUse: Hashable, Sendable {
    /// What it is.
    public enum Kind: Hashable, Sendable {
        /// An API key.
        case apiKey
        /// The certificate of a service principal.
        case servicePrincipal
    }

    /// What it is.
    public let kind: Kind
    /// Whose it is.
    public let tenant: UUID
    /// The key, or the principal.
    public let id: UUID
}

/// Until when a secret is valid; without an end, for ever.
private struct Validity {
    var end: Instant?
}

extension ApiKeyCredentialRow {
    /// Until when a secret, by its hash, is one of the key's; nil when it is not.
    fileprivate func validity(of hash: [UInt8]) -> Validity? {
        if constantTimeEqual(secretHash, hash) { return Validity(end: expireTime) }
        guard let previous = previousSecretHash, let last = previousSecretExpireTime, constantTimeEqual(previous, hash)
        else { return nil }
        return Validity(end: min(last, expireTime ?? last))
    }
}
