import Domain
import Primitives
import Testing
import TrellisAPI

@testable import Reference

@Suite("Whether a release can be completed")
struct ReleaseVerdictTests {
    static func release(_ policy: DanglingPolicy = .reject, concepts: [(Int32, Int32)] = []) -> ReleaseRow {
        ReleaseRow(
            releaseID: .v7(),
            tenantID: .zero,
            framework: "iris",
            version: "5.3c",
            title: "",
            licence: "",
            attribution: "",
            sourceURI: "",
            language: "en",
            danglingPolicy: policy.rawValue,
            expectedConceptKinds: concepts.map(\.0),
            expectedConceptCounts: concepts.map(\.1),
            expectedEdgeKinds: [9],
            expectedEdgeCounts: [1],
            conceptCount: 0,
            edgeCount: 0,
            danglingEdgeCount: 0,
            createTime: .now(),
            completeTime: nil,
            activateTime: nil,
            state: 1
        )
    }

    static func verdict(orphans: [Orphan] = [], dangling: [EdgeRow] = [], concepts: Int32 = 787) -> ReleaseVerdict {
        ReleaseVerdict(
            concepts: concepts == 0 ? [] : [KindTotal(kind: 6, count: concepts)],
            edges: [KindTotal(kind: 9, count: 1)],
            orphans: orphans,
            sourceless: [],
            dangling: dangling,
            danglingCount: Int32(dangling.count)
        )
    }

    static let nowhere = EdgeRow(
        sourceKind: 6,
        sourceCode: "PI1160",
        kind: 9,
        targetFramework: "iris",
        targetKind: 6,
        targetCode: "PI1758",
        rank: 0,
        strength: -1,
        dangling: true
    )

    @Test("one without fault passes")
    func good() {
        #expect(Self.verdict().faults(of: Self.release(concepts: [(6, 787)])) == [])
    }

    @Test("counts that differ from the expected ones are told with both numbers")
    func counts() {
        #expect(
            Self.verdict().faults(of: Self.release(concepts: [(6, 731), (1, 17)])) == [
                "787 concepts of kind indicator where 731 are expected",
                "0 concepts of kind category where 17 are expected",
            ]
        )
        #expect(Self.verdict(concepts: 0).faults(of: Self.release()) == ["it has no concepts"])
    }

    @Test("missing parents and dangling edges are named, the latter only where they are refused")
    func names() {
        let orphan = Orphan(kind: 2, code: "clean-air", parentKind: 1, parentCode: "air")
        let verdict = Self.verdict(orphans: [orphan], dangling: [Self.nowhere])
        let missing = "concepts have a parent that is missing: theme \"clean-air\" (parent category \"air\")"
        let leads = "edges lead to a concept that is missing: RELATED indicator \"PI1160\" -> indicator \"PI1758\""
        #expect(verdict.faults(of: Self.release()) == [missing, leads])
        #expect(verdict.faults(of: Self.release(.keep)) == [missing])
    }

    @Test("of many records the first are named, and the error is RELEASE_INVALID")
    func many() throws {
        let verdict = Self.verdict(dangling: Array(repeating: Self.nowhere, count: ReferenceLimits.namedRecords + 1))
        let error = #expect(throws: DomainError.self) { try verdict.check(Self.release()) }
        #expect(error?.reason == "RELEASE_INVALID" && error?.message.hasSuffix(", and more") == true)
        #expect(error?.message.hasPrefix("iris 5.3c cannot be completed: ") == true)
    }
}
