public import Domain
internal import Postgres
internal import Primitives
internal import TrellisAPI

/// What is kept of users' sessions: from where, with what and when they signed in.
public struct SessionData: PersonalDataSource {
    /// The part.
    public init() {}

    /// What the part is called.
    public var name: String { "sessions" }

    /// Everything that is kept of a subject.
    public func collect(_ subject: DataSubject, _ work: Work) async throws -> PersonalRecords {
        var found = PersonalRecords()
        guard subject.kind == .user else { return found }
        var after = UUID.zero
        while true {
            let query = SessionList(
                tenantID: work.scope.tenant,
                userID: subject.id,
                after: after,
                showEnded: true,
                count: 1000
            )
            let rows = try await work.transaction.run(query)
            for row in rows { try found.add("session", try row.session(.whole(work.keyring), current: .zero)) }
            guard rows.count == 1000, let last = rows.last else { return found }
            after = last.sessionID
        }
    }

    /// Erases everything personal about a subject. Their sessions end with it, and whoever signed in as them does so no
    /// more: with the last user that they sign in as, they are erased themselves.
    public func erase(_ subject: DataSubject, _ work: Work) async throws -> Int64 {
        guard subject.kind == .user else { return 0 }
        let (tenant, id) = (work.scope.tenant, subject.id)
        let sessions = try await work.transaction.run(SessionErase(tenantID: tenant, userID: id))
        let others = try await work.asPlatform { work in
            let transaction = work.transaction
            let person = try await transaction.run(MembershipPerson(memberOf: tenant, userID: id))?.personID
            let (memberships, resets) = try await transaction.run(
                MembershipErase(memberOf: tenant, userID: id),
                PasswordResetErase(memberOf: tenant, userID: id)
            )
            guard let person else { return memberships + resets }
            return try await memberships + resets + transaction.run(PersonEraseAlone(personID: person))
        }
        return Int64(sessions + others)
    }
}
