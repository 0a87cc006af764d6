import RPC
import RPCClient
import Testing
import TrellisAPI

@Suite("Exports of releases")
struct ReleaseExportTests {
    private func export(
        _ server: TestServer,
        _ request: ExportReleaseRequest,
        _ key: String
    ) -> ResponseStream<ExportReleaseResponse> {
        var options = CallOptions(metadata: Metadata(), timeout: .seconds(60))
        options.metadata.append("authorization", "Bearer \(key)")
        return server.channel.serverStreaming("/trellis.reference.v1.ReferenceService/ExportRelease", request, options)
    }

    @Test("what is exported can be imported, and is the same")
    func roundTrip() async throws {
        try await TestServer.with { server in
            let (_, key) = try await server.tenant("acme")
            var concepts = (0..<250).map { ReferenceStoryTests.concept("c\($0)", parent: $0 > 0 ? "c0" : nil) }
            concepts[1].attributesJSON = #"{"a": "é", "z": [1, 2.50]}"#
            concepts[1].labels = [Label(language: "de", name: "Luft")]
            let edges = [ReferenceStoryTests.related("c0", "c0")]
            let first = try await server.importRelease(ReferenceStoryTests.release, concepts, edges, key)
            var (release, exported, links): (TrellisAPI.Release?, [Concept], [Edge]) = (nil, [], [])
            for try await chunk in export(server, ExportReleaseRequest(framework: "air"), key) {
                if let head = chunk.release { release = head }
                #expect(chunk.concepts.count <= 100 && chunk.edges.count <= 100)
                exported += chunk.concepts
                links += chunk.edges
            }
            #expect(release?.id == first.release?.id && exported.map(\.code) == concepts.map(\.code))
            #expect(links.count == 1 && links[0].kind == .related)
            // Another tenant takes it over as it is.
            let (_, other) = try await server.tenant("other")
            let copy = try await server.importRelease(
                TrellisAPI.Release(framework: "air", version: "1", title: "Copied"),
                exported,
                links,
                other
            )
            #expect(copy.release?.conceptCount == 250 && copy.release?.edgeCount == first.release?.edgeCount)
            var hashes: [String] = []
            for try await chunk in export(server, ExportReleaseRequest(framework: "air"), other) {
                hashes += chunk.concepts.map(\.contentHash)
            }
            #expect(hashes == exported.map(\.contentHash))
        }
    }

    @Test("a reader that stops reading stops the reading of the database, and goes on where it was")
    func slowReader() async throws {
        try await TestServer.with { server in
            let (_, key) = try await server.tenant("acme")
            let text = String(repeating: "x", count: 2_000)
            let concepts = (0..<6_000).map { index in
                var concept = ReferenceStoryTests.concept("c\(index)")
                concept.description = text
                return concept
            }
            _ = try await server.importRelease(ReferenceStoryTests.release, concepts, [], key)
            let before = try await messagesSent(server)
            var iterator = export(server, ExportReleaseRequest(framework: "air"), key).makeAsyncIterator()
            var codes: [String] = []
            // The release and the first concepts: then the windows fill, and nothing more is fetched.
            for _ in 0..<2 { codes += try await iterator.next()?.concepts.map(\.code) ?? [] }
            var sent = -1
            for _ in 0..<100 {
                let now = try await messagesSent(server) - before
                if now == sent { break }
                sent = now
                try await Task.sleep(for: .milliseconds(200))
            }
            #expect(sent >= 2 && sent < 20, "\(sent) of 61 chunks were sent to a reader that takes nothing")
            while let chunk = try await iterator.next() { codes += chunk.concepts.map(\.code) }
            #expect(codes == concepts.map(\.code))
        }
    }

    @Test("there is nothing to export of a framework without a release, or of somebody else's")
    func nothing() async throws {
        try await TestServer.with { server in
            let (_, key) = try await server.tenant("acme")
            let (_, other) = try await server.tenant("other")
            let made = try await server.importRelease(
                ReferenceStoryTests.release,
                [ReferenceStoryTests.concept("a")],
                [],
                key
            )
            let none = await #expect(throws: RPCError.self) {
                for try await _ in export(server, ExportReleaseRequest(framework: "air"), other) {}
            }
            #expect(none?.reason == "NO_RELEASE")
            let foreign = await #expect(throws: RPCError.self) {
                let request = ExportReleaseRequest(releaseID: made.release?.id ?? "")
                for try await _ in export(server, request, other) {}
            }
            #expect(foreign?.code == .notFound)
        }
    }

    private func messagesSent(_ server: TestServer) async throws -> Int {
        let metrics = try await server.admin("/metrics").body
        let line = metrics.split(separator: "\n").first { $0.hasPrefix("trellis_messages_sent_total ") }
        return line.flatMap { Int($0.split(separator: " ")[1]) } ?? 0
    }
}
