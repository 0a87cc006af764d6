import Primitives
import Protobuf
import RPC
import Terminal
import TrellisAPI
import TrellisClient

/// `trellis import documents`: files into a knowledge base.
enum ImportDocumentsCommand {
    static let command = Command(
        name: "import documents",
        usage: "PATH... --into NAME [FLAGS]",
        summary: "Import .txt, .md and .jsonl files as documents of a knowledge base.",
        details: "A folder is searched for such files. A text file is one document, each line of a .jsonl file is one, "
            + "with 'title', 'text' and whatever else it has. A knowledge base that does not exist is made. Documents "
            + "that are there already, by source and title, are skipped, so an import that was cut off is run again.",
        flags: [
            Flag("into", placeholder: "NAME|ID", help: "The knowledge base. Required."),
            Flag("language", placeholder: "TAG", help: "Language of the documents that do not say theirs, such as es."),
        ],
        examples: ["trellis import documents handbook/ --into Handbook"]
    ) { context in
        guard !context.words.isEmpty else { throw UsageError("a PATH is needed: a folder or files to import") }
        guard let name = context.parsed["into"] else { throw UsageError("--into is required: the knowledge base") }
        let files = try DocumentFiles(context.words)
        for finding in files.findings { context.note("  \(DisplayWidth.printable(finding))") }
        let language = context.parsed["language"] ?? ""
        let result = try await context.withConnection { connection in
            let bases = KnowledgeBases(connection: connection)
            let base = try await bases.find(name)
            let target = if let base { base } else { try await bases.make(name, language: language) }
            let present = base == nil ? [] : try await bases.documentKeys(of: target)
            let fresh = files.documents.filter { !present.contains(KnowledgeBases.Key($0)) }
            try await bases.add(fresh, to: target)
            return (base: target, isNew: base == nil, added: fresh.count, skipped: files.documents.count - fresh.count)
        }
        context.show(
            .object([
                ("knowledgeBaseId", .string(result.base.id)), ("added", .number("\(result.added)")),
                ("skipped", .number("\(result.skipped)")),
                ("leftOut", .array(files.findings.map { .string($0) })),
            ]),
            [
                "\(result.added) documents added to \(result.isNew ? "the new knowledge base " : "")"
                    + "'\(DisplayWidth.printable(result.base.displayName))'"
                    + (result.skipped > 0 ? ", \(result.skipped) were there already" : "")
            ]
        )
    }
}

/// Knowledge bases by name, and documents into them.
struct KnowledgeBases {
    let connection: TrellisConnection

    /// What makes a document the same one: where it is from, and its title.
    struct Key: Hashable {
        let source: String
        let title: String

        init(_ document: DocumentFiles.Document) {
            source = document.source
            title = document.title
        }

        init(_ document: Document) {
            source = document.sourceURI
            title = document.title
        }
    }

    /// At most so many documents in a call, which the server asks for...
    static let batchDocuments = 100
    /// ...and so many bytes, which leaves room below the message size limit.
    static let batchBytes = 2 << 20

    /// The knowledge base of this id, or of this name without regard to case.
    func find(_ nameOrID: String) async throws -> KnowledgeBase? {
        var request = ListKnowledgeBasesRequest()
        if UUID(nameOrID) == nil { request.displayName = nameOrID }
        repeat {
            let page: ListKnowledgeBasesResponse = try await connection.unary(
                Methods.listKnowledgeBases,
                request,
                isIdempotent: true
            )
            let found = page.knowledgeBases.first { base in
                base.id == nameOrID.lowercased() || base.displayName.lowercased() == nameOrID.lowercased()
            }
            if let found { return found }
            request.pageToken = page.nextPageToken
        } while !request.pageToken.isEmpty
        return nil
    }

    func make(_ name: String, language: String) async throws -> KnowledgeBase {
        guard UUID(name) == nil else { throw TrellisError(.notFound, "there is no knowledge base \(name)") }
        var request = CreateKnowledgeBaseRequest()
        request.displayName = name
        request.language = language
        request.requestID = UUID.v7().text
        return try await connection.unary(Methods.createKnowledgeBase, request, isIdempotent: true)
    }

    /// The documents of a knowledge base, by what makes them the same.
    func documentKeys(of base: KnowledgeBase) async throws -> Set<Key> {
        var keys: Set<Key> = []
        var request = ListDocumentsRequest()
        request.knowledgeBaseID = base.id
        request.pageSize = 1000
        repeat {
            let page: ListDocumentsResponse = try await connection.unary(
                Methods.listDocuments,
                request,
                isIdempotent: true
            )
            keys.formUnion(page.documents.map(Key.init))
            request.pageToken = page.nextPageToken
        } while !request.pageToken.isEmpty
        return keys
    }

    func add(_ documents: [DocumentFiles.Document], to base: KnowledgeBase) async throws {
        var progress = ProgressBar("Importing", total: documents.count, unit: "documents")
        defer { progress.finish() }
        var done = 0
        while done < documents.count {
            var request = BatchCreateDocumentsRequest()
            request.knowledgeBaseID = base.id
            var bytes = 0
            for document in documents[done...].prefix(Self.batchDocuments) {
                bytes += document.content.utf8.count + document.metadata.utf8.count
                if bytes > Self.batchBytes && !request.documents.isEmpty { break }
                request.documents.append(
                    NewDocument(
                        title: document.title,
                        content: document.content,
                        sourceURI: document.source,
                        metadataJSON: document.metadata,
                        language: document.language
                    )
                )
            }
            request.requestID = UUID.v7().text
            let _: BatchCreateDocumentsResponse = try await connection.unary(
                Methods.batchCreateDocuments,
                request,
                isIdempotent: true
            )
            done += request.documents.count
            progress.update(done)
        }
    }
}
