import Domain
import EventLoop
import RPCServer
import Reference
import Search
import TrellisAPI

/// SearchService: each method as its use case.
struct SearchHandlers: SearchService {
    func createKnowledgeBase(
        _ request: CreateKnowledgeBaseRequest,
        _ context: ServerContext
    ) async throws -> KnowledgeBase {
        try await context.write(request) { work in try await KnowledgeBases.create(request, work) }
    }

    func getKnowledgeBase(_ request: GetKnowledgeBaseRequest, _ context: ServerContext) async throws -> KnowledgeBase {
        try await KnowledgeBases.get(request, context.call.scope, context.call.database)
    }

    func listKnowledgeBases(
        _ request: ListKnowledgeBasesRequest,
        _ context: ServerContext
    ) async throws -> ListKnowledgeBasesResponse {
        try await KnowledgeBases.list(request, context.page(request), context.call.scope, context.call.database)
    }

    func createDocument(_ request: CreateDocumentRequest, _ context: ServerContext) async throws -> Document {
        let document = NewDocument(
            title: request.title,
            content: request.content,
            sourceURI: request.sourceURI,
            metadataJSON: request.metadataJSON,
            language: request.language
        )
        let prepared = try await prepare([document])
        return try await context.write(request) { work in
            let made = try await Documents.create(prepared, knowledgeBase: request.knowledgeBaseID, work)
            var document = made[0]
            document.content = request.content
            return document
        }
    }

    func batchCreateDocuments(
        _ request: BatchCreateDocumentsRequest,
        _ context: ServerContext
    ) async throws -> BatchCreateDocumentsResponse {
        let prepared = try await prepare(try Documents.checked(request))
        return try await context.write(request) { work in
            BatchCreateDocumentsResponse(
                documents: try await Documents.create(prepared, knowledgeBase: request.knowledgeBaseID, work)
            )
        }
    }

    /// Splits documents into chunks; off the loop when there is much to split.
    private func prepare(_ documents: [NewDocument]) async throws -> [PreparedDocument] {
        guard PreparedDocument.size(documents) > PreparedDocument.offloadCodePoints else {
            return documents.map { PreparedDocument($0) }
        }
        return try await Offload.run { documents.map { PreparedDocument($0) } }
    }

    func getDocument(_ request: GetDocumentRequest, _ context: ServerContext) async throws -> Document {
        try await Documents.get(request, context.call.scope, context.call.database)
    }

    func listDocuments(_ request: ListDocumentsRequest, _ context: ServerContext) async throws -> ListDocumentsResponse
    {
        try await Documents.list(request, context.page(request), context.call.scope, context.call.database)
    }

    func listChunks(_ request: ListChunksRequest, _ context: ServerContext) async throws -> ListChunksResponse {
        try await Documents.chunks(request, context.page(request), context.call.scope, context.call.database)
    }

    func deleteDocument(
        _ request: DeleteDocumentRequest,
        _ context: ServerContext
    ) async throws -> DeleteDocumentResponse {
        try await context.write(request) { work in try await Documents.delete(request, work) }
    }

    func search(_ request: SearchRequest, _ context: ServerContext) async throws -> SearchResponse {
        let call = context.call
        var sized = request
        sized.pageSize = SearchQuery.pageSize(request.pageSize)
        let page = try context.page(sized)
        let query = try SearchQuery(request)
        let releases =
            query.wantsConcepts ? try await Releases.visible(query.frameworks, call.scope, call.database) : []
        return try await Searching.run(
            query,
            page,
            releases: releases.map { SearchedRelease(framework: $0, tenant: $1, release: $2) },
            call.scope,
            context.timedSettings,
            call.database
        )
    }
}
