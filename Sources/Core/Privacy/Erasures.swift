public import Domain
public import Postgres
public import Primitives
internal import Protobuf
public import TrellisAPI

/// Erasure of subjects, and its proof.
///
/// Everything happens in one transaction under the lock of the subject: what is personal and by what it is found is
/// erased in every part of the system, the keys are deleted, all tables are searched for what the subject was known by,
/// and the certificate is made. If the server dies on the way, nothing has happened and the job begins anew; what it
/// needs to search for is nowhere kept but in the rows that it erases.
public enum Erasures {
    /// Texts shorter than this are not searched for: they are found everywhere. By their keyed hash they are.
    static let shortestText = 5

    /// What an erasure is to do, as far as the call that asks for it knows: a certificate that is not complete, and has no id
    /// yet; or the certificate of a subject who was erased before. Throws NOT_FOUND or LEGAL_HOLD.
    public static func begin(
        _ request: EraseSubjectRequest,
        _ work: Work,
        _ sources: PersonalDataSources
    ) async throws -> ErasureCertificate {
        let id = try UUID(request.subjectID, field: "subject_id")
        let query = ErasureCertificateOf(tenantID: work.scope.tenant, subjectID: id)
        if let row = try await work.transaction.run(query) {
            return try ErasureCertificate(serialized: row.certificate)
        }
        let subject = try await sources.find(request.subjectKind, request.subjectID, work)
        try await sources.checkHolds(on: subject, work)
        work.audit.target("subject", subject.id.text)
        let times = try await work.transaction.run(ErasureTimes()).certain
        return ErasureCertificate(
            subjectKind: subject.kind,
            subjectID: subject.id.text,
            reason: request.reason,
            requestedBy: work.scope.actor.id.text,
            requestTime: Timestamp(times.requestTime),
            dueTime: Timestamp(times.dueTime)
        )
    }

    /// The texts that a subject is known by.
    public static func texts(
        _ begun: ErasureCertificate,
        _ work: Work,
        _ sources: PersonalDataSources
    ) async throws -> [String] {
        let subject = try await sources.find(begun.subjectKind, begun.subjectID, work)
        return try await known(of: subject, work, sources).texts
    }

    /// Searches what belongs to no tenant for texts. An erasure does not change that, so it is searched before, in a
    /// transaction of the platform's role. On the database's loop.
    public static func searchPlatform(_ texts: [String], _ database: Database) async throws -> PlatformSearch {
        let rows = try await database.transaction(Scope.platformSettings, mode: .snapshot) { transaction in
            try await transaction.run(TablesSearch(texts: texts, codes: []))
        }
        return PlatformSearch(rows: rows)
    }

    /// What a search of what belongs to no tenant has found.
    public struct PlatformSearch: Sendable {
        let rows: [TablesSearchRow]
    }

    /// Erases a subject and certifies it. One who was erased already keeps the certificate that there is.
    public static func run(
        _ begun: ErasureCertificate,
        _ platform: PlatformSearch,
        _ work: Work,
        _ sources: PersonalDataSources,
        progress: Exports.Progress = { _, _, _ in }
    ) async throws -> ErasureCertificate {
        let subject = try await sources.find(begun.subjectKind, begun.subjectID, work)
        let tenant = work.scope.tenant
        if let row = try await work.transaction.run(ErasureCertificateOf(tenantID: tenant, subjectID: subject.id)) {
            return try ErasureCertificate(serialized: row.certificate)
        }
        try await sources.checkHolds(on: subject, work)
        let known = try await known(of: subject, work, sources)
        let id = UUID.v7()
        var certificate = begun
        certificate.id = id.text
        certificate.subjectID = subject.id.text
        certificate.aliasIDs = subject.aliases.map(\.text)
        let steps = sources.all.count + 1
        for (index, source) in sources.all.enumerated() {
            try await progress(index, steps, source.name)
            let count = try await source.erase(subject, work)
            certificate.erased.append(SourceCount(source: source.name, count: count))
        }
        let erasures = subject.ids.map { SubjectKeyErase(tenantID: tenant, subjectID: $0) }
        certificate.keysDeleted = Int64(try await work.transaction.run(all: erasures).reduce(0, +))
        try await progress(sources.all.count, steps, "searching all tables")
        let found = try await work.transaction.run(TablesSearch(texts: known.texts, codes: known.codes)) + platform.rows
        for row in found.sorted(by: { $0.place < $1.place }) {
            certificate.searched.append(SourceCount(source: row.place, count: row.rowsRead))
            if row.rowsFound > 0 { certificate.residues.append(SourceCount(source: row.place, count: row.rowsFound)) }
        }
        certificate.completeTime = Timestamp(Instant.now())
        certificate.signature = signature(certificate, tenant, work.keyring)
        _ = try await work.transaction.run(
            ErasureCertificateInsert(tenantID: tenant, certificateID: id, certificate: certificate.serialized()),
            ErasedSubjectInsert(tenantID: tenant, certificateID: id, subjects: subject.ids)
        )
        work.audit.target("subject", subject.id.text)
        work.audit.changed("erasure_certificate", id.text, from: nil, to: certificate)
        return certificate
    }

    /// Returns the certificate of whoever had an id.
    public static func certificate(
        _ request: GetErasureCertificateRequest,
        _ scope: Scope,
        _ database: Database
    ) async throws -> ErasureCertificate {
        let id = try UUID(request.subjectID, field: "subject_id")
        let query = ErasureCertificateOf(tenantID: scope.tenant, subjectID: id)
        let row = try await database.run(query, scope.settings).orNotFound("erasure certificate of subject", id)
        return try ErasureCertificate(serialized: row.certificate)
    }

    /// Whether a certificate is as it was issued for a tenant.
    public static func isGenuine(_ certificate: ErasureCertificate, _ tenant: UUID, _ keyring: Keyring) -> Bool {
        constantTimeEqual(certificate.signature, signature(certificate, tenant, keyring))
    }

    // MARK: Parts

    private static func signature(_ certificate: ErasureCertificate, _ tenant: UUID, _ keyring: Keyring) -> [UInt8] {
        var unsigned = certificate
        unsigned.signature = []
        return HMACKey(keyring.derived("erasure certificate")).code(tenant.bytes + unsigned.serialized())
    }

    /// What to search for: what the subject is known by, as it is written in columns of text and in JSON, and the keyed
    /// hashes of it.
    private static func known(
        of subject: DataSubject,
        _ work: Work,
        _ sources: PersonalDataSources
    ) async throws -> (texts: [String], codes: [String]) {
        var (texts, codes) = (Set<String>(), Set<String>())
        for source in sources.all {
            let records = try await source.collect(subject, work)
            for text in records.identifiers where text.count >= shortestText {
                // Not every database knows the other case of letters beyond ASCII.
                for form in [text, text.lowercased(), text.uppercased()] {
                    texts.insert(form)
                    texts.insert(String(JSONValue.string(form).written().dropFirst().dropLast()))
                }
            }
            codes.formUnion(records.indexes.map { Hex.encode($0) })
        }
        return (texts.sorted(), codes.sorted())
    }
}
