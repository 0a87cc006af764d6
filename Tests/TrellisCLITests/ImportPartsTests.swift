import Files
import Testing
import TrellisAPI

@testable import trellis

@Suite struct ImportPartsTests {
    static func csv(_ text: String) throws(CSV.Problem) -> CSV { try CSV(Array(text.utf8)) }

    @Test func readsQuotesCommasAndLineEndsWithinValues() throws {
        let table = try Self.csv("\u{FEFF}a,b\r\n\"x, \"\"y\"\"\n2\",z\r\n\n,\"\"\r\n")
        #expect(table.header == ["a", "b"])
        #expect(table.records.map(\.line) == [2, 5])
        #expect(table.records[0].fields == ["a": "x, \"y\"\n2", "b": "z"])
        #expect(table.records[1].fields == ["a": "", "b": ""])
    }

    @Test(arguments: [
        ("", "line 1: the file is empty"),
        ("a,b\n1\n", "line 2: 1 values where the header has 2 names"),
        ("a\n\"x", "line 2: a quote is not closed"),
        ("a\n\"x\"y", "line 2: text after a closing quote"),
    ])
    func aBrokenTableNamesItsLine(text: String, message: String) {
        let problem = #expect(throws: CSV.Problem.self) { try Self.csv(text) }
        #expect(problem?.description == message)
    }

    @Test func spellingsAreGroupedByMeaningAndRareSlipsJoinTheFrequentForm() {
        let spellings = Spellings(
            Array(repeating: "Operational Impact", count: 40) + ["Opertional Impact", "operational  impact"]
                + Array(repeating: "R & D", count: 3) + ["r and d"] + Array(repeating: "Wages", count: 12) + ["Waves"]
        )
        #expect(spellings["Opertional Impact"] == "Operational Impact")
        #expect(spellings["operational  impact"] == "Operational Impact")
        #expect(spellings["r and d"] == "R & D")
        #expect(spellings["Waves"] == "Waves", "a short word is another word")
        #expect(spellings.corrections.count == 3)
    }

    @Test func aCodeIsMadeOfTheWordsOfAName() {
        #expect(SourceFile.code(from: "Oceans & Coastal Zones") == "oceans-and-coastal-zones")
        #expect(SourceFile.code(from: "Water, Sanitation, and Hygiene (WASH)") == "water-sanitation-and-hygiene-wash")
        #expect(SourceFile.code(from: "Women\u{2019}s Health") == "womens-health")
    }

    @Test func aLineThatIsNoObjectNamesItsPlace() {
        let problem = #expect(throws: ImportProblem.self) {
            try SourceFile.lines("f.jsonl", Array("{\"a\":1}\n[2]\n".utf8))
        }
        #expect(problem?.description == "f.jsonl:2: an object is expected, not an array")
    }

    @Test func missingFilesAndParentsAreNamed() throws {
        let folder = "/tmp/trellis-import-test-\(UInt64.random(in: 0 ... .max))"
        try Files.makeFolder(folder, mode: 0o700)
        try Files.writePrivately("{\"code\":\"1\",\"text\":\"t\"}\n", to: "\(folder)/goals.jsonl")
        try Files.writePrivately(
            "{\"code\":\"2.1\",\"parent\":\"2\",\"text\":\"t\"}\n",
            to: "\(folder)/targets.jsonl"
        )
        var problem = #expect(throws: ImportProblem.self) { try SDGFiles.read([folder], wording: .current) }
        #expect(problem?.description.hasPrefix("no file 'indicators.jsonl' in \(folder)") == true)
        try Files.writePrivately("", to: "\(folder)/indicators.jsonl")
        problem = #expect(throws: ImportProblem.self) { try SDGFiles.read([folder], wording: .current) }
        #expect(problem?.description == "SDG_TARGET 2.1 belongs to SDG_GOAL 2, which is in none of the files")
    }
}
