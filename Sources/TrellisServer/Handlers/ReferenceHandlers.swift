import Domain
import Postgres
import Primitives
import RPCServer
import Reference
import Search
import TrellisAPI

/// ReferenceService: each method as its use case.
struct ReferenceHandlers: ReferenceService {
    private let index = ConceptSearchIndex()

    func importRelease(
        _ request: ImportReleaseRequest,
        _ context: ServerContext
    ) async throws -> ImportReleaseResponse {
        try await context.write(request) { work in try await ReleaseImport.run(request, work, index) }
    }

    func abandonRelease(
        _ request: AbandonReleaseRequest,
        _ context: ServerContext
    ) async throws -> TrellisAPI.Release {
        try await context.write(request) { work in try await ReleaseImport.abandon(request, work, index) }
    }

    func activateRelease(
        _ request: ActivateReleaseRequest,
        _ context: ServerContext
    ) async throws -> TrellisAPI.Release {
        try await context.write(request) { work in try await Releases.activate(request, work) }
    }

    func getRelease(_ request: GetReleaseRequest, _ context: ServerContext) async throws -> TrellisAPI.Release {
        try await Releases.get(request, context.call.scope, context.call.database)
    }

    func listReleases(_ request: ListReleasesRequest, _ context: ServerContext) async throws -> ListReleasesResponse {
        try await Releases.list(request, context.page(request), context.call.scope, context.call.database)
    }

    func diffReleases(_ request: DiffReleasesRequest, _ context: ServerContext) async throws -> DiffReleasesResponse {
        try await Comparisons.list(request, context.page(request), context.call.scope, context.call.database)
    }

    func getConcept(_ request: GetConceptRequest, _ context: ServerContext) async throws -> Concept {
        try await Concepts.get(request, context.call.scope, context.call.database)
    }

    func listConcepts(_ request: ListConceptsRequest, _ context: ServerContext) async throws -> ListConceptsResponse {
        try await Concepts.list(request, context.page(request), context.call.scope, context.call.database)
    }

    func listEdges(_ request: ListEdgesRequest, _ context: ServerContext) async throws -> ListEdgesResponse {
        try await Edges.list(request, context.page(request), context.call.scope, context.call.database)
    }

    func exportRelease(
        _ request: ExportReleaseRequest,
        _ responses: ResponseWriter<ExportReleaseResponse>,
        _ context: ServerContext
    ) async throws {
        let call = context.call
        try await ReleaseExport.run(request, call.scope, context.timedSettings, call.database) { chunk in
            try await responses.send(chunk)
        }
    }

    func traverse(_ request: TraverseRequest, _ context: ServerContext) async throws -> TraverseResponse {
        let call = context.call
        return try await Traversal.run(
            request,
            context.page(request),
            call.scope,
            context.timedSettings,
            call.database
        )
    }
}

/// Makes the concepts of releases searchable.
struct ConceptSearchIndex: ConceptIndex {
    func add(_ texts: [ConceptText], release: UUID, _ work: Work) async throws {
        let entries = texts.map { text in
            NewEntry(
                concept: text.conceptID,
                framework: text.framework,
                kind: text.kind,
                code: text.code,
                language: text.language,
                name: text.name,
                description: text.description
            )
        }
        try await Entries.add(concepts: entries, release: release, work)
    }

    func remove(release: UUID, _ work: Work) async throws {
        try await Entries.remove(release: release, work)
    }
}

extension ServerContext {
    /// The settings of the call's scope with the call's deadline: for what may take long.
    var timedSettings: SessionSettings {
        var settings = call.scope.settings
        settings.deadline = deadline
        return settings
    }
}
