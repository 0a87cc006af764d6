public import Domain
public import Postgres
public import Primitives
internal import TrellisAPI

/// The chain of a tenant's audit events.
///
/// Linking is done by whoever comes first, a server every second or a verification, under a lock on the chain's head; who
/// writes events takes no lock. Only events that are proven are linked.
public enum AuditChain {
    /// Events that one transaction links at most.
    static let batch = 200

    /// Events that cannot be linked, because they are not as they were written, or gone.
    public struct Refused: Equatable, Sendable {
        /// The event.
        public let event: UUID
        /// Whether it is gone.
        public let isMissing: Bool
    }

    /// What has come of linking.
    public struct Sealed: Sendable {
        /// How many events were linked.
        public var linked = 0
        /// What could not be.
        public var refused: [Refused] = []
    }

    /// The tenants of which events wait, at most `count`. On the database's loop.
    public static func waiting(_ database: Database, count: Int64 = 1000) async throws(PostgresError) -> [UUID] {
        try await database.run(AuditPendingTenants(count: count), Scope.platformSettings).map(\.tenantID)
    }

    /// Links what waits of a tenant.
    ///
    /// Throws ``AuditChainError`` when the head of the chain is not one that a server has made, or `PostgresError`. On the
    /// database's loop.
    public static func seal(
        _ tenant: UUID,
        _ database: Database,
        _ keys: AuditKeys,
        deadline: UInt64? = nil
    ) async throws -> Sealed {
        var settings = Scope.settings(tenant: tenant)
        settings.deadline = deadline
        var sealed = Sealed()
        var after: UUID? = .zero
        while let from = after {
            let (part, next) = try await database.transaction(settings) { transaction in
                try await link(tenant, after: from, transaction, keys)
            }
            sealed.linked += part.linked
            sealed.refused += part.refused
            after = next
        }
        return sealed
    }

    /// Links the events of one batch. Returns after which event the next begins; nil when there is none.
    private static func link(
        _ tenant: UUID,
        after: UUID,
        _ transaction: Transaction,
        _ keys: AuditKeys
    ) async throws -> (Sealed, next: UUID?) {
        let list = AuditPendingList(tenantID: tenant, after: after, count: Int64(batch))
        // The second statement sees all that was committed before the first got its lock.
        var (head, waiting) = try await transaction.run(AuditHeadLock(tenantID: tenant), list)
        if waiting.isEmpty { return (Sealed(), nil) }
        if head == nil {
            let start = ChainEnd.start(of: tenant, keys)
            let insert = AuditHeadInsert(tenantID: tenant, hash: start.hash, mac: start.code(tenant, keys))
            (_, head, waiting) = try await transaction.run(insert, AuditHeadLock(tenantID: tenant), list)
        }
        guard var end = ChainEnd(head.certain.sequence, head.certain.hash, head.certain.mac, tenant, keys) else {
            throw AuditChainError.headChanged(tenant: tenant)
        }
        guard let first = waiting.first?.auditEventID, let last = waiting.last?.auditEventID else {
            return (Sealed(), nil)
        }
        let ids = waiting.filter { !$0.linked }.map(\.auditEventID)
        let rows = try await transaction.run(
            AuditEventsByID(tenantID: tenant, ids: ids, first: first, last: last)
        )
        let events = Dictionary(uniqueKeysWithValues: rows.map { ($0.auditEventID, $0) })
        var sealed = Sealed()
        var (links, hashes): ([ChainLink], [[UInt8]]) = ([], [])
        for id in ids {
            guard let event = events[id], event.isProven(keys) else {
                sealed.refused.append(Refused(event: id, isMissing: events[id] == nil))
                continue
            }
            let link = ChainLink(event, at: end.sequence + 1)
            end = ChainEnd(sequence: link.sequence, hash: link.code(after: end.hash, tenant, keys))
            links.append(link)
            sealed.linked += 1
            hashes.append(end.hash)
        }
        let refused = Set(sealed.refused.map(\.event))
        let done = waiting.map(\.auditEventID).filter { !refused.contains($0) }
        let delete = AuditPendingDelete(tenantID: tenant, ids: done)
        if links.isEmpty {
            if !done.isEmpty { _ = try await transaction.run(delete) }
        } else {
            _ = try await transaction.run(
                AuditLinkInsert(
                    tenantID: tenant,
                    sequences: links.map(\.sequence),
                    ids: links.map(\.event),
                    createTimes: links.map(\.createTime),
                    categories: links.map(\.category),
                    eventMacs: links.map(\.eventCode),
                    hashes: hashes
                ),
                AuditHeadUpdate(
                    sequence: end.sequence,
                    hash: end.hash,
                    mac: end.code(tenant, keys),
                    tenantID: tenant
                ),
                delete
            )
        }
        return (sealed, waiting.count < batch ? nil : last)
    }
}

/// A fault of a chain that stops it from growing.
public enum AuditChainError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The head is not one that a server with this key has made.
    case headChanged(tenant: UUID)

    /// What is wrong and what to do, for who runs the server.
    public var description: String {
        switch self {
        case .headChanged(let tenant):
            "the head of the audit chain of tenant \(tenant) was changed: nothing is linked to it until it is as it was; "
                + "VerifyAuditChain tells more"
        }
    }
}

/// One link: which event it proves, and where.
struct ChainLink {
    var sequence: Int64
    var event: UUID
    var createTime: Instant
    var category: Int16
    var eventCode: [UInt8]

    /// The link of an event.
    init(_ row: AuditEventRow, at sequence: Int64) {
        self.sequence = sequence
        event = row.auditEventID
        createTime = row.createTime
        category = row.category
        eventCode = row.mac
    }

    /// A link as it is stored.
    init(_ row: AuditLinkListRow) {
        sequence = row.sequence
        event = row.auditEventID
        createTime = row.createTime
        category = row.category
        eventCode = row.eventMac
    }

    /// Its code, over the one of the link before.
    func code(after previous: [UInt8], _ tenant: UUID, _ keys: AuditKeys) -> [UInt8] {
        var bytes = ProvenBytes("trellis audit link 1")
        bytes.add(previous)
        bytes.add(tenant.bytes)
        bytes.add(sequence)
        bytes.add(event.bytes)
        bytes.add(createTime.microseconds)
        bytes.add(Int64(category))
        bytes.add(eventCode)
        return keys.links.code(bytes.bytes)
    }
}

/// Where a chain ends: the place and the code of its last link.
struct ChainEnd: Equatable {
    var sequence: Int64
    var hash: [UInt8]

    init(sequence: Int64, hash: [UInt8]) {
        self.sequence = sequence
        self.hash = hash
    }

    /// A head as it is stored; nil when no server has made it.
    init?(_ sequence: Int64, _ hash: [UInt8], _ mac: [UInt8], _ tenant: UUID, _ keys: AuditKeys) {
        self.init(sequence: sequence, hash: hash)
        guard constantTimeEqual(code(tenant, keys), mac) else { return nil }
    }

    /// A chain without links.
    static func start(of tenant: UUID, _ keys: AuditKeys) -> ChainEnd {
        var bytes = ProvenBytes("trellis audit start 1")
        bytes.add(tenant.bytes)
        return ChainEnd(sequence: 0, hash: keys.links.code(bytes.bytes))
    }

    /// The code that proves the head.
    func code(_ tenant: UUID, _ keys: AuditKeys) -> [UInt8] {
        var bytes = ProvenBytes("trellis audit head 1")
        bytes.add(tenant.bytes)
        bytes.add(sequence)
        bytes.add(hash)
        return keys.heads.code(bytes.bytes)
    }
}
