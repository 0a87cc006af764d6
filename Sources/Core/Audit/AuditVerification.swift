public import Domain
public import Postgres
internal import Primitives
public import TrellisAPI

/// The proof that nobody has changed a tenant's audit trail.
///
/// It walks through the links in their order, a batch at a time, proves each link and its event, and then looks for events that
/// have no link. What it holds is bounded, and it holds no transaction open.
public struct AuditVerification {
    private let trail: AuditTrail
    private let database: Database
    private let keys: AuditKeys
    private let settings: SessionSettings
    private let send: (VerifyAuditChainResponse) async throws -> Void

    private var end: ChainEnd
    private var checked: Int64 = 0
    private var total: Int64 = 0
    private var forgotten: Int64 = 0
    private var anchor: ChainEnd?

    /// What is wrong with the first record that is.
    private struct Finding {
        var fault: AuditFault
        var event: UUID?
        var sequence: Int64 = 0
        var description: String
    }

    /// Links what waits, verifies all that there was when it began, and sends how far it is and at last the verdict.
    public static func run(
        _ request: VerifyAuditChainRequest,
        _ trail: AuditTrail,
        _ database: Database,
        _ keys: AuditKeys,
        deadline: UInt64?,
        _ send: @escaping (VerifyAuditChainResponse) async throws -> Void
    ) async throws {
        guard (request.anchorSequence == 0) == request.anchorHash.isEmpty else {
            throw DomainError.invalid("anchor_hash", "an anchor is both, a sequence and the hash of its link")
        }
        var verification = AuditVerification(trail, database, keys, deadline, send)
        if request.anchorSequence > 0 {
            verification.anchor = ChainEnd(sequence: request.anchorSequence, hash: request.anchorHash)
        }
        let finding = try await verification.finding(deadline)
        var verdict = AuditVerdict(
            intact: finding == nil,
            description: finding?.description ?? "nothing was changed, removed or slipped in",
            forgotten: verification.forgotten,
            headSequence: verification.end.sequence,
            headHash: verification.end.hash
        )
        if let finding {
            verdict.fault = finding.fault
            verdict.auditEventID = finding.event?.text ?? ""
            verdict.sequence = finding.sequence
        }
        try await send(
            VerifyAuditChainResponse(checked: verification.checked, total: verification.total, verdict: verdict)
        )
    }

    private init(
        _ trail: AuditTrail,
        _ database: Database,
        _ keys: AuditKeys,
        _ deadline: UInt64?,
        _ send: @escaping (VerifyAuditChainResponse) async throws -> Void
    ) {
        (self.trail, self.database, self.keys, self.send) = (trail, database, keys, send)
        var settings = trail.settings
        settings.deadline = deadline
        self.settings = settings
        end = ChainEnd.start(of: trail.tenant, keys)
    }

    private mutating func finding(_ deadline: UInt64?) async throws -> Finding? {
        var refused: [AuditChain.Refused] = []
        do {
            refused = try await AuditChain.seal(trail.tenant, database, keys, deadline: deadline).refused
        } catch is AuditChainError {
            // A head that nobody has made: found again below, after what comes before it.
        } catch let error as PostgresError where error.sqlState == .uniqueViolation {
            // A link that nobody has made is where the next one belongs; the same.
        }
        let last = try await database.run(AuditChainEnd(tenantID: trail.tenant), settings).certain
        let head = last.sequence.flatMap { sequence in
            ChainEnd(sequence, last.hash ?? [], last.mac ?? [], trail.tenant, keys)
        }
        total = last.lastLink
        if let finding = try await walk(to: head.map { min($0.sequence, total) } ?? total) { return finding }
        if let finding = checkEnd(head, isThere: last.sequence != nil) { return finding }
        if let event = refused.first {
            return Finding(
                fault: event.isMissing ? .eventMissing : .eventChanged,
                event: event.event,
                description: "event \(event.event) is \(event.isMissing ? "gone" : "not as it was written")"
                    + "; it was not linked yet"
            )
        }
        return try await strayEvent()
    }

    /// Proves the links up to one, and their events.
    private mutating func walk(to last: Int64) async throws -> Finding? {
        while end.sequence < last {
            let rows = try await database.run(
                AuditLinkList(tenantID: trail.tenant, after: end.sequence, count: Int64(AuditChain.batch)),
                settings
            )
            let links = rows.map { (link: ChainLink($0), hash: $0.hash) }
            guard let first = links.map(\.link.event).min(), let newest = links.map(\.link.event).max() else {
                return missingLink()
            }
            let events = try await database.run(
                AuditEventsByID(
                    tenantID: trail.tenant,
                    ids: links.map(\.link.event),
                    first: first,
                    last: newest
                ),
                settings
            )
            let archived =
                events.count == links.count
                ? []
                : try await database.run(
                    AuditArchivedByID(
                        tenantID: trail.tenant,
                        first: first,
                        last: newest,
                        ids: links.map(\.link.event)
                    ),
                    settings
                )
            var byID: [UUID: AuditEventRow] = [:]
            for event in events + archived where byID.updateValue(event, forKey: event.auditEventID) != nil {
                return Finding(
                    fault: .eventInserted,
                    event: event.auditEventID,
                    description: "event \(event.auditEventID) is there twice"
                )
            }
            for (link, hash) in links where link.sequence <= last {
                if let finding = check(link, hash, byID[link.event]) { return finding }
            }
            try await send(VerifyAuditChainResponse(checked: checked, total: total))
        }
        return nil
    }

