public import Domain
public import Postgres
public import Primitives

/// Lets callers in: finds out whom a credential stands for.
public enum Admission {
    /// How long a server may go on without asking again whether a credential is still valid, and how long a revocation
    /// therefore waits before it answers: after that no server admits the key. Decision 0003.
    public static let lease = Duration.milliseconds(500)

    /// Whom a credential stands for.
    public struct Admitted: Sendable {
        /// Under what the caller's calls run.
        public let scope: Scope
        /// When the credential ends.
        public let expires: Instant?
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
            return Admitted(scope: scope, expires: nil)
        case .tenant(let tenant):
            let (found, roles) = try await database.run(
                ApiKeyCredential(tenantID: tenant, apiKeyID: credential.key),
                ApiKeyUserGrants(tenantID: tenant, apiKeyID: credential.key),
                settings: Scope.settings(tenant: tenant)
            )
            guard let row = found, constantTimeEqual(row.secretHash, credential.hash) else { return nil }
            let own = PermissionSet(row.permissions)
            let scope =
                if let user = row.userID {
                    Scope(
                        tenant: tenant,
                        actor: .user(user, key: credential.key),
                        // What its user loses, the key loses.
                        grants: catalogue.grants(roles).limited(to: own)
                    )
                } else {
                    Scope(tenant: tenant, actor: .service(key: credential.key), grants: Grants(tenant: own))
                }
            return Admitted(scope: scope, expires: row.expireTime)
        }
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
