public import Postgres
public import Primitives
public import Protobuf
public import TrellisAPI

/// A request that changes something, and can be sent again.
public protocol WriteRequest: Message {
    /// What makes the call safe to repeat; empty when the caller does not ask for it.
    var requestID: String { get set }
}

/// One call that is remembered, because it changes something or shows personal data: who calls what.
public struct WriteCall: Sendable {
    /// Who is calling.
    public var scope: Scope
    /// The method's full name, such as `trellis.tenancy.v1.TenancyService/CreateSite`.
    public var method: String
    /// The id of this call in logs and audit events.
    public var callID: String
    /// Whether the call leaves an audit event.
    public var isAudited: Bool
    /// What kind of record the event is.
    public var category: AuditCategory
    /// Where the call comes from, without the port.
    public var address: String
    /// How the call is refused, when what it writes is only what is left of a refusal.
    public var refusal: (outcome: String, reason: String)?
    /// What personal data is kept under.
    public var keyring: Keyring
    /// The time by which the caller wants an answer, in nanoseconds of `EventLoop.now`.
    public var deadline: UInt64?

    /// Takes the parts.
    public init(
        scope: Scope,
        method: String,
        callID: String,
        isAudited: Bool,
        category: AuditCategory = .dataChange,
        address: String = "",
        refusal: (outcome: String, reason: String)? = nil,
        keyring: Keyring,
        deadline: UInt64? = nil
    ) {
        self.scope = scope
        self.method = method
        self.callID = callID
        self.isAudited = isAudited
        self.category = category
        self.address = address
        self.refusal = refusal
        self.keyring = keyring
        self.deadline = deadline
    }
}

/// The transaction of a call that changes something, and under whose scope it runs.
public struct Work {
    /// The open transaction. Everything that the call changes, it changes here.
    public let transaction: Transaction
    /// Who is calling.
    public let scope: Scope
    /// The tenant whose audit trail tells of this call: the caller's, unless a platform call is about another.
    public let auditTenant: UUID
    /// What personal data is kept under.
    public let keyring: Keyring
    /// What the call's audit event says.
    public let audit = AuditNotes()
    /// What the call has done that others must know of once it is committed.
    let effects = WriteEffects()

    /// Says that what decides about who may do what has changed, so that no server goes on as before: to be called by
    /// every use case that changes roles, users, tenants or credentials.
    ///
    /// - Parameter tenant: whose access it is; by default the tenant that the call is about.
    public func changesAccess(of tenant: UUID? = nil) async throws {
        let tenant = tenant ?? auditTenant
        let bumped = try await transaction.run(AccessEpochBump(tenantID: tenant))
        effects.access[tenant] = bumped.certain.epoch
    }

    /// Says so of many tenants at once, as a change of what they are all on does.
    public func changesAccess(of tenants: [UUID]) async throws {
        for row in try await transaction.run(AccessEpochBumpMany(tenants: tenants)) {
            effects.access[row.tenantID] = row.epoch
        }
    }

    /// What the event says that the work leaves in the trail of a tenant, which it changes something of beside its own: one event
    /// a tenant, of which `user` is whoever calls.
    public func audit(in tenant: UUID, user: UUID? = nil) -> AuditNotes {
        if tenant == auditTenant { return audit }
        if let trail = effects.trails[tenant] { return trail.notes }
        let trail = WriteEffects.Trail(user: user, notes: AuditNotes())
        effects.trails[tenant] = trail
        return trail.notes
    }

    /// Writes the events of ``audit(in:user:)``. `actor` answers with who it was, as the tenant's user sees them.
    func leaveTrails(_ call: WriteCall, actor: (_ user: UUID?) -> Actor) async throws {
        let trails = effects.trails.sorted { $0.key < $1.key }
        guard !trails.isEmpty else { return }
        let events = trails.map { call.event(of: $0.key, by: actor($0.value.user), $0.value.notes) }
        guard !scope.isPlatform else {
            _ = try await transaction.run(all: events)
            return
        }
        try await asPlatform { _ = try await $0.transaction.run(all: events) }
    }

