public import Domain
internal import Postgres
public import Primitives
internal import Protobuf
public import TrellisAPI

/// What is kept of end users: who they are, their identities, and who was merged into whom.
public struct EndUserData: PersonalDataSource {
    /// The part.
    public init() {}

    /// What the part is called.
    public var name: String { "end_users" }

    /// Who has an id, held until the transaction ends.
    public func find(_ kind: SubjectKind, _ id: UUID, _ work: Work) async throws -> DataSubject? {
        guard kind == .endUser else { return nil }
        let tenant = work.scope.tenant
        guard let row = try await work.transaction.run(EndUserLock(tenantID: tenant, endUserID: id)) else { return nil }
        if let target = row.mergedInto {
            // Locked anew: who they were merged into may have been merged since.
            return try await find(kind, target, work)
        }
        let aliases = try await work.transaction.run(EndUserAliases(tenantID: tenant, endUserID: id))
        return DataSubject(kind: kind, id: id, aliases: aliases.map(\.endUserID))
    }

    /// Everything that is kept of a subject.
    public func collect(_ subject: DataSubject, _ work: Work) async throws -> PersonalRecords {
        var found = PersonalRecords()
        guard subject.kind == .endUser else { return found }
        let tenant = work.scope.tenant
        let view = PersonalView.whole(work.keyring)
        for row in try await work.transaction.run(EndUserLockAll(tenantID: tenant, endUsers: subject.ids)) {
            let endUser = try row.endUser(view)
            try found.add("end_user", endUser)
            found.identifiers += [endUser.displayName] + endUser.identities.map(\.externalID)
            for json in [endUser.profileJSON, endUser.preferencesJSON] where !json.isEmpty {
                Self.collectIdentifiers(in: try JSONValue(parsing: json), &found.identifiers)
            }
            found.indexes += endUser.identities.map { $0.index(work.keyring) }
        }
        var after = UUID.zero
        while true {
            let query = EndUserMergeListOf(tenantID: tenant, endUserID: subject.id, after: after, count: 1000)
            let rows = try await work.transaction.run(query)
            for row in rows { try found.add("end_user_merge", try row.merge(view)) }
            guard rows.count == 1000, let last = rows.last else { return found }
            after = last.mergeID
        }
    }

    /// What in a profile looks like an address or a telephone number: the subject may be known by it elsewhere. Other texts, such
    /// as a city, are found everywhere.
    static func collectIdentifiers(in value: JSONValue, _ identifiers: inout [String]) {
        switch value {
        case .object(let members): for member in members { collectIdentifiers(in: member.value, &identifiers) }
        case .array(let elements): for element in elements { collectIdentifiers(in: element, &identifiers) }
        case .string(let text), .number(let text):
            let isNumber = text.utf8.count { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") } >= 7
            if isNumber || text.contains("@") { identifiers.append(text) }
        case .bool, .null: break
        }
    }

    /// Erases everything personal about a subject.
    public func erase(_ subject: DataSubject, _ work: Work) async throws -> Int64 {
        guard subject.kind == .endUser else { return 0 }
        let (tenant, ids) = (work.scope.tenant, subject.ids)
        let (people, identities, merges) = try await work.transaction.run(
            EndUserErase(tenantID: tenant, endUsers: ids),
            EndUserIdentityErase(tenantID: tenant, endUsers: ids),
            EndUserMergeErase(tenantID: tenant, endUsers: ids)
        )
        return Int64(people + identities + merges)
    }
}
