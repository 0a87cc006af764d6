public import Domain
public import Postgres
internal import Primitives
internal import Protobuf
public import TrellisAPI

/// Exports of everything that is kept about a subject.
///
/// The document is kept for a few days in parts that are sealed with the subject's key, so that neither the operation nor
/// anything else that outlives the subject holds a copy.
public enum Exports {
    /// Where parts are sealed for, each with its number.
    private static let place = "export"
    /// Bytes of UTF-8 in a part at most.
    static let partBytes = 1 << 20

    /// Says how far it is: how many of how many parts of the system, and which is next.
    public typealias Progress = (_ done: Int, _ total: Int, _ message: String) async throws -> Void

    /// What an export is to do: the request, for whom an alias stands for, without what only the caller may know. Throws
    /// NOT_FOUND or SUBJECT_ERASED.
    public static func begin(
        _ request: ExportSubjectRequest,
        _ work: Work,
        _ sources: PersonalDataSources
    ) async throws -> ExportSubjectRequest {
        let subject = try await sources.find(request.subjectKind, request.subjectID, work)
        guard try await work.subject(subject.id) != nil else { throw subject.isErased }
        work.audit.target("subject", subject.id.text)
        return ExportSubjectRequest(subjectKind: subject.kind, subjectID: subject.id.text)
    }

    /// Collects everything about a subject in one document, as of one moment, and keeps it.
    public static func make(
        _ request: ExportSubjectRequest,
        _ work: Work,
        _ sources: PersonalDataSources,
        progress: Progress = { _, _, _ in }
    ) async throws -> SubjectExport {
        let subject = try await sources.find(request.subjectKind, request.subjectID, work)
        guard let key = try await work.subject(subject.id) else { throw subject.isErased }
        var data: [(key: String, value: JSONValue)] = []
        var export = SubjectExport(id: UUID.v7().text, subjectKind: subject.kind, subjectID: subject.id.text)
        for (index, source) in sources.all.enumerated() {
            try await progress(index, sources.all.count, source.name)
            let records = try await source.collect(subject, work).records
            guard !records.isEmpty else { continue }
            data.append((source.name, .array(records)))
            export.records.append(SourceCount(source: source.name, count: Int64(records.count)))
        }
        let document = JSONValue.object([
            ("subject_kind", .string(subject.kind.word)), ("subject_id", .string(subject.id.text)),
            ("export_time", .string(Instant.now().description)), ("data", .object(data)),
        ])
        let bytes = Array(document.written().utf8)
        export.byteCount = Int64(bytes.count)
        export.sha256 = SHA256.hash(bytes)
        try await keep(&export, bytes, key, work)
        try await progress(sources.all.count, sources.all.count, "")
        return export
    }

    private static func keep(
        _ export: inout SubjectExport,
        _ bytes: [UInt8],
        _ key: SubjectKey,
        _ work: Work
    ) async throws {
        let (tenant, id) = (work.scope.tenant, try UUID(export.id, field: "id"))
        work.audit.target("subject", key.subject.text)
        let times = try await work.transaction.run(
            SubjectExportInsert(
                tenantID: tenant,
                exportID: id,
                subjectID: key.subject,
                description: export.serialized()
            )
        )
        .certain
        export.createTime = Timestamp(times.createTime)
        export.expireTime = Timestamp(times.expireTime)
        for (number, part) in cut(bytes).enumerated() {
            _ = try await work.transaction.run(
                SubjectExportPartInsert(
                    tenantID: tenant,
                    exportID: id,
                    part: Int32(number),
                    sealedJSON: key.seal(Array(part), place: "\(place) \(id) \(number)")
                )
            )
        }
    }

    /// The export of an id, to be read: in the transaction that remembers who reads it.
    public static func open(_ request: ReadSubjectExportRequest, _ reading: Reading) async throws -> SubjectExport {
        let id = try UUID(request.id, field: "id")
        let row = try await reading.transaction.run(SubjectExportGet(tenantID: reading.scope.tenant, exportID: id))
            .orNotFound("subject export", id)
        reading.audit.target("subject", row.subjectID.text)
        var export = try SubjectExport(serialized: row.description)
        export.createTime = Timestamp(row.createTime)
        export.expireTime = Timestamp(row.expireTime)
        return export
    }

    /// Sends the document of an export, a part at a time, each read when the one before was sent. When the subject is erased
    /// meanwhile, there are no more.
    public static func read(
        _ export: SubjectExport,
        _ scope: Scope,
        _ database: Database,
        _ keyring: Keyring,
        send: (SubjectExportPart) async throws -> Void
    ) async throws {
        let id = try UUID(export.id, field: "id")
        var number: Int32 = 0
        while true {
            let query = SubjectExportPartGet(tenantID: scope.tenant, exportID: id, part: number)
            guard let row = try await database.run(query, scope.settings),
                let key = try keyring.subject(row.subjectID, sealed: row.sealedKey)
            else { return }
            let json = try key.open(row.sealedJSON, place: "\(place) \(id) \(number)")
            try await send(SubjectExportPart(json: String(decoding: json, as: UTF8.self)))
            number += 1
        }
    }

    /// Deletes the exports of all tenants that have run out. On the database's loop.
    public static func purge(_ database: Database) async throws -> Int {
        try await database.run(SubjectExportPurge(), Scope.platformSettings)
    }

    /// Parts of at most ``partBytes`` that end between characters.
    static func cut(_ bytes: [UInt8], partBytes: Int = partBytes) -> [ArraySlice<UInt8>] {
        var (parts, start) = ([ArraySlice<UInt8>](), 0)
        while start < bytes.count {
            var end = min(start + partBytes, bytes.count)
            // A byte 10xxxxxx goes on with the character before it.
            while end < bytes.count, bytes[end] & 0xc0 == 0x80 { end -= 1 }
            parts.append(bytes[start..<end])
            start = end
        }
        return parts
    }
}
