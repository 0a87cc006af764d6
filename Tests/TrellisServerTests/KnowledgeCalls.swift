import Files
import Protobuf
import RPC
import RPCClient
import Terminal
import TrellisAPI

@testable import trellis

/// The data that no one here wrote, where it is: beside the clone, or where TRELLIS_SHARED says.
enum SharedData {
    static let folder = (Terminal.environment("TRELLIS_SHARED") ?? "\(root)/../shared") + "/data"
    static let exists = Files.isFolder(folder)
    static let root = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")

    /// The lines of a file.
    static func lines(_ path: String) throws -> [String] {
        let bytes = try Files.read("\(folder)/\(path)")
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
    }
}

extension TestServer {
    /// Calls a method of ReferenceService.
    func reference<Answer: Message>(
        _ method: String,
        _ request: some Message,
        _ token: String,
        as: Answer.Type = Answer.self
    ) async throws -> Answer {
        try await knowledge("reference.v1.ReferenceService/\(method)", request, token)
    }

    /// Calls a method of SearchService.
    func search<Answer: Message>(
        _ method: String,
        _ request: some Message,
        _ token: String,
        as: Answer.Type = Answer.self
    ) async throws -> Answer {
        try await knowledge("search.v1.SearchService/\(method)", request, token)
    }

    func knowledge<Answer: Message>(
        _ method: String,
        _ request: some Message,
        _ token: String
    ) async throws -> Answer {
        var options = CallOptions(metadata: Metadata(), timeout: .seconds(60))
        options.metadata.append("authorization", "Bearer \(token)")
        return try await channel.unary("/trellis.\(method)", request, options)
    }

    /// Imports a release in chunks and completes it.
    func importRelease(
        _ release: TrellisAPI.Release,
        _ concepts: [Concept],
        _ edges: [Edge] = [],
        _ token: String
    ) async throws -> ImportReleaseResponse {
        let begun: ImportReleaseResponse = try await reference(
            "ImportRelease",
            ImportReleaseRequest(release: release),
            token
        )
        let id = begun.release?.id ?? ""
        for start in stride(from: 0, to: concepts.count, by: 500) {
            let part = Array(concepts[start..<min(start + 500, concepts.count)])
            let request = ImportReleaseRequest(releaseID: id, concepts: part)
            _ = try await reference("ImportRelease", request, token, as: ImportReleaseResponse.self)
        }
        for start in stride(from: 0, to: edges.count, by: 1000) {
            let part = Array(edges[start..<min(start + 1000, edges.count)])
            let request = ImportReleaseRequest(releaseID: id, edges: part)
            _ = try await reference("ImportRelease", request, token, as: ImportReleaseResponse.self)
        }
        return try await reference("ImportRelease", ImportReleaseRequest(releaseID: id, complete: true), token)
    }

    /// Imports what the CLI's readers have read.
    func importSource(
        _ source: ReferenceSource,
        _ token: String,
        policy: DanglingPolicy = .keep
    ) async throws -> ImportReleaseResponse {
        let release = TrellisAPI.Release(
            framework: source.framework,
            version: source.version,
            title: source.title,
            licence: source.licence,
            attribution: source.attribution,
            danglingPolicy: policy
        )
        return try await importRelease(
            release,
            source.concepts.map(ReferenceImporter.message),
            source.edges.map(ReferenceImporter.message),
            token
        )
    }

    /// All pages of a list.
    func pages<Row, Answer: Message>(
        _ size: Int32,
        of first: (String) async throws -> Answer,
        rows: (Answer) -> [Row],
        next: (Answer) -> String
    ) async throws -> [Row] {
        var all: [Row] = []
        var token = ""
        repeat {
            let answer = try await first(token)
            precondition(rows(answer).count <= size, "a page has no more rows than were asked for")
            all += rows(answer)
            token = next(answer)
        } while !token.isEmpty
        return all
    }
}
