public import Domain
internal import Postgres
internal import Primitives
internal import TrellisAPI

/// All parts of the system that keep personal data.
public struct PersonalDataSources: Sendable {
    /// The parts, in the order in which exports and certificates name them.
    let all: [any PersonalDataSource]

    /// Takes what each area declares.
    public init(_ sources: [any PersonalDataSource]) {
        all = sources + [StoredAnswers(), PrivacyData()]
    }

    /// The subject who has an id, held until the transaction ends; an alias stands for whom it was merged into.
    func find(_ kind: SubjectKind, _ text: String, _ work: Work) async throws -> DataSubject {
        let id = try UUID(text, field: "subject_id")
        for source in all {
            if let subject = try await source.find(kind, id, work) { return subject }
        }
        throw DomainError.notFound(resource: kind.word, id: text)
    }

    /// Refuses a subject who is under a legal hold, or whose alias is.
    func checkHolds(on subject: DataSubject, _ work: Work) async throws {
        let query = LegalHoldOn(tenantID: work.scope.tenant, subjects: subject.ids)
        guard let hold = try await work.transaction.run(query) else { return }
        throw DomainError.failedPrecondition(
            .init(
                reason: "LEGAL_HOLD",
                subject: "legalHolds/\(hold.id)",
                description: "\(subject.kind.word) \(subject.id) is under legal hold \(hold.id): release it first"
            )
        )
    }
}

extension SubjectKind {
    /// The kind in words.
    var word: String {
        switch self {
        case .endUser: "end user"
        case .user: "user"
        case .unspecified, .unrecognized: "subject"
        }
    }
}

extension DataSubject {
    /// That nothing personal is left of the subject.
    var isErased: DomainError {
        .failedPrecondition(
            .init(
                reason: "SUBJECT_ERASED",
                subject: "subjects/\(id)",
                description: "\(kind.word) \(id) was erased: there is nothing personal about them any more"
            )
        )
    }
}

/// What this area keeps of subjects itself: texts that tokens stand for, and exports, which are copies and not exported again.
struct PrivacyData: PersonalDataSource {
    var name: String { "tokens_and_exports" }

    func collect(_ subject: DataSubject, _ work: Work) async throws -> PersonalRecords {
        var found = PersonalRecords()
        for id in subject.ids {
            var after = ""
            while true {
                let query = SubjectTokenListOf(tenantID: work.scope.tenant, subjectID: id, after: after, count: 1000)
                let rows = try await work.transaction.run(query)
                for row in rows { try found.add("token", try row.text(work.keyring)) }
                guard rows.count == 1000, let last = rows.last else { break }
                after = last.token
            }
        }
        return found
    }

    func erase(_ subject: DataSubject, _ work: Work) async throws -> Int64 {
        let (tokens, exports) = try await work.transaction.run(
            SubjectTokenErase(tenantID: work.scope.tenant, subjects: subject.ids),
            SubjectExportErase(tenantID: work.scope.tenant, subjects: subject.ids)
        )
        return Int64(tokens + exports)
    }
}