    /// Does a part of the work as the platform's role, which alone sees people, signing keys and other tenants. What comes after
    /// runs as the tenant again; when `body` throws, the transaction is over anyway.
    public func asPlatform<Value>(_ body: (Work) async throws -> Value) async throws -> Value {
        _ = try await transaction.run(RoleEnter(roleName: "trellis_platform"))
        let value = try await body(self)
        _ = try await transaction.run(RoleEnter(roleName: "trellis_server"))
        return value
    }

    /// Makes the key of somebody whom personal data will be kept about.
    public func makeSubject(_ id: UUID) async throws -> SubjectKey {
        concerns(id)
        let made = keyring.makeSubject(id)
        _ = try await transaction.run(
            SubjectKeyInsert(tenantID: scope.tenant, subjectID: id, sealedKey: made.sealed)
        )
        return made.key
    }

    /// The key of somebody; nil once they were erased.
    public func subject(_ id: UUID) async throws -> SubjectKey? {
        concerns(id)
        let row = try await transaction.run(SubjectKeyGet(tenantID: scope.tenant, subjectID: id))
        return try keyring.subject(id, sealed: row?.sealedKey)
    }

    /// Says whom the answer tells of: when they are erased, the answer that is kept for retries goes with them. To be called
    /// by every use case whose answer holds personal data; ``makeSubject(_:)`` and ``subject(_:)`` do it themselves.
    public func concerns(_ subject: UUID) { effects.subjects.insert(subject) }
}

/// What a call has done that others must know of once it is committed. Confined to its loop.
final class WriteEffects {
    /// The tenants of which it changed who may do what, each with its new epoch.
    var access: [UUID: Int64] = [:]
    /// Whom its answer tells of.
    var subjects: Set<UUID> = []
    /// What it leaves in the trails of other tenants.
    var trails: [UUID: Trail] = [:]

    struct Trail {
        /// Whose user there the caller is.
        let user: UUID?
        let notes: AuditNotes
    }
}

/// What has come of a call that changes something.
public struct Written<Response> {
    /// The answer.
    public let response: Response
    /// The tenants of which it changed who may do what, each with its new epoch: whoever answers the call waits until all
    /// servers know.
    public let access: [UUID: Int64]
    /// When the answer is that of an earlier call with the same request_id, and this one has done nothing: the tenants of which
    /// that one changed it. It may have been given up while it waited.
    public let earlierAccess: [UUID]
}

extension Database {
    /// How often a write is tried that loses against others (serialization failure, deadlock).
    private static let maximumAttempts = 4

    /// Runs a write as one transaction: the effect, its audit event, and, when the request has a request_id, its outcome.
    ///
    /// A call that repeats a request_id gets the first answer and changes nothing; if the first is still under way it
    /// waits. Only what succeeded is remembered: what failed left nothing, and runs again. `body` must not do anything
    /// but through the transaction, because it runs again when the transaction lost against others.
    ///
    /// Throws what `body` throws, ``DomainError/requestIDReused(_:)``, ``DomainError/contention``, or `PostgresError`.
    /// On the database's loop.
    public func write<Request: WriteRequest, Response: Message>(
        _ request: Request,
        _ call: WriteCall,
        auditTenant: UUID? = nil,
        _ body: (Work) async throws -> Response
    ) async throws -> Written<Response> {
        var settings = call.scope.settings
        settings.deadline = call.deadline
        var attempt = 1
        while true {
            do {
                return try await transaction(settings) { transaction in
                    let work = Work(
                        transaction: transaction,
                        scope: call.scope,
                        auditTenant: auditTenant ?? call.scope.tenant,
                        keyring: call.keyring
                    )
                    return try await work.perform(request, call, body)
                }
            } catch let error as PostgresError where error.isRetryableConflict {
                guard attempt < Self.maximumAttempts else { throw DomainError.contention }
                attempt += 1
            }
        }
    }
}

