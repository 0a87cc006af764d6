import Primitives
import Protobuf
import RPC
import Terminal
import TrellisAPI
import TrellisClient

/// Sends a release of reference knowledge in chunks, each with a request id that is made of what it holds.
///
/// So an import that was cut off, on either side and at any point, is simply run again: what has landed is answered
/// from the first time, the rest is added.
struct ReferenceImporter {
    let connection: TrellisConnection
    let source: ReferenceSource

    /// Concepts or edges in one call: few enough that a chunk takes milliseconds and progress can be seen.
    static let chunkSize = 200

    /// What came of it.
    enum Outcome {
        /// It was imported, or checked only.
        case done(ImportReleaseResponse)
        /// The server has this version of the framework already.
        case present(Release)
    }

    /// - Parameters:
    ///   - validateOnly: check and compare, then give the release up again.
    ///   - restart: give up what an earlier attempt has left unfinished, and begin anew.
    func run(validateOnly: Bool, restart: Bool) async throws -> Outcome {
        let earlier = try await releases()
        let complete: [ReleaseState] = [.active, .superseded]
        if let release = earlier.first(where: { complete.contains($0.state) }) { return .present(release) }
        if let staging = earlier.first(where: { $0.state == .staging }), restart {
            try await abandon(staging)
        }
        // Attempts that were given up had request ids of their own.
        let attempt = earlier.count { $0.state == .abandoned } + (restart ? 1 : 0)
        let seed = SHA256.hash(digest() + Array("\(attempt) \(validateOnly)".utf8))
        let begun = try await send(ImportReleaseRequest(release: description()), seed, "begin")
        guard let release = begun.release else { throw Self.malformed }
        let last = try await sendAll(release, seed, validateOnly: validateOnly)
        if validateOnly { try await abandon(release) }
        return .done(last)
    }

    private static let malformed = TrellisError(.internal, "the server's answer has no release")

    private func sendAll(
        _ release: Release,
        _ seed: [UInt8],
        validateOnly: Bool
    ) async throws -> ImportReleaseResponse {
        let concepts = source.concepts.map(Self.message)
        let edges = source.edges.map(Self.message)
        let total = concepts.count + edges.count
        var progress = ProgressBar("Importing \(source.framework) \(source.version)", total: total, unit: "records")
        defer { progress.finish() }
        var done = 0
        for (name, chunk) in Self.chunks(concepts, edges) {
            var request = chunk
            request.releaseID = release.id
            _ = try await send(request, seed, name)
            done += chunk.concepts.count + chunk.edges.count
            progress.update(done)
        }
        let last = ImportReleaseRequest(releaseID: release.id, complete: true, validateOnly: validateOnly)
        return try await send(last, seed, "complete")
    }

    /// Concepts first, then edges, each chunk with a name that does not depend on how far an attempt came.
    private static func chunks(_ concepts: [Concept], _ edges: [Edge]) -> [(name: String, ImportReleaseRequest)] {
        var chunks: [(name: String, ImportReleaseRequest)] = []
        for start in stride(from: 0, to: concepts.count, by: chunkSize) {
            let part = Array(concepts[start..<min(start + chunkSize, concepts.count)])
            chunks.append(("concepts \(start)", ImportReleaseRequest(concepts: part)))
        }
        for start in stride(from: 0, to: edges.count, by: chunkSize) {
            let part = Array(edges[start..<min(start + chunkSize, edges.count)])
            chunks.append(("edges \(start)", ImportReleaseRequest(edges: part)))
        }
        return chunks
    }

    // MARK: Calls

    private func send(
        _ request: ImportReleaseRequest,
        _ seed: [UInt8],
        _ name: String
    ) async throws -> ImportReleaseResponse {
        var request = request
        // 128 of the 256 bits are more than enough to tell the chunks of all imports apart.
        request.requestID = Hex.encode(SHA256.hash(seed + Array(name.utf8)).prefix(16))
        return try await connection.unary(Methods.importRelease, request, isIdempotent: true)
    }

    private func abandon(_ release: Release) async throws {
        let request = AbandonReleaseRequest(id: release.id, requestID: UUID.v7().text)
        let _: Release = try await connection.unary(Methods.abandonRelease, request, isIdempotent: true)
    }

    /// The releases of this framework and version, in all states.
    private func releases() async throws -> [Release] {
        var found: [Release] = []
        var request = ListReleasesRequest()
        request.framework = source.framework
        repeat {
            let page: ListReleasesResponse = try await connection.unary(
                Methods.listReleases,
                request,
                isIdempotent: true
            )
            found += page.releases.filter { $0.version == source.version }
            request.pageToken = page.nextPageToken
        } while !request.pageToken.isEmpty
        return found
    }

    // MARK: Messages

    private func description() -> Release {
        var release = Release()
        release.framework = source.framework
        release.version = source.version
        release.title = source.title
        release.licence = source.licence
        release.attribution = source.attribution
        release.language = "en"
        release.danglingPolicy = .keep
        // What was read is what has to arrive.
        for kind in ConceptKind.knownCases {
            let count = source.concepts.count { $0.key.kind == kind }
            if count > 0 { release.expectedConcepts.append(KindCount(kind: kind, count: Int32(count))) }
        }
        for kind in EdgeKind.knownCases {
            let count = source.edges.count { $0.kind == kind }
            if count > 0 { release.expectedEdges.append(EdgeCount(kind: kind, count: Int32(count))) }
        }
        return release
    }

    static func message(_ concept: ReferenceSource.Concept) -> Concept {
        var message = Concept()
        message.kind = concept.key.kind
        message.code = concept.key.code
        message.name = concept.name
        message.description = concept.description
        message.attributesJSON = concept.attributes.isEmpty ? "" : JSONValue.object(concept.attributes).written()
        message.parent = concept.parent.map(key)
        message.labels = concept.labels.map { Label(language: $0.language, name: $0.name) }
        return message
    }

    static func message(_ edge: ReferenceSource.Edge) -> Edge {
        var message = Edge()
        message.kind = edge.kind
        message.source = key(edge.source)
        message.target = key(edge.target)
        return message
    }

    private static func key(_ key: ReferenceSource.Key) -> ConceptKey {
        ConceptKey(framework: key.framework ?? "", kind: key.kind, code: key.code)
    }

    /// A hash of everything that will be sent.
    private func digest() -> [UInt8] {
        var digest = SHA256.hash(description().serialized())
        for concept in source.concepts { digest = SHA256.hash(digest + Self.message(concept).serialized()) }
        for edge in source.edges { digest = SHA256.hash(digest + Self.message(edge).serialized()) }
        return digest
    }
}

/// The methods that commands call by name.
enum Methods {
    static let importRelease = "/trellis.reference.v1.ReferenceService/ImportRelease"
    static let abandonRelease = "/trellis.reference.v1.ReferenceService/AbandonRelease"
    static let listReleases = "/trellis.reference.v1.ReferenceService/ListReleases"
    static let whoAmI = "/trellis.tenancy.v1.TenancyService/WhoAmI"
    static let search = "/trellis.search.v1.SearchService/Search"
    static let listKnowledgeBases = "/trellis.search.v1.SearchService/ListKnowledgeBases"
    static let createKnowledgeBase = "/trellis.search.v1.SearchService/CreateKnowledgeBase"
    static let listDocuments = "/trellis.search.v1.SearchService/ListDocuments"
    static let batchCreateDocuments = "/trellis.search.v1.SearchService/BatchCreateDocuments"
    static let health = "/grpc.health.v1.Health/Check"
}
