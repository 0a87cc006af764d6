public import Domain
public import Postgres
internal import Primitives
public import TrellisAPI

/// What can be done with knowledge bases.
public enum KnowledgeBases {
    /// Makes a knowledge base.
    public static func create(_ request: CreateKnowledgeBaseRequest, _ work: Work) async throws -> KnowledgeBase {
        let taken = DomainError.alreadyExists(
            resource: "knowledge base",
            field: "display_name",
            value: request.displayName
        )
        return try await saying(["knowledge_base_display_name": taken]) {
            try await work.transaction.run(
                KnowledgeBaseInsert(
                    tenantID: work.scope.tenant,
                    knowledgeBaseID: .v7(),
                    displayName: request.displayName,
                    displayNameKey: request.displayName.caseFolded,
                    description: request.description,
                    language: request.language.isEmpty ? "en" : request.language
                )
            )
            .certain
        }
    }

    /// Returns one knowledge base.
    public static func get(
        _ request: GetKnowledgeBaseRequest,
        _ scope: Scope,
        _ database: Database
    ) async throws -> KnowledgeBase {
        let id = try UUID(request.id, field: "id")
        return try await database.run(KnowledgeBaseGet(tenantID: scope.tenant, knowledgeBaseID: id), scope.settings)
            .orNotFound("knowledge base", id)
    }

    /// Returns a page of the knowledge bases.
    public static func list(
        _ request: ListKnowledgeBasesRequest,
        _ page: Page,
        _ scope: Scope,
        _ database: Database
    ) async throws -> ListKnowledgeBasesResponse {
        guard request.displayName.isEmpty else {
            let named = try await database.run(
                KnowledgeBaseGetByName(tenantID: scope.tenant, displayNameKey: request.displayName.caseFolded),
                scope.settings
            )
            return ListKnowledgeBasesResponse(knowledgeBases: named.map { [$0] } ?? [])
        }
        let rows = try await database.run(
            KnowledgeBaseList(tenantID: scope.tenant, after: page.after, count: Int32(page.count)),
            scope.settings
        )
        let (bases, next) = page.cut(rows, id: \.id)
        return ListKnowledgeBasesResponse(knowledgeBases: bases, nextPageToken: next)
    }
}
