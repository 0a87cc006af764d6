public import Domain
public import Postgres
public import Primitives
internal import TrellisAPI

/// A call that was refused.
public struct Refusal: Sendable {
    /// The tenant that it was about. Of an unproven credential, the tenant that it names, which may not exist.
    public var tenant: UUID
    /// Who called; nil when the credential is not proven.
    public var actor: Actor?
    /// The key that an unproven credential names.
    public var namedKey: UUID?
    /// The method's full name.
    public var method: String
    /// The name of the gRPC status.
    public var outcome: String
    /// The machine-readable reason.
    public var reason: String
    /// The call's id.
    public var callID: String
    /// Where it came from, without the port.
    public var address: String

    /// Takes the parts.
    public init(
        tenant: UUID,
        actor: Actor?,
        namedKey: UUID?,
        method: String,
        outcome: String,
        reason: String,
        callID: String,
        address: String
    ) {
        self.tenant = tenant
        self.actor = actor
        self.namedKey = namedKey
        self.method = method
        self.outcome = outcome
        self.reason = reason
        self.callID = callID
        self.address = address
    }
}

/// Gathers refusals, so that a flood of them costs neither its callers nor the trail: what is the same within a minute (tenant,
/// actor, method, reason) is one event with a count, and of others a limited number is known at a time.
///
/// The first of a kind is written when it is next looked at, within a second or so; the rest of its minute when that is over.
/// Confined to its loop.
public struct RefusalGathering {
    /// Kinds of refusals known at a time.
    public static let capacity = 256
    /// How long the same refusals are counted before they are written.
    static let window: UInt64 = 60_000_000_000

    private struct Kind: Hashable {
        var tenant: UUID
        /// Nil of unproven credentials: whoever makes them up would otherwise make up as many kinds as they like.
        var actor: Actor?
        var method: String
        var reason: String

        init(_ refusal: Refusal) {
            (tenant, actor) = (refusal.tenant, refusal.actor)
            (method, reason) = (refusal.method, refusal.reason)
        }
    }

    private struct Count {
        /// The first of those that are not written yet.
        var first: Refusal
        /// How many are not written yet.
        var calls: Int32
        /// From when on they are to be written.
        var due: UInt64
    }

    private var counts: [Kind: Count] = [:]
    /// Refusals that are in no event, because others were known already; ``take(now:)`` starts anew.
    public private(set) var uncounted = 0

    /// None yet.
    public init() {}

    /// Counts a refusal. `now` is in nanoseconds of a clock that does not go back.
    public mutating func add(_ refusal: Refusal, now: UInt64) {
        let kind = Kind(refusal)
        if var count = counts[kind] {
            if count.calls == 0 { count.first = refusal }
            if count.calls < .max { count.calls += 1 }
            counts[kind] = count
        } else if counts.count < Self.capacity {
            counts[kind] = Count(first: refusal, calls: 1, due: now)
        } else {
            uncounted += 1
        }
    }

    /// Takes what is to be written, each with how many calls it stands for. `everything` does not wait for minutes to end.
    public mutating func take(now: UInt64, everything: Bool = false) -> [(refusal: Refusal, calls: Int32)] {
        var taken: [(refusal: Refusal, calls: Int32)] = []
        for (kind, count) in counts where everything || count.due <= now {
            if count.calls > 0 {
                taken.append((count.first, count.calls))
                counts[kind] = Count(first: count.first, calls: 0, due: now + Self.window)
            } else {
                // A whole minute without one.
                counts[kind] = nil
            }
        }
        uncounted = 0
        return taken
    }

    /// Takes back what could not be written, to be tried again.
    public mutating func putBack(_ taken: [(refusal: Refusal, calls: Int32)]) {
        for (refusal, calls) in taken {
            let more = counts[Kind(refusal)]?.calls ?? 0
            let (sum, isTooMany) = calls.addingReportingOverflow(more)
            counts[Kind(refusal)] = Count(first: refusal, calls: isTooMany ? .max : sum, due: 0)
        }
    }
}

/// Writes what was gathered.
public enum Refusals {
    /// Writes an event for each, all or none. Of unproven credentials, only for tenants that there are. On the database's loop.
    public static func write(
        _ gathered: [(refusal: Refusal, calls: Int32)],
        _ database: Database,
        _ keys: AuditKeys
    ) async throws(PostgresError) {
        let unproven = gathered.filter { $0.refusal.actor == nil }.map(\.refusal)
        var knowsKey: [UUID: Set<UUID>] = [:]
        if !unproven.isEmpty {
            let known = try await database.run(
                AuditKnownTenants(
                    tenantIDs: unproven.map(\.tenant),
                    keyIDs: unproven.map { $0.namedKey ?? .zero }
                ),
                Scope.platformSettings
            )
            for row in known {
                knowsKey[row.tenantID, default: []].formUnion(row.knowsKey ? [row.keyID] : [])
            }
        }
        var events: [AuditEventInsert] = []
        for (refusal, calls) in gathered {
            var principal = refusal.actor?.id ?? .zero
            if refusal.actor == nil {
                guard let known = knowsKey[refusal.tenant] else { continue }
                if let named = refusal.namedKey, known.contains(named) { principal = named }
            }
            let now = Instant.now()
            let record = AuditRecord(
                tenant: refusal.tenant,
                id: .v7(at: now),
                createTime: now,
                category: .access,
                actorKind: refusal.actor?.kind ?? "unknown",
                principal: principal,
                user: refusal.actor?.user,
                method: refusal.method,
                callID: refusal.callID,
                address: refusal.address,
                outcome: refusal.outcome,
                reason: refusal.reason,
                calls: calls
            )
            events.append(record.insert(keys))
        }
        _ = try await database.run(all: events, settings: Scope.platformSettings)
    }
}
