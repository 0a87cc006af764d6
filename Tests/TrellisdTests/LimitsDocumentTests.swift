import Files
import Foundation
import HTTP2
import RPCServer
import Testing

@testable import trellisd

/// docs/limits.md says what is so.
@Suite struct LimitsDocumentTests {
    private static let rows: [[String]] = {
        let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../docs/limits.md")
        let text = (try? String(contentsOf: file, encoding: .utf8)) ?? ""
        return text.split(separator: "\n").filter { $0.hasPrefix("| `") }.map { line in
            line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces).replacing("`", with: "") }
        }
    }()

    @Test func everyPropertyIsThereWithItsDefault() {
        var found: [String: String] = [:]
        for row in Self.rows { found[row[0]] = row[1] }
        var expected: [String: String] = [:]
        for limits in [Mirror(reflecting: ServerLimits()), Mirror(reflecting: HTTP2Limits())] {
            for child in limits.children where child.label != "http2" {
                expected[child.label ?? ""] = "\(child.value)"
            }
        }
        #expect(found == expected)
    }

    @Test func everyLimitThatIsCountedIsThereAndNoOther() {
        let found = Set(Self.rows.map { $0[2] }).subtracting([""])
        #expect(found == Set(HTTP2Limit.allCases.map(\.rawValue) + ServerLimit.allCases.map(\.rawValue)))
    }

    @Test func everyFlagIsThereAndNoOther() {
        let found = Set(Self.rows.map { $0[3] }).subtracting([""])
        #expect(found == Set(LimitSetting.all.map { "--\($0.entry.name)" }))
    }
}
