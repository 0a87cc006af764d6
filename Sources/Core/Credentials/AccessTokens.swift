public import Domain
internal import EventLoop
public import Postgres
public import Primitives

/// Finds out whose access token it is: the signature first, with keys that are remembered, then the session, its user
/// and their roles in one batch.
public final class AccessTokens: @unchecked Sendable {
    // @unchecked: confined to its loop.

    /// How long the published keys are taken for what they were, in nanoseconds of `EventLoop.now`.
    private static let keysLast: UInt64 = 60_000_000_000
    /// How soon they are read again for a token of a key that is not among them.
    private static let keysPause: UInt64 = 1_000_000_000

    private let database: Database
    private let settings: CredentialSettings
    private var keys: [UUID: [UInt8]] = [:]
    private var read: UInt64?

    /// Takes the loop's database.
    public init(_ database: Database, _ settings: CredentialSettings) {
        self.database = database
        self.settings = settings
    }

    /// A session that is let in.
    public struct Admitted: Sendable {
        /// Under what its calls run.
        public let scope: Scope
        /// When the token ends.
        public let expires: Instant
        /// How many changes of who may do what in the tenant are taken into account, at least.
        public let epoch: Int64
        /// The networks from which the tenant is administered; none: from everywhere.
        public let networks: [String]
        /// How the tenant stands.
        public let standing: TenantStanding
    }

    /// Lets the session of a token in. On the database's loop.
    ///
    /// Throws ``DomainError/unauthenticated(_:)``; ``RefusedCaller`` when the token has run out or its session has ended, or when
    /// its user is not let in; or `PostgresError`.
    public func admit(_ token: String, _ catalogue: PermissionCatalogue) async throws -> Admitted {
        let claims = try await claims(of: token)
        let (found, roles, tenantRows) = try await database.run(
            SessionCredential(tenantID: claims.tenant, sessionID: claims.session, userID: claims.user),
            UserGrants(tenantID: claims.tenant, userID: claims.user),
            TenantAdmission(tenantID: claims.tenant),
            settings: Scope.settings(tenant: claims.tenant)
        )
        let actor = Actor.user(claims.user, key: claims.session)
        guard let found else { throw RefusedCaller(tenant: claims.tenant, actor: actor, problem: .refused) }
        let scope = Scope(tenant: claims.tenant, actor: actor, grants: catalogue.grants(roles))
        let end = claims.expires + AccessToken.skewSeconds
        return Admitted(
            scope: scope,
            expires: Instant(microseconds: end * 1_000_000),
            epoch: found.epoch,
            networks: found.networks,
            standing: TenantStanding(tenantRows)
        )
    }

    private func claims(of token: String) async throws -> AccessToken.Claims {
        do {
            let unverified = try AccessToken.read(token)
            guard let key = try await publicKey(unverified.key) else { throw AccessToken.Problem.refused }
            return try AccessToken.verify(
                unverified,
                publicKey: key,
                issuer: settings.issuer,
                audience: settings.audience,
                now: Instant.now().secondsFloor
            )
        } catch let problem as AccessToken.Problem {
            switch problem {
            case .malformed: throw DomainError.unauthenticated(.malformed)
            case .refused: throw DomainError.unauthenticated(.refused)
            case .expired(let tenant): throw RefusedCaller(tenant: tenant, actor: nil, problem: .expired)
            }
        }
    }

    private func publicKey(_ id: UUID) async throws(PostgresError) -> [UInt8]? {
        let now = database.loop.now
        let age = read.map { now - $0 } ?? .max
        if age < Self.keysLast, let key = keys[id] { return key }
        guard age >= Self.keysPause else { return nil }
        let rows = try await database.run(SigningKeysPublished(), Scope.platformSettings)
        keys = Dictionary(rows.map { ($0.signingKeyID, $0.publicKey) }) { first, _ in first }
        read = now
        return keys[id]
    }
}