    private mutating func check(_ link: ChainLink, _ hash: [UInt8], _ event: AuditEventRow?) -> Finding? {
        guard link.sequence == end.sequence + 1 else { return missingLink() }
        let code = link.code(after: end.hash, trail.tenant, keys)
        guard constantTimeEqual(code, hash) else {
            return Finding(
                fault: .linkChanged,
                event: link.event,
                sequence: link.sequence,
                description: "link \(link.sequence), of event \(link.event), is not as it was made"
            )
        }
        if let anchor, anchor.sequence == link.sequence, !constantTimeEqual(anchor.hash, hash) {
            return Finding(
                fault: .anchorMissed,
                event: link.event,
                sequence: link.sequence,
                description: "link \(link.sequence) is another one than the anchor: the trail was taken back to an "
                    + "earlier time and went on from there"
            )
        }
        if let event {
            guard event.isProven(keys), constantTimeEqual(event.mac, link.eventCode) else {
                return Finding(
                    fault: .eventChanged,
                    event: link.event,
                    sequence: link.sequence,
                    description: "event \(link.event), at place \(link.sequence), is not as it was written"
                )
            }
        } else if AuditRetention.isOver(AuditCategory(rawValue: Int32(link.category)), since: link.createTime) {
            forgotten += 1
        } else {
            return Finding(
                fault: .eventMissing,
                event: link.event,
                sequence: link.sequence,
                description: "event \(link.event), at place \(link.sequence), is gone before its time"
            )
        }
        end = ChainEnd(sequence: link.sequence, hash: hash)
        checked += 1
        return nil
    }

    private func missingLink() -> Finding {
        Finding(
            fault: .linkMissing,
            sequence: end.sequence + 1,
            description: "link \(end.sequence + 1) is gone"
        )
    }

    /// Compares where the links end with the head, and with the anchor.
    private func checkEnd(_ head: ChainEnd?, isThere: Bool) -> Finding? {
        guard let head else {
            guard isThere || total > 0 else { return anchor.map(missed) }
            return Finding(
                fault: .headChanged,
                sequence: end.sequence,
                description: "the record of where the chain ends is \(isThere ? "not as it was made" : "gone")"
            )
        }
        if end.sequence < head.sequence { return missingLink() }
        if end != head {
            return Finding(
                fault: .headChanged,
                sequence: end.sequence,
                description: "the record of where the chain ends names another last link than there is"
            )
        }
        if total > head.sequence {
            return Finding(
                fault: .linkInserted,
                sequence: head.sequence + 1,
                description: "there are links after place \(head.sequence), where the chain ends"
            )
        }
        guard let anchor, anchor.sequence > end.sequence else { return nil }
        return missed(anchor)
    }

    private func missed(_ anchor: ChainEnd) -> Finding {
        Finding(
            fault: .anchorMissed,
            sequence: end.sequence,
            description: "the chain ends at place \(end.sequence), before the anchor at place \(anchor.sequence)"
        )
    }

    /// An event without a link that does not wait for one either.
    private func strayEvent() async throws -> Finding? {
        var after = UUID.zero
        while true {
            let count = 5 * AuditChain.batch
            let rows = try await database.run(
                AuditEventPlaces(tenantID: trail.tenant, after: after, count: Int64(count)),
                settings
            )
            if let stray = rows.first(where: { !$0.placed }) {
                return Finding(
                    fault: .eventInserted,
                    event: stray.auditEventID,
                    description: "event \(stray.auditEventID) has no place in the chain: no server has written it"
                )
            }
            guard rows.count == count, let last = rows.last else { break }
            after = last.auditEventID
        }
        after = .zero
        while true {
            let rows = try await database.run(
                AuditArchivePlaces(tenantID: trail.tenant, after: after, count: AuditEvents.archiveRows),
                settings
            )
            if let stray = rows.lazy.compactMap(\.stray).first {
                return Finding(
                    fault: .eventInserted,
                    event: stray,
                    description: "event \(stray) of the archive has no place in the chain: no server has written it"
                )
            }
            guard rows.count == AuditEvents.archiveRows, let last = rows.last else { return nil }
            after = last.lastID
        }
    }
}
