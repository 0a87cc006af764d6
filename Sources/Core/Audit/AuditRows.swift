internal import Domain
internal import Primitives
public import TrellisAPI

extension AuditEventRow {
    /// The event as it is proven.
    var record: AuditRecord {
        AuditRecord(
            tenant: tenantID,
            id: auditEventID,
            createTime: createTime,
            category: AuditCategory(rawValue: Int32(category)),
            actorKind: actorKind,
            principal: principalID,
            user: userID,
            method: method,
            callID: callID,
            address: address,
            outcome: outcome,
            reason: reason,
            calls: calls,
            targets: targets,
            request: request
        )
    }

    /// Whether every column is as a server has written it.
    func isProven(_ keys: AuditKeys) -> Bool { constantTimeEqual(record.code(keys), mac) }
}

/// How long events are kept.
public enum AuditRetention {
    /// Days that a category is kept; trellis.audit_retention says the same. The server knows it by itself, so that nobody
    /// makes events old by changing the database.
    public static func days(_ category: AuditCategory) -> Int64 {
        switch category {
        case .access: 365
        case .dataChange, .authentication: 730
        case .administration: 1095
        case .schema, .unspecified, .unrecognized: 1825
        }
    }

    /// Whether an event of that time may be gone.
    static func isOver(_ category: AuditCategory, since time: Instant, now: Instant = .now()) -> Bool {
        time.advanced(byMicroseconds: days(category) * 86_400_000_000) < now
    }
}
