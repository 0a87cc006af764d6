import Protobuf
import RPC
import RPCClient
import Testing
import TrellisAPI

@Suite("Search over the wire")
struct SearchStoryTests {
    static func base(_ server: TestServer, _ key: String, _ name: String = "Handbook") async throws -> String {
        let base: KnowledgeBase = try await server.search(
            "CreateKnowledgeBase",
            CreateKnowledgeBaseRequest(displayName: name),
            key
        )
        return base.id
    }

    static func document(
        _ server: TestServer,
        _ key: String,
        _ base: String,
        _ title: String,
        _ content: String,
        language: String = ""
    ) async throws -> Document {
        let request = CreateDocumentRequest(
            knowledgeBaseID: base,
            title: title,
            content: content,
            metadataJSON: #"{"a":1}"#,
            language: language
        )
        return try await server.search("CreateDocument", request, key)
    }

    static func hits(_ server: TestServer, _ key: String, _ query: String) async throws -> [Hit] {
        let answer: SearchResponse = try await server.search("Search", SearchRequest(query: query), key)
        #expect(answer.totalSize == Int64(answer.hits.count) && !answer.totalSizeEstimated)
        return answer.hits
    }

    /// What a hit's snippet marks, and what the text has at the same places.
    static func marked(_ hit: Hit) throws -> [String] {
        let snippet = try #require(hit.snippet)
        let range = try #require(snippet.range)
        let text = Array(hit.text.unicodeScalars)
        let cut = text[Int(range.start)..<Int(range.end)]
        #expect(String(String.UnicodeScalarView(cut)) == snippet.text)
        return snippet.matches.map { match in
            let start = cut.startIndex + Int(match.start)
            return String(String.UnicodeScalarView(cut[start..<cut.startIndex + Int(match.end)]))
        }
    }

