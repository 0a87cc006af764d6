public import Domain
public import Postgres
internal import Primitives
public import TrellisAPI

/// The concepts of releases, one by one and in lists.
public enum Concepts {
    /// Returns one concept, by its id or by its framework, kind and code.
    public static func get(_ request: GetConceptRequest, _ scope: Scope, _ database: Database) async throws -> Concept {
        guard request.id.isEmpty else { return try await getByID(request, scope, database) }
        guard !request.framework.isEmpty, request.kind.isKnown, !request.code.isEmpty else {
            throw DomainError.invalid(
                request.framework.isEmpty ? "framework" : request.code.isEmpty ? "code" : "kind",
                "it is empty or unknown: give an id, or framework, kind and code"
            )
        }
        let release = try await Releases.readable(
            framework: request.framework,
            release: request.releaseID,
            scope,
            database
        )
        let found =
            if request.releaseID.isEmpty {
                try await database.run(
                    ConceptGetLatest(
                        tenantID: release.tenant,
                        framework: request.framework,
                        kind: request.kind.rawValue,
                        code: request.code
                    ),
                    scope.settings
                )
            } else {
                try await database.run(
                    ConceptGet(
                        tenantID: release.tenant,
                        releaseID: release.release,
                        kind: request.kind.rawValue,
                        code: request.code
                    ),
                    scope.settings
                )
            }
        return try found.orNotFound(request.kind.words, "\(request.framework) \(request.code)").message
    }

    private static func getByID(
        _ request: GetConceptRequest,
        _ scope: Scope,
        _ database: Database
    ) async throws -> Concept {
        guard request.framework.isEmpty, request.kind == .unspecified, request.code.isEmpty else {
            throw DomainError.invalid("id", "framework, kind and code are given too: give an id, or these three")
        }
        let id = try UUID(request.id, field: "id")
        guard !request.releaseID.isEmpty else {
            return try await database.run(
                ConceptGetLatestByID(tenantID: scope.tenant, conceptID: id),
                scope.settings
            )
            .orNotFound("concept", id).message
        }
        let release = try await Releases.readable(framework: "", release: request.releaseID, scope, database)
        return try await database.run(
            ConceptGetByID(tenantID: release.tenant, conceptID: id, releaseID: release.release),
            scope.settings
        )
        .orNotFound("concept", id).message
    }

    /// Returns a page of the concepts of a release, in the order in which they were imported.
    public static func list(
        _ request: ListConceptsRequest,
        _ page: Page,
        _ scope: Scope,
        _ database: Database
    ) async throws -> ListConceptsResponse {
        let place = try await ListedRelease(page, request.framework, request.releaseID, scope, database)
        var reader = place.reader
        let after = try reader?.number32() ?? 0
        let release = place.release
        let rows: [ListedConcept]
        if let parent = request.parent {
            rows = try await database.run(
                ConceptListByParent(
                    tenantID: release.tenant,
                    releaseID: release.release,
                    parentKind: parent.kind.rawValue,
                    parentCode: parent.code,
                    after: after,
                    kind: request.kind.rawValue,
                    count: Int32(page.count)
                ),
                scope.settings
            )
        } else {
            rows = try await database.run(
                ConceptList(
                    tenantID: release.tenant,
                    releaseID: release.release,
                    after: after,
                    kind: request.kind.rawValue,
                    count: Int32(page.count)
                ),
                scope.settings
            )
        }
        let (concepts, next) = page.cut(rows) { row in
            var writer = place.writer
            writer.write(row.ordinal)
            return writer.bytes
        }
        return ListConceptsResponse(concepts: concepts.map { $0.message(release) }, nextPageToken: next)
    }
}

/// The release that a list reads: that of the first page, on every page.
struct ListedRelease {
    let release: ReleaseView.Entry
    /// The position after the release; nil on the first page.
    let reader: PositionReader?

    /// Reads it from the page token, or finds it by the request.
    init(
        _ page: Page,
        _ framework: String,
        _ releaseID: String,
        _ scope: Scope,
        _ database: Database
    ) async throws {
        guard let position = page.position else {
            release = try await Releases.readable(framework: framework, release: releaseID, scope, database)
            reader = nil
            return
        }
        var reader = PositionReader(position)
        release = ReleaseView.Entry(framework: try reader.text(), tenant: try reader.id(), release: try reader.id())
        self.reader = reader
    }

    /// A position that begins with the release.
    var writer: PositionWriter {
        var writer = PositionWriter()
        writer.write(release.framework)
        writer.write(release.tenant)
        writer.write(release.release)
        return writer
    }
}
