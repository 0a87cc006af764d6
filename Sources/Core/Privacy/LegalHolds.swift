public import Domain
public import Postgres
internal import Primitives
public import TrellisAPI

/// What can be done with legal holds.
///
/// A hold is placed, and an erasure begun, under the lock of the subject: whichever comes first, the other sees it.
public enum LegalHolds {
    /// Places a hold.
    public static func place(
        _ request: PlaceLegalHoldRequest,
        _ work: Work,
        _ sources: PersonalDataSources
    ) async throws -> LegalHold {
        let subject = try await sources.find(request.subjectKind, request.subjectID, work)
        guard try await work.subject(subject.id) != nil else { throw subject.isErased }
        let hold = try await work.transaction.run(
            LegalHoldInsert(
                tenantID: work.scope.tenant,
                holdID: .v7(),
                subjectKind: Int16(subject.kind.rawValue),
                subjectID: subject.id,
                reason: request.reason,
                placedBy: work.scope.actor.id
            )
        )
        .certain
        work.audit.changed("legal_hold", hold.id, from: nil, to: hold)
        work.audit.target("subject", subject.id.text)
        return hold
    }

    /// Releases a hold.
    public static func release(_ request: ReleaseLegalHoldRequest, _ work: Work) async throws -> LegalHold {
        let (tenant, id) = (work.scope.tenant, try UUID(request.id, field: "id"))
        let hold = try await work.transaction.run(LegalHoldLock(tenantID: tenant, holdID: id)).orNotFound(
            "legal hold",
            id
        )
        guard hold.releaseTime == nil else {
            throw DomainError.failedPrecondition(
                .init(
                    reason: "LEGAL_HOLD_RELEASED",
                    subject: "legalHolds/\(id)",
                    description: "legal hold \(id) has been released already: place another to hold the subject again"
                )
            )
        }
        return try await work.transaction.run(LegalHoldRelease(tenantID: tenant, holdID: id)).certain
    }

    /// Returns a page of the holds.
    public static func list(
        _ request: ListLegalHoldsRequest,
        _ page: Page,
        _ scope: Scope,
        _ database: Database
    ) async throws -> ListLegalHoldsResponse {
        let (tenant, after, count) = (scope.tenant, try page.after, Int64(page.count))
        let rows: [LegalHold]
        if let subject = try UUID.optional(request.subjectID, field: "subject_id") {
            let query = LegalHoldListOf(
                tenantID: tenant,
                subjectID: subject,
                after: after,
                showReleased: request.showReleased,
                count: count
            )
            rows = try await database.run(query, scope.settings)
        } else {
            let query = LegalHoldList(
                tenantID: tenant,
                after: after,
                showReleased: request.showReleased,
                count: count
            )
            rows = try await database.run(query, scope.settings)
        }
        let (holds, next) = page.cut(rows, id: \.id)
        return ListLegalHoldsResponse(legalHolds: holds, nextPageToken: next)
    }
}
