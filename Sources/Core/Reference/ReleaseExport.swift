public import Domain
public import Postgres
public import TrellisAPI

/// Whole releases, chunk by chunk.
///
/// Each chunk is a short read that goes on after the last key of the one before. A cursor would hold a connection and a
/// transaction for as long as the slowest reader likes; a complete release does not change, so it needs neither.
public enum ReleaseExport {
    /// Sends the release, its concepts and its edges, each chunk when the one before has been taken.
    ///
    /// - Parameter send: waits while the caller does not read; throws when the caller is gone.
    public static func run(
        _ request: ExportReleaseRequest,
        _ scope: Scope,
        _ settings: SessionSettings,
        _ database: Database,
        _ send: (ExportReleaseResponse) async throws -> Void
    ) async throws {
        let release = try await Releases.readable(
            framework: request.framework,
            release: request.releaseID,
            scope,
            database
        )
        let row = try await database.run(ReleaseGet(tenantID: scope.tenant, releaseID: release.release), settings)
        try await send(ExportReleaseResponse(release: row.orNotFound("release", release.release).message))
        try await sendConcepts(release, settings, database, send)
        try await sendEdges(release, settings, database, send)
    }

    private static func sendConcepts(
        _ release: ReleaseView.Entry,
        _ settings: SessionSettings,
        _ database: Database,
        _ send: (ExportReleaseResponse) async throws -> Void
    ) async throws {
        var query = ConceptList(
            tenantID: release.tenant,
            releaseID: release.release,
            after: 0,
            kind: 0,
            count: Int32(ReferenceLimits.exportedRecords)
        )
        while true {
            let rows = try await database.run(query, settings)
            guard let last = rows.last else { return }
            for part in rows.map({ $0.message(release) }).parts(ofBytes: ReferenceLimits.exportedBytes) {
                try await send(ExportReleaseResponse(concepts: part))
            }
            query.after = last.ordinal
        }
    }

    private static func sendEdges(
        _ release: ReleaseView.Entry,
        _ settings: SessionSettings,
        _ database: Database,
        _ send: (ExportReleaseResponse) async throws -> Void
    ) async throws {
        var query = EdgeList(tenantID: release.tenant, releaseID: release.release)
        query.count = Int32(ReferenceLimits.exportedRecords)
        while true {
            let rows = try await database.run(query, settings)
            guard let last = rows.last else { return }
            // An import makes the edges to children out of the concepts' parents.
            let edges = rows.map { $0.message(framework: release.framework) }.filter { $0.kind != .child }
            if !edges.isEmpty { try await send(ExportReleaseResponse(edges: edges)) }
            query.begin(after: last)
        }
    }
}

extension [Concept] {
    /// The concepts in parts of so many bytes at most, each with one at least.
    fileprivate func parts(ofBytes limit: Int) -> [[Concept]] {
        var parts: [[Concept]] = []
        var size = Int.max
        for concept in self {
            let bytes = concept.serialized().count
            if size > limit - bytes {
                parts.append([])
                size = 0
            }
            parts[parts.count - 1].append(concept)
            size += bytes
        }
        return parts
    }
}
