public import Domain
public import Postgres
internal import Primitives
public import Protobuf
public import TrellisAPI

/// Which events of a trail are asked for: what ListAuditEvents and ExportAuditEvents take alike.
public protocol AuditFilter: Message {
    /// Only events of this category.
    var category: AuditCategory { get }
    /// Only what this credential did.
    var principalID: String { get }
    /// Only what was done on behalf of this user.
    var userID: String { get }
    /// Only calls of this method.
    var method: String { get }
    /// Only what is about things of this type.
    var targetType: String { get }
    /// Only what is about this thing.
    var targetID: String { get }
    /// Only events from this time on.
    var startTime: Timestamp? { get }
    /// Only events before this time.
    var endTime: Timestamp? { get }
    /// Only refusals.
    var onlyRefused: Bool { get }
}

extension ListAuditEventsRequest: AuditFilter, PagedRequest {}
extension ExportAuditEventsRequest: AuditFilter {}

/// What can be read of audit trails.
public enum AuditEvents {
    /// Bytes of events that a page or a chunk of an export has, unless its first event is larger.
    static let bytes = 1 << 20
    /// Events that an export reads at once.
    static let exported = 100
    /// Rows of the archive, of up to a thousand events each, that a query opens at once.
    static let archiveRows: Int64 = 8

    /// Returns a page of a trail, newest first.
    public static func list(
        _ request: ListAuditEventsRequest,
        _ page: Page,
        _ trail: AuditTrail,
        _ reading: Reading,
        _ view: PersonalView
    ) async throws -> ListAuditEventsResponse {
        let after = try page.after
        let query = try query(request, trail, after: after == .zero ? nil : after, count: page.count)
        let rows = try await newest(query, .transaction(reading.transaction))
        let keys = try await AuditOpening.keys(of: rows, trail) { try await reading.transaction.run($0) }
        let opening = try AuditOpening(keys, trail.view(view))
        var response = ListAuditEventsResponse()
        var bytes = 0
        for row in rows.prefix(page.size) {
            let event = opening.event(row)
            bytes += event.serialized().count
            if bytes > Self.bytes, !response.auditEvents.isEmpty { break }
            response.auditEvents.append(event)
        }
        if response.auditEvents.count < rows.count, let last = response.auditEvents.last {
            response.nextPageToken = page.token(at: try UUID(last.id, field: "id").bytes)
        }
        // What was shown of the trail is the trail itself.
        reading.audit.target("audit_trail", trail.tenant.text)
        return response
    }

    /// Returns one event.
    public static func get(
        _ request: GetAuditEventRequest,
        _ trail: AuditTrail,
        _ reading: Reading,
        _ view: PersonalView
    ) async throws -> AuditEvent {
        let id = try UUID(request.id, field: "id")
        let (kept, archived) = try await reading.transaction.run(
            AuditEventGet(tenantID: trail.tenant, auditEventID: id),
            AuditArchivedEvent(tenantID: trail.tenant, auditEventID: id)
        )
        let row = try (kept ?? archived).orNotFound("audit event", id)
        let keys = try await AuditOpening.keys(of: [row], trail) { try await reading.transaction.run($0) }
        return try AuditOpening(keys, trail.view(view)).event(row)
    }

    /// Sends all events that a filter leaves, newest first, each chunk when the one before has been taken.
    public static func export(
        _ request: ExportAuditEventsRequest,
        _ trail: AuditTrail,
        _ database: Database,
        _ view: PersonalView,
        deadline: UInt64?,
        _ send: (ExportAuditEventsResponse) async throws -> Void
    ) async throws {
        var settings = trail.listing
        settings.deadline = deadline
        var query = try query(request, trail, after: nil, count: exported)
        while true {
            let rows = try await newest(query, .database(database, settings))
            guard let last = rows.last else { return }
            let keys = try await AuditOpening.keys(of: rows, trail) { try await database.run($0, trail.settings) }
            let opening = try AuditOpening(keys, trail.view(view))
            var (chunk, bytes): ([AuditEvent], Int) = ([], 0)
            for row in rows {
                let event = opening.event(row)
                let size = event.serialized().count
                if bytes + size > Self.bytes, !chunk.isEmpty {
                    try await send(ExportAuditEventsResponse(auditEvents: chunk))
                    (chunk, bytes) = ([], 0)
                }
                chunk.append(event)
                bytes += size
            }
            try await send(ExportAuditEventsResponse(auditEvents: chunk))
            query.before = last.auditEventID
        }
    }

    /// What queries run on.
    private enum Source {
        case transaction(Transaction)
        case database(Database, SessionSettings)

        func run<Query: Statement>(_ query: Query) async throws(PostgresError) -> Query.Output {
            switch self {
            case .transaction(let transaction): try await transaction.run(query)
            case .database(let database, let settings): try await database.run(query, settings)
            }
        }
    }

    /// The newest events that a query wants, also of those that are archived.
    private static func newest(_ query: AuditEventList, _ source: Source) async throws -> [AuditEventRow] {
        var rows = try await source.run(query)
        let count = Int(query.count)
        var endsBefore = UUID(high: .max, low: .max)
        while true {
            // No more is wanted than what is newer than the oldest of enough.
            let first = rows.count < count ? query.first : rows[count - 1].auditEventID
            let archive = try await source.run(
                AuditArchiveRows(
                    tenantID: query.tenantID,
                    first: first,
                    before: query.before,
                    endsBefore: endsBefore,
                    count: archiveRows
                )
            )
            guard let last = archive.last else { return rows }
            rows += try await source.run(
                AuditArchivedList(
                    tenantID: query.tenantID,
                    rows: archive.map(\.firstID),
                    first: first,
                    before: query.before,
                    category: query.category,
                    principalID: query.principalID,
                    userID: query.userID,
                    method: query.method,
                    onlyRefused: query.onlyRefused,
                    targetID: query.targetID,
                    targetType: query.targetType,
                    count: query.count
                )
            )
            rows.sort { $0.auditEventID > $1.auditEventID }
            rows.removeSubrange(min(count, rows.count)...)
            endsBefore = last.lastID
        }
    }

    private static func query(
        _ filter: some AuditFilter,
        _ trail: AuditTrail,
        after: UUID?,
        count: Int
    ) throws(DomainError) -> AuditEventList {
        guard filter.targetType.isEmpty || !filter.targetID.isEmpty else {
            throw .invalid("target_id", "it is empty, but a target_type needs one")
        }
        let newest = UUID(high: .max, low: .max)
        let before = min(filter.endTime.map { UUID.first(at: $0.instant) } ?? newest, after ?? newest)
        return AuditEventList(
            tenantID: trail.tenant,
            first: filter.startTime.map { UUID.first(at: $0.instant) } ?? .zero,
            before: before,
            category: Int16(clamping: filter.category.rawValue),
            principalID: try UUID.optional(filter.principalID, field: "principal_id") ?? .zero,
            userID: try UUID.optional(filter.userID, field: "user_id") ?? .zero,
            method: filter.method,
            onlyRefused: filter.onlyRefused,
            targetID: filter.targetID,
            targetType: filter.targetType,
            count: Int64(count)
        )
    }
}

extension UUID {
    /// The first id of version 7 that can be made at a time.
    static func first(at instant: Instant) -> UUID {
        UUID(high: UInt64(clamping: instant.microseconds / 1000) << 16, low: 0)
    }
}
