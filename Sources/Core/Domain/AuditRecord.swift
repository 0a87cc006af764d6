public import Primitives
public import TrellisAPI

/// One audit event, column by column, as it is stored and proven.
public struct AuditRecord: Sendable, Equatable {
    /// What ``outcome`` is of a call that took effect.
    public static let succeeded = "OK"

    /// The tenant whose trail it is in; the zero UUID for the platform's.
    public var tenant: UUID
    /// The event's id, a UUIDv7 of ``createTime``.
    public var id: UUID
    /// When it was written, by the server's clock.
    public var createTime: Instant
    /// What kind of record it is.
    public var category: AuditCategory
    /// The kind of the actor in one word (``Actor/kind``).
    public var actorKind: String
    /// The credential; the zero UUID when it is not known.
    public var principal: UUID
    /// The user on whose behalf it acted.
    public var user: UUID?
    /// The method's full name.
    public var method: String
    /// The call's id, which its answer and the log have too.
    public var callID: String
    /// Where the call came from, without the port.
    public var address: String
    /// "OK", or the name of the gRPC status.
    public var outcome: String
    /// Why it was refused; empty when it was not.
    public var reason: String
    /// How many calls it stands for.
    public var calls: Int32
    /// What it is about and what was changed of it: JSON, `[{"type":,"id":,"old":{},"new":{}}]`.
    public var targets: String
    /// The request: JSON.
    public var request: String

    /// Takes the columns.
    public init(
        tenant: UUID,
        id: UUID,
        createTime: Instant,
        category: AuditCategory,
        actorKind: String,
        principal: UUID,
        user: UUID?,
        method: String,
        callID: String,
        address: String,
        outcome: String = Self.succeeded,
        reason: String = "",
        calls: Int32 = 1,
        targets: String = "[]",
        request: String = "{}"
    ) {
        self.tenant = tenant
        self.id = id
        self.createTime = createTime
        self.category = category
        self.actorKind = actorKind
        self.principal = principal
        self.user = user
        self.method = method
        self.callID = callID
        self.address = address
        self.outcome = outcome
        self.reason = reason
        self.calls = calls
        self.targets = targets
        self.request = request
    }

    /// An event of an actor, now.
    public init(tenant: UUID, actor: Actor, category: AuditCategory, method: String, callID: String, address: String) {
        let now = Instant.now()
        self.init(
            tenant: tenant,
            id: .v7(at: now),
            createTime: now,
            category: category,
            actorKind: actor.kind,
            principal: actor.id,
            user: actor.user,
            method: method,
            callID: callID,
            address: address
        )
    }

    /// The code that proves that no column was changed by anybody without the key.
    public func code(_ keys: AuditKeys) -> [UInt8] {
        var bytes = ProvenBytes("trellis audit event 1")
        bytes.add(tenant.bytes)
        bytes.add(id.bytes)
        bytes.add(createTime.microseconds)
        bytes.add(Int64(category.rawValue))
        bytes.add(actorKind)
        bytes.add(principal.bytes)
        bytes.add(user?.bytes)
        bytes.add(method)
        bytes.add(callID)
        bytes.add(address)
        bytes.add(outcome)
        bytes.add(reason)
        bytes.add(Int64(calls))
        bytes.add(targets)
        bytes.add(request)
        return keys.events.code(bytes.bytes)
    }

    /// The statement that stores it. `found` are the targets by which it is found.
    package func insert(_ keys: AuditKeys, found: [AuditTarget] = []) -> AuditEventInsert {
        AuditEventInsert(
            tenantID: tenant,
            auditEventID: id,
            createTime: createTime,
            category: Int16(category.rawValue),
            actorKind: actorKind,
            principalID: principal,
            userID: user,
            method: method,
            callID: callID,
            address: address,
            outcome: outcome,
            reason: reason,
            calls: calls,
            targets: targets,
            request: request,
            mac: code(keys),
            targetIDs: found.map(\.id),
            targetTypes: found.map(\.type)
        )
    }
}

/// The keys of the audit trail, which are not in the database: whoever steals or changes it can make no code.
public struct AuditKeys: Sendable {
    /// What events are proven with.
    public let events: HMACKey
    /// What links are proven with.
    public let links: HMACKey
    /// What the ends of chains are proven with.
    public let heads: HMACKey

    /// Those of a server.
    public init(_ keyring: Keyring) {
        events = HMACKey(keyring.derived("audit"))
        links = HMACKey(keyring.derived("audit links"))
        heads = HMACKey(keyring.derived("audit heads"))
    }
}

/// Something that an audit event is about.
public struct AuditTarget: Hashable, Sendable {
    /// What it is, such as "site".
    public var type: String
    /// Its id.
    public var id: String

    /// Takes the parts.
    public init(_ type: String, _ id: String) {
        self.type = type
        self.id = id
    }
}

/// Bytes to be proven: each part after its length, so that nothing can be moved from one part to another.
public struct ProvenBytes {
    /// What there is so far.
    public private(set) var bytes: [UInt8] = []

    /// Begins with what the bytes are for.
    public init(_ purpose: String) { add(purpose) }

    /// Adds a part, or that there is none.
    public mutating func add(_ part: [UInt8]?) {
        guard let part else {
            append(UInt64.max)
            return
        }
        append(UInt64(part.count))
        bytes += part
    }

    /// Adds a text.
    public mutating func add(_ text: String) { add(Array(text.utf8)) }

    /// Adds a number.
    public mutating func add(_ number: Int64) {
        append(8)
        append(UInt64(bitPattern: number))
    }

    private mutating func append(_ number: UInt64) {
        withUnsafeBytes(of: number.bigEndian) { bytes.append(contentsOf: $0) }
    }
}
