import Protobuf
import Testing
import TrellisAPI

@testable import trellis

@Suite(.enabled(if: Shared.exists, "SKIPPED: ../shared/data is not there"))
struct ReferenceFilesTests {
    static func count(_ source: ReferenceSource, _ kind: ReferenceSource.Kind) -> Int {
        source.concepts.count { $0.key.kind == kind }
    }

    static func count(_ source: ReferenceSource, _ kind: ReferenceSource.Relation) -> Int {
        source.edges.count { $0.kind == kind }
    }

    @Test func theGoalsCountAsTheUnitedNationsCountThem() throws {
        let source = try SDGFiles.read(["\(Shared.data)/sdg"], wording: .current)
        #expect(Self.count(source, .sdgGoal) == 17)
        #expect(Self.count(source, .sdgTarget) == 169)
        #expect(Self.count(source, .sdgIndicator) == 252)
        #expect(source.concepts.allSatisfy { $0.labels.map(\.language) == ["es", "fr", "de", "ru", "ar", "zh-Hans"] })
        #expect(source.findings.isEmpty)
    }

    @Test func theOlderWordingIsReadFromItsTables() throws {
        let source = try SDGFiles.read(["\(Shared.data)/sdg"], wording: .march2016)
        #expect(source.concepts.count == 17 + 169 + 241)
        let indicator = try #require(source.concepts.first { $0.key.code == "1.1.1" })
        #expect(indicator.parent == .init(kind: .sdgTarget, code: "1.1"))
        #expect(JSONValue.object(indicator.attributes)["tier_proposed"]?.text == "Tier I")
        #expect(source.findings.contains { $0.hasPrefix("targets-2016.csv: superfluous white space in ") })
    }

    @Test func theCatalogueCountsAsItsSourceSays() throws {
        let source = try IRISFiles.read(["\(Shared.data)/iris"])
        #expect(source.version == "5.3c")
        #expect(Self.count(source, .category) == 17)
        #expect(Self.count(source, .theme) == 28)
        #expect(Self.count(source, .strategicGoal) == 72)
        #expect(Self.count(source, .indicator) == 787)
        #expect(Self.count(source, .themeGoal) == 143)
    }

    @Test func theDirtOfTheCatalogueIsCorrectedAndReported() throws {
        let source = try IRISFiles.read(["\(Shared.data)/iris"])
        let findings = source.findings.joined(separator: "\n")
        #expect(findings.contains("section 'Opertional Impact' read as 'Operational Impact' (5 metrics)"))
        #expect(findings.contains("category 'Diversity & Inclusion' read as 'Diversity and Inclusion' (24 metrics)"))
        #expect(findings.contains("category 'cross-category' read as 'Cross-Category' (5 metrics)"))
        #expect(findings.contains("category 'Waste & Circularity' read as 'Waste' (20 metrics)"))
        #expect(findings.contains("8 metrics without a category: "))
        #expect(findings.contains("section 'PI9467' of "))
        #expect(findings.contains("1 related metric does not exist, kept as dangling: ") && findings.contains("PI1758"))
        #expect(findings.contains("12 related metrics are no ids, left out: "))
        let parents = Set(source.concepts.filter { $0.key.kind == .indicator }.compactMap(\.parent))
        #expect(parents.count >= 15, "metrics belong to the categories of the taxonomy")
    }

    @Test func allThreeFormsOfTheCatalogueHoldTheSameMetrics() throws {
        let lines = try IRISFiles.read(["\(Shared.data)/iris/iris-metrics.jsonl"])
        let raw = try IRISFiles.read(["\(Shared.data)/iris/iris-metrics-5.3c.raw.json"])
        let table = try IRISFiles.read(["\(Shared.data)/iris/iris-metrics.csv"])
        #expect(lines.concepts.map(\.key) == raw.concepts.map(\.key))
        #expect(lines.concepts.map(\.key) == table.concepts.map(\.key))
        #expect(lines.edges.count == raw.edges.count)
        #expect(Self.count(lines, .measures) == Self.count(table, .measures))
        let older = try IRISFiles.read(["\(Shared.data)/iris/iris-metrics-5.3.jsonl"])
        #expect(older.version == "5.3" && older.concepts.count == 735)
    }

    @Test func whatIsSentKeepsTheLimitsOfTheContract() throws {
        for source in [
            try IRISFiles.read(["\(Shared.data)/iris"]), try SDGFiles.read(["\(Shared.data)/sdg"], wording: .current),
        ] {
            for concept in source.concepts {
                #expect(!concept.key.code.isEmpty && concept.key.code.utf8.count <= 128)
                #expect(!concept.key.code.contains { $0.isWhitespace })
                #expect(concept.name.unicodeScalars.count <= 2000)
                #expect(JSONValue.object(concept.attributes).written().unicodeScalars.count <= 65536)
            }
            #expect(Set(source.concepts.map(\.key)).count == source.concepts.count)
        }
    }
}