extension Work {
    fileprivate func perform<Request: WriteRequest, Response: Message>(
        _ request: Request,
        _ call: WriteCall,
        _ body: (Work) async throws -> Response
    ) async throws -> Written<Response> {
        try await requireOpenTenant(for: call.category)
        let outcome = request.requestID.isEmpty ? nil : Outcome(request, call)
        if let outcome, let earlier: Written<Response> = try await outcome.claim(transaction) { return earlier }
        let response = try await body(self)
        if call.isAudited {
            audit.complete(with: response, makes: call.makes)
            var shown = request
            // Whoever has it can open the stored answer.
            shown.requestID = ""
            _ = try await transaction.run(call.event(of: auditTenant, shown, audit))
            // Their session or key is none of the other tenants'.
            try await leaveTrails(call) { user in user.map { .user($0, key: .zero) } ?? call.scope.actor }
        }
        if let outcome { try await outcome.complete(transaction, response, effects) }
        return Written(response: response, access: effects.access, earlierAccess: [])
    }
}

/// The stored outcome of a write.
private struct Outcome {
    let tenant: UUID
    let principal: UUID
    let method: String
    let requestID: String
    /// What stands for the id in the table.
    let key: [UInt8]
    /// What the same id must come with again.
    let hash: [UInt8]

    init(_ request: some WriteRequest, _ call: WriteCall) {
        tenant = call.scope.tenant
        principal = call.scope.actor.id
        method = call.method
        requestID = request.requestID
        key = SHA256.hash(request.requestID.utf8)
        // Keyed, because a request can hold a password, and what is stored must not help to guess it.
        hash = HMACKey(call.keyring.derived("request hashes")).code(request.serialized(prefix: 0))
    }

    /// The key that the answer is sealed with: made of the request id, which is not stored.
    private var sealing: SealingKey { SealingKey(SHA256.hash(Array("trellis outcome \(requestID)".utf8))) }

    private var context: [UInt8] { tenant.bytes + principal.bytes + Array(method.utf8) }

    /// Takes the id for this call; answers with the outcome of an earlier one. Waits for one that is under way.
    func claim<Response: Message>(_ transaction: Transaction) async throws -> Written<Response>? {
        let claimed = try await transaction.run(
            IdempotencyClaim(
                tenantID: tenant,
                principalID: principal,
                method: method,
                requestKey: key,
                requestHash: hash
            )
        )
        if claimed == 1 { return nil }
        // Nothing found: it was purged between the two statements, so it is too old to be a retry; running again is.
        guard
            let earlier = try await transaction.run(
                IdempotencyGet(tenantID: tenant, principalID: principal, method: method, requestKey: key)
            )
        else { throw DomainError.contention }
        guard earlier.requestHash == hash else { throw DomainError.requestIDReused(requestID) }
        guard let sealed = earlier.response else {
            // Whoever claims an id stores its outcome before anybody can see the row; only an erasure takes it away.
            throw DomainError.failedPrecondition(
                .init(
                    reason: "SUBJECT_ERASED",
                    subject: "requests/\(requestID)",
                    description: "this call was answered before, and somebody whom the answer told of was erased since"
                )
            )
        }
        guard let bytes = sealing.open(sealed, context: context) else {
            preconditionFailure("an outcome is sealed with a key made of its request id")
        }
        let response = try Response(serialized: bytes)
        return Written(response: response, access: [:], earlierAccess: earlier.accessTenants)
    }

    func complete(_ transaction: Transaction, _ response: some Message, _ effects: WriteEffects) async throws {
        _ = try await transaction.run(
            IdempotencyComplete(
                response: sealing.seal(response.serialized(prefix: 0), context: context),
                subjects: Array(effects.subjects),
                accessTenants: Array(effects.access.keys),
                tenantID: tenant,
                principalID: principal,
                method: method,
                requestKey: key
            )
        )
    }
}
