import Testing
import TrellisAPI

@testable import trellis

@Suite(
    "Reference knowledge as its publishers left it",
    .enabled(if: SharedData.exists, "SKIPPED: ../shared/data is not there")
)
struct ReferenceDataTests {
    static let folder = SharedData.folder

    /// All changes between two releases.
    static func changes(
        _ server: TestServer,
        _ base: ImportReleaseResponse,
        _ next: ImportReleaseResponse
    ) async throws -> [ConceptChange] {
        let request = DiffReleasesRequest(
            baseReleaseID: base.release?.id ?? "",
            releaseID: next.release?.id ?? "",
            pageSize: 100
        )
        return try await server.pages(
            100,
            of: { token in
                var request = request
                request.pageToken = token
                return try await server.reference(
                    "DiffReleases",
                    request,
                    server.platformKey,
                    as: DiffReleasesResponse.self
                )
            },
            rows: \.changes,
            next: \.nextPageToken
        )
    }

    static func count(_ response: ImportReleaseResponse, _ kind: ConceptKind) -> Int32 {
        response.concepts.first { $0.kind == kind }?.count ?? 0
    }

    @Test("the SDGs of 2016, then the current ones: every goal, target and indicator, and what differs")
    func goals() async throws {
        try await TestServer.with { server in
            let old = try SDGFiles.read(["\(Self.folder)/sdg"], wording: .march2016)
            let new = try SDGFiles.read(["\(Self.folder)/sdg"], wording: .current)
            let first = try await server.importSource(old, server.platformKey, policy: .reject)
            #expect([.sdgGoal, .sdgTarget, .sdgIndicator].map { Self.count(first, $0) } == [17, 169, 241])
            let second = try await server.importSource(new, server.platformKey, policy: .reject)
            #expect([.sdgGoal, .sdgTarget, .sdgIndicator].map { Self.count(second, $0) } == [17, 169, 252])
            #expect(second.diff?.added == 12 && second.diff?.retired == 1 && second.diff?.identical == false)
            #expect(second.diff?.edgesAdded == 12 && second.diff?.edgesRemoved == 1)
            let changes = try await Self.changes(server, first, second)
            #expect(changes.count { $0.change == .added } == 12)
            #expect(changes.count { $0.change == .changed } == Int(second.diff?.changed ?? -1))
            let again = try await server.importSource(old.renamed("2016-again"), server.platformKey, policy: .reject)
            #expect(again.diff?.added == 1 && again.diff?.retired == 12)

            let (_, key) = try await server.tenant("acme")
            let walk = TraverseRequest(
                start: ConceptKey(framework: "sdg", kind: .sdgGoal, code: "1"),
                releaseID: second.release?.id ?? "",
                maxDepth: 2
            )
            let reached: TraverseResponse = try await server.reference("Traverse", walk, key)
            let expected = new.concepts.count { $0.key.code.hasPrefix("1.") }
            #expect(reached.visits.count == expected && expected > 15)
        }
    }

    @Test("IRIS+ 5.3, then 5.3c: the counts of the taxonomy, the metrics that came and went, definitions that changed")
    func catalogue() async throws {
        try await TestServer.with { server in
            let goals = try SDGFiles.read(["\(Self.folder)/sdg"], wording: .current)
            _ = try await server.importSource(goals, server.platformKey)
            let old = try IRISFiles.read(["\(Self.folder)/iris/iris-metrics-5.3.jsonl"])
            let new = try IRISFiles.read(["\(Self.folder)/iris"])
            let first = try await server.importSource(old, server.platformKey)
            #expect(Self.count(first, .indicator) == 735)
            let second = try await server.importSource(new, server.platformKey)
            #expect(
                [.category, .theme, .strategicGoal, .indicator].map { Self.count(second, $0) } == [17, 28, 72, 787]
            )
            #expect(second.edges.first { $0.kind == .themeGoal }?.count == 143)
            #expect(second.danglingEdges.map { $0.target?.code } == ["PI1758"])
            #expect(second.release?.danglingEdgeCount == 1)

            let metrics = try await Self.changes(server, first, second).filter { $0.kind == .indicator }
            #expect(metrics.count { $0.change == .added } == 53)
            #expect(metrics.count { $0.change == .retired } == 1)
            let changed = metrics.filter { $0.change == .changed }
            #expect(changed.count { $0.changedFields.contains("description") } == 40)
            #expect(changed.count { $0.changedFields.contains("name") } == 5)

            // From a goal of the United Nations to the metrics that measure it, in the other framework.
            let (_, key) = try await server.tenant("acme")
            let walk = TraverseRequest(
                start: ConceptKey(framework: "sdg", kind: .sdgGoal, code: "1"),
                edgeKinds: [.measures],
                direction: .incoming,
                pageSize: 1000
            )
            let reached: TraverseResponse = try await server.reference("Traverse", walk, key)
            #expect(reached.visits.count > 100 && reached.visits.allSatisfy { $0.concept?.framework == "iris" })
        }
    }

    @Test("refusing what is dangling names it")
    func refusal() async throws {
        try await TestServer.with { server in
            let goals = try SDGFiles.read(["\(Self.folder)/sdg"], wording: .current)
            _ = try await server.importSource(goals, server.platformKey)
            let source = try IRISFiles.read(["\(Self.folder)/iris"])
            let error = await #expect(throws: (any Error).self) {
                try await server.importSource(source, server.platformKey, policy: .reject)
            }
            let text = "\(error.map { "\($0)" } ?? "")"
            #expect(text.contains("RELATED indicator \"PI1160\" -> indicator \"PI1758\""), "\(text)")
        }
    }
}

extension ReferenceSource {
    /// The same under another version.
    fileprivate func renamed(_ version: String) -> ReferenceSource {
        var copy = self
        copy.version = version
        return copy
    }
}
