public import Domain
public import Postgres
internal import Primitives
public import TrellisAPI

/// What can be done with documents. They do not change once made.
public enum Documents {
    /// The documents of a batch; throws when they are too much together.
    public static func checked(_ request: BatchCreateDocumentsRequest) throws(DomainError) -> [NewDocument] {
        let size = PreparedDocument.size(request.documents)
        guard size <= SearchLimits.batchCodePoints else {
            throw .invalid(
                "documents",
                "their contents have \(size) code points together, more than \(SearchLimits.batchCodePoints):"
                    + " send them in several batches"
            )
        }
        return request.documents
    }

    /// Makes documents of one knowledge base; returns them without their contents, in the order given.
    public static func create(
        _ documents: [PreparedDocument],
        knowledgeBase: String,
        _ work: Work
    ) async throws -> [Document] {
        let base = try UUID(knowledgeBase, field: "knowledge_base_id")
        let (transaction, tenant) = (work.transaction, work.scope.tenant)
        let found = try await transaction.run(KnowledgeBaseGet(tenantID: tenant, knowledgeBaseID: base))
            .orNotFound("knowledge base", base)
        let languages = documents.map { $0.document.language.isEmpty ? found.language : $0.document.language }
        // Sorted, so that lists have them in the order given.
        let ids = documents.map { _ in UUID.v7() }.sorted()
        let rows = try await transaction.run(
            DocumentInsert(
                tenantID: tenant,
                knowledgeBaseID: base,
                documentIDs: ids,
                titles: documents.map(\.document.title),
                contents: documents.map(\.document.content),
                sourceUris: documents.map(\.document.sourceURI),
                metadatas: documents.map(\.document.metadata),
                languages: languages,
                chunkCounts: documents.map { Int32($0.chunks.count) },
                contentHashes: documents.map(\.hash)
            )
        )
        let entries = zip(documents, zip(ids, languages)).flatMap { document, place in
            document.entries(id: place.0, language: place.1)
        }
        try await Entries.add(chunks: entries, knowledgeBase: base, work)
        let made = Dictionary(uniqueKeysWithValues: rows.map { ($0.documentID, $0) })
        return documents.indices.map { index in
            let row = made[ids[index]].certain
            let document = documents[index].message(row, knowledgeBase: base, language: languages[index])
            work.audit.changed("document", document.id, from: nil, to: document)
            return document
        }
    }

    /// Returns one document with its content.
    public static func get(_ request: GetDocumentRequest, _ scope: Scope, _ database: Database) async throws -> Document
    {
        let id = try UUID(request.id, field: "id")
        return try await database.run(DocumentGet(tenantID: scope.tenant, documentID: id), scope.settings)
            .orNotFound("document", id)
    }

    /// Returns a page of the documents of a knowledge base, without their contents.
    public static func list(
        _ request: ListDocumentsRequest,
        _ page: Page,
        _ scope: Scope,
        _ database: Database
    ) async throws -> ListDocumentsResponse {
        let base = try UUID(request.knowledgeBaseID, field: "knowledge_base_id")
        let (found, rows) = try await database.run(
            KnowledgeBaseGet(tenantID: scope.tenant, knowledgeBaseID: base),
            DocumentList(
                tenantID: scope.tenant,
                knowledgeBaseID: base,
                after: page.after,
                count: Int32(page.count)
            ),
            settings: scope.settings
        )
        _ = try found.orNotFound("knowledge base", base)
        let (documents, next) = page.cut(rows, id: \.id)
        return ListDocumentsResponse(documents: documents, nextPageToken: next)
    }

    /// Returns a page of the chunks of a document.
    public static func chunks(
        _ request: ListChunksRequest,
        _ page: Page,
        _ scope: Scope,
        _ database: Database
    ) async throws -> ListChunksResponse {
        let id = try UUID(request.documentID, field: "document_id")
        var after: Int32 = -1
        if let position = page.position {
            var reader = PositionReader(position)
            after = try reader.number32()
        }
        let rows = try await database.run(
            ChunkList(tenantID: scope.tenant, documentID: id, after: after, count: Int32(page.count)),
            scope.settings
        )
        // Every document has a chunk, so a first page without one says that there is no document.
        guard page.position != nil || !rows.isEmpty else {
            throw DomainError.notFound(resource: "document", id: id.text)
        }
        let (chunks, next) = page.cut(rows) { row in
            var writer = PositionWriter()
            writer.write(row.position)
            return writer.bytes
        }
        return ListChunksResponse(
            chunks: chunks.map { row in
                Chunk(
                    id: row.id.text,
                    documentID: id.text,
                    position: row.position,
                    range: TextRange(start: row.rangeStart, end: row.rangeEnd),
                    text: row.text
                )
            },
            nextPageToken: next
        )
    }

    /// Deletes a document and what searches find of it.
    public static func delete(_ request: DeleteDocumentRequest, _ work: Work) async throws -> DeleteDocumentResponse {
        let id = try UUID(request.id, field: "id")
        let tenant = work.scope.tenant
        let document = try await work.transaction.run(DocumentDelete(tenantID: tenant, documentID: id))
            .orNotFound("document", id)
        work.audit.changed("document", document.id, from: document, to: nil)
        _ = try await work.transaction.run(
            EntryDeleteByDocument(tenantID: tenant, documentID: id, slot: Entries.slot)
        )
        return DeleteDocumentResponse()
    }
}

extension NewDocument {
    /// The metadata, never empty.
    fileprivate var metadata: String { metadataJSON.isEmpty ? "{}" : metadataJSON }
}

extension PreparedDocument {
    fileprivate func entries(id: UUID, language: String) -> [NewEntry] {
        chunks.enumerated().map { position, chunk in
            NewEntry(
                document: id,
                position: Int32(position),
                range: chunk.range,
                language: language,
                title: document.title,
                body: chunk.text,
                counts: chunk.counts
            )
        }
    }

    fileprivate func message(_ row: NewDocumentRow, knowledgeBase: UUID, language: String) -> Document {
        Document(
            id: row.documentID.text,
            knowledgeBaseID: knowledgeBase.text,
            title: document.title,
            sourceURI: document.sourceURI,
            metadataJSON: row.metadata,
            language: language,
            chunkCount: Int32(chunks.count),
            contentHash: Hex.encode(hash),
            createTime: Timestamp(row.createTime)
        )
    }
}
