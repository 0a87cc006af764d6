public import Postgres
public import Primitives

/// Who is calling, for whom, and what they may do: what every use case and every batch to PostgreSQL runs under.
///
/// It is made from the verified credential alone, never from a request.
public struct Scope: Sendable {
    /// The tenant whose rows the call sees; the zero UUID for the platform.
    public let tenant: UUID
    /// Who acts.
    public let actor: Actor
    /// What the credential may do, and where.
    public let grants: Grants
    /// What every batch of the call sets, for its own transaction only: the role, the tenant.
    public let settings: SessionSettings

    /// Makes the scope of an actor.
    public init(tenant: UUID, actor: Actor, grants: Grants) {
        precondition((tenant == .zero) == actor.isPlatform, "the platform, and only the platform, has no tenant")
        self.tenant = tenant
        self.actor = actor
        self.grants = grants
        settings = actor.isPlatform ? Self.platformSettings : Self.settings(tenant: tenant)
    }

    private init(tenant: UUID, actor: Actor, grants: Grants, settings: SessionSettings) {
        self.tenant = tenant
        self.actor = actor
        self.grants = grants
        self.settings = settings
    }

    /// Refuses a caller who does not hold a permission on a site, or, with nil, on the whole tenant.
    public func require(_ permission: String, site: UUID? = nil) throws(DomainError) {
        guard grants.holds(permission, site: site) else { throw .permissionDenied(permission: permission) }
    }

    /// The sites on which the caller holds a permission; nil for all of them.
    public func sites(holding permission: String) -> [UUID]? {
        guard !grants.tenant.contains(permission) else { return nil }
        return grants.sites.filter { $0.value.contains(permission) }.map(\.key)
    }

    /// Refuses to give away, on a site or on the whole tenant, what the caller does not hold there.
    public func requireCovering(_ patterns: [String], site: UUID? = nil) throws(DomainError) {
        let beyond = patterns.filter { !grants.covers($0, site: site) }
        guard beyond.isEmpty else { throw .escalation(permissions: beyond) }
    }

    /// The scope for methods that serve tenants and the platform alike: the platform then works as the zero tenant,
    /// whose rows every tenant reads, under the server's own role, which shows it no tenant's rows. A tenant's scope
    /// stays.
    public var publishing: Scope {
        guard isPlatform else { return self }
        return Scope(tenant: .zero, actor: actor, grants: grants, settings: Self.settings(tenant: .zero))
    }

    /// Whether the call sees all tenants.
    public var isPlatform: Bool { actor.isPlatform }

    /// The settings under which a batch sees one tenant's rows.
    public static func settings(tenant: UUID) -> SessionSettings {
        SessionSettings([.init(name: "trellis.tenant", value: tenant.text)])
    }

    /// The settings under which a batch runs as the platform's role, and sees what that may see of all tenants.
    public static let platformSettings = SessionSettings([
        .init(name: "role", value: "trellis_platform"), .init(name: "trellis.tenant", value: UUID.zero.text),
    ])
}

/// Somebody who has proven who they were, and is let in no more: the refusal belongs in the trail of their tenant. An object, so
/// that it can be left on a call's context.
public final class RefusedCaller: Error {
    /// Of which tenant they were.
    public let tenant: UUID
    /// Who; nil when it is of no use to tell them apart, as with those whose token has run out and who only need another.
    public let actor: Actor?
    /// What is wrong with their credential.
    public let problem: DomainError.CredentialProblem

    /// Takes the parts.
    public init(tenant: UUID, actor: Actor?, problem: DomainError.CredentialProblem) {
        self.tenant = tenant
        self.actor = actor
        self.problem = problem
    }
}

/// Who acts.
public enum Actor: Hashable, Sendable {
    /// The platform, by one of its keys.
    case platform(key: UUID)
    /// A program, by an API key of its tenant.
    case service(key: UUID)
    /// A user, by an API key that acts on their behalf or a session of theirs.
    case user(UUID, key: UUID)
    /// A job of the tenant.
    case job(UUID)

    /// The id of the credential or job: what request ids are scoped to and audit events name.
    public var id: UUID {
        switch self {
        case .platform(let key), .service(let key), .user(_, let key), .job(let key): key
        }
    }

    /// The user on whose behalf the credential acts.
    public var user: UUID? {
        if case .user(let user, _) = self { user } else { nil }
    }

    /// Whether this is the platform.
    public var isPlatform: Bool {
        if case .platform = self { true } else { false }
    }

    /// The kind in one word, as audit events and logs have it.
    public var kind: String {
        switch self {
        case .platform: "platform"
        case .service: "service"
        case .user: "user"
        case .job: "job"
        }
    }
}