    @Test("a document is found as soon as it is made, with its words marked, and by nobody else")
    func story() async throws {
        try await TestServer.with { server in
            let (_, key) = try await server.tenant("alpha")
            let (_, other) = try await server.tenant("beta")
            let base = try await Self.base(server, key)
            let text = "😀 Residents use cafe\u{301}s. The Café is solar-powered; renewable energies are cheap."
            let made = try await Self.document(server, key, base, "On energy", text)
            #expect(made.content == text && made.chunkCount == 1 && made.metadataJSON == #"{"a": 1}"#)
            let read: Document = try await server.search("GetDocument", GetDocumentRequest(id: made.id), key)
            #expect(read == made && read.language == "en" && read.contentHash.count == 64)

            let hits = try await Self.hits(server, key, "CAFE renewables energy")
            #expect(hits.map(\.documentID) == [made.id] && hits[0].score > 0 && hits[0].title == "On energy")
            #expect(try Self.marked(hits[0]) == ["cafe\u{301}s", "Café", "renewable", "energies"])
            let chunks: ListChunksResponse = try await server.search(
                "ListChunks",
                ListChunksRequest(documentID: made.id),
                key
            )
            #expect(chunks.chunks.map(\.text) == [text] && chunks.chunks[0].id == hits[0].chunkID)
            #expect(chunks.chunks[0].range == TextRange(start: 0, end: Int32(text.unicodeScalars.count)))
            #expect(try await Self.hits(server, key, "the and of") == [])
            #expect(try await Self.hits(server, other, "cafe") == [])
            for (method, request) in [
                ("GetDocument", GetDocumentRequest(id: made.id) as any Message),
                ("DeleteDocument", DeleteDocumentRequest(id: made.id)),
                ("ListDocuments", ListDocumentsRequest(knowledgeBaseID: base)),
                ("ListChunks", ListChunksRequest(documentID: made.id)),
                ("GetKnowledgeBase", GetKnowledgeBaseRequest(id: base)),
                ("CreateDocument", CreateDocumentRequest(knowledgeBaseID: base, title: "x")),
                ("Search", SearchRequest(query: "cafe", knowledgeBaseIDs: [base])),
            ] {
                let error = await #expect(throws: RPCError.self) { try await server.anySearch(method, request, other) }
                #expect(error?.code == .notFound, "\(method)")
            }
            _ = try await server.search(
                "DeleteDocument",
                DeleteDocumentRequest(id: made.id),
                key,
                as: DeleteDocumentResponse.self
            )
            #expect(try await Self.hits(server, key, "cafe") == [])
            let twice = await #expect(throws: RPCError.self) {
                try await server.anySearch("DeleteDocument", DeleteDocumentRequest(id: made.id), key)
            }
            #expect(twice?.code == .notFound)
        }
    }

    @Test("each text is compared by the rules of its own language")
    func languages() async throws {
        try await TestServer.with { server in
            let (_, key) = try await server.tenant("acme")
            let base = try await Self.base(server, key)
            let texts = [
                ("es", "La educación de las niñas"), ("zh-Hans", "在全世界消除一切形式的贫穷"), ("ru", "Чистая вода"),
                ("en", "Clean water for girls"), ("xx", "Klingon words remain"),
            ]
            for (language, text) in texts {
                _ = try await Self.document(server, key, base, "t", text, language: language)
            }
            for (query, language) in [
                ("educacion", "es"), ("niña", "es"), ("贫穷", "zh-Hans"), ("воды", "ru"), ("girl", "en"),
                ("remain", "xx"),
            ] { #expect(try await Self.hits(server, key, query).map(\.language) == [language], "\(query)") }
            #expect(try await Self.hits(server, key, "remaining").isEmpty)
        }
    }

    @Test("rarer words, more of them and shorter texts rank higher; equals are ordered by id")
    func ranking() async throws {
        try await TestServer.with { server in
            let (_, key) = try await server.tenant("acme")
            let base = try await Self.base(server, key)
            let contents = [
                "water", "water water energy", "water " + String(repeating: "filler ", count: 60), "energy", "energy",
                "water",
            ]
            var request = BatchCreateDocumentsRequest(
                knowledgeBaseID: base,
                documents: contents.enumerated().map { NewDocument(title: "\($0)", content: $1) }
            )
            request.requestID = "once"
            let made: BatchCreateDocumentsResponse = try await server.search("BatchCreateDocuments", request, key)
            let repeated: BatchCreateDocumentsResponse = try await server.search("BatchCreateDocuments", request, key)
            #expect(made == repeated && made.documents.map(\.title) == ["0", "1", "2", "3", "4", "5"])
            let hits = try await Self.hits(server, key, "water energy")
            #expect(hits.map(\.title) == ["1", "3", "4", "0", "5", "2"])
            #expect(hits[1].score == hits[2].score && hits[1].chunkID < hits[2].chunkID)
            request.documents.append(NewDocument(title: "", content: "x"))
            request.requestID = "twice"
            let error = await #expect(throws: RPCError.self) {
                try await server.anySearch("BatchCreateDocuments", request, key)
            }
            #expect(error?.fields == ["documents[6].title"])
        }
    }

    @Test("concepts are found in every language of the active release, and by their codes, beside documents")
    func concepts() async throws {
        try await TestServer.with { server in
            let (_, key) = try await server.tenant("acme")
            let base = try await Self.base(server, key)
            _ = try await Self.document(server, key, base, "Report", "Our solar energy")
            var release = ReferenceStoryTests.release
            func concept(_ name: String) -> Concept {
                Concept(
                    kind: .indicator,
                    code: "OI4127",
                    name: name,
                    description: "Energy that was bought",
                    labels: [Label(language: "es", name: "Energía comprada")]
                )
            }
            let first = try await server.importRelease(release, [concept("Energy purchased")], [], server.platformKey)
            let hits = try await Self.hits(server, key, "energy")
            #expect(Set(hits.map(\.kind)) == [.chunk, .concept])
            let found = try #require(hits.first { $0.kind == .concept })
            #expect(found.framework == "air" && found.conceptCode == "OI4127" && found.title == "Energy purchased")
            #expect(found.releaseID == first.release?.id && found.text == "Energy that was bought")
            #expect(try Self.marked(found) == ["Energy"])
            #expect(try await Self.hits(server, key, "energía").contains { $0.language == "es" })
            #expect(try await Self.hits(server, key, "oi4127").count == 2)

            release.version = "2"
            let second = try await server.importRelease(
                release,
                [concept("Electricity purchased")],
                [],
                server.platformKey
            )
            #expect(try await Self.hits(server, key, "electricity").map(\.releaseID) == [second.release?.id])
            #expect(try await Self.hits(server, key, "oi4127").allSatisfy { $0.releaseID == second.release?.id })
            let back = ActivateReleaseRequest(id: first.release?.id ?? "")
            _ = try await server.reference("ActivateRelease", back, server.platformKey, as: TrellisAPI.Release.self)
            #expect(try await Self.hits(server, key, "electricity").isEmpty)
            let only: SearchResponse = try await server.search(
                "Search",
                SearchRequest(query: "energy", frameworks: ["air"]),
                key
            )
            #expect(only.hits.allSatisfy { $0.kind == .concept } && only.totalSize == 1)
            let none = await #expect(throws: RPCError.self) {
                try await server.anySearch("Search", SearchRequest(query: "a", frameworks: ["nope"]), key)
            }
            #expect(none?.reason == "NO_RELEASE")
        }
    }

    @Test("a token that was changed, or is of another query, is refused")
    func tokens() async throws {
        try await TestServer.with { server in
            let (_, key) = try await server.tenant("acme")
            let base = try await Self.base(server, key)
            for title in ["a", "b", "c"] { _ = try await Self.document(server, key, base, title, "water") }
            var request = SearchRequest(query: "water", pageSize: 1)
            let first: SearchResponse = try await server.search("Search", request, key)
            #expect(!first.nextPageToken.isEmpty && first.totalSize == 3)
            let other = SearchRequest(query: "energy", pageSize: 1, pageToken: first.nextPageToken)
            request.pageToken = first.nextPageToken + "A"
            for wrong in [other, request] {
                let error = await #expect(throws: RPCError.self) { try await server.anySearch("Search", wrong, key) }
                #expect(error?.fields == ["page_token"])
            }
        }
    }
}

extension TestServer {
    /// Calls a method of SearchService of which only the error matters; WhoAmIRequest has no fields.
    func anySearch(_ method: String, _ request: any Message, _ key: String) async throws {
        _ = try await search(method, request, key, as: WhoAmIRequest.self)
    }
}
