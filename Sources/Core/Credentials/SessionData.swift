public import Domain
internal import Postgres
internal import Primitives
public import TrellisAPI

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
            for row in rows { try found.add("session", try row.session(.whole(work.keyring))) }
            guard rows.count == 1000, let last = rows.last else { return found }
            after = last.sessionID
        }
    }

    /// Erases everything personal about a subject. Their sessions end with it.
    public func erase(_ subject: DataSubject, _ work: Work) async throws -> Int64 {
        guard subject.kind == .user else { return 0 }
        let erase = SessionErase(tenantID: work.scope.tenant, userID: subject.id)
        return Int64(try await work.transaction.run(erase))
    }
}
