import FixtureAPI
import Testing
import TrellisAPI

@testable import Protobuf

@Suite("Field rules say what is wrong and what would be right")
struct FieldRulesTests {
    private let id = "0192d3c4-5b6a-7c8d-9e0f-1a2b3c4d5e6f"

    private func violations(_ change: (inout Widget) -> Void) -> [String] {
        var widget = Widget(displayName: "Lamp", color: .red, amount: 1)
        change(&widget)
        return CreateWidgetRequest(widget: widget).violations().map { "\($0.field) \($0.reason)" }
    }

    @Test("a valid request has no violations, and what the server sets is ignored")
    func valid() {
        #expect(violations { _ in } == [])
        #expect(violations { $0.id = "no uuid" } == [])
        #expect(violations { $0.createTime = Timestamp(nanos: -1) } == [])
        #expect(violations { ($0.code, $0.tags, $0.weight) = ("A.1-b", ["a", "b-2"], 0) } == [])
        #expect(violations { $0.attributesJSON = #"{"a": [1]}"# } == [])
        #expect(GetWidgetRequest(id: id).violations() == [])
    }

    @Test("what is required and missing")
    func required() {
        #expect(CreateWidgetRequest().violations() == [.init(field: "widget", reason: "is required and is not set")])
        #expect(
            violations { ($0.displayName, $0.color) = ("", .unspecified) } == [
                "widget.display_name is required and is empty; it must be 1 to 10 characters long",
                "widget.color is required and is not set; it must be one of COLOR_RED, COLOR_DEEP_BLUE, COLOR_BLACK",
            ]
        )
        #expect(
            GetWidgetRequest().violations().first?.reason.hasPrefix("is required and is empty; it must be a UUID")
                == true
        )
    }

    @Test("lengths count code points, not bytes")
    func lengths() {
        #expect(violations { $0.displayName = "世界世界世界世界世界" } == [])
        #expect(
            violations { $0.displayName = "hello world" } == [
                "widget.display_name is 11 characters long; at most 10 are allowed"
            ]
        )
    }

    @Test("numbers, enums without a name, lists and paths into them")
    func others() {
        #expect(violations { $0.amount = 0 } == ["widget.amount is 0; it must be from 1 to 99"])
        #expect(violations { $0.weight = -0.5 } == ["widget.weight is -0.5; it must be at least 0"])
        #expect(violations { $0.weight = .nan } == ["widget.weight is nan; it must be at least 0"])
        #expect(
            violations { $0.color = .unrecognized(9) }.first?.hasPrefix("widget.color is 9, which has no name here")
                == true
        )
        #expect(violations { $0.tags = ["a", "b", "c", "d"] } == ["widget.tags has 4 elements; at most 3 are allowed"])
        #expect(
            violations { $0.tags = ["a", "B"] }.first?.hasPrefix("widget.tags[1] is \"B\"; it must be a lower-case")
                == true
        )
        let part = Widget(displayName: "x", code: "a b", color: .red, amount: 1)
        #expect(
            violations { $0.parts = [part, part] }.map { $0.prefix(27) } == [
                "widget.parts[0].code is \"a ", "widget.parts[1].code is \"a ",
            ]
        )
        #expect(
            violations { $0.expireTime = Timestamp(nanos: -1) } == [
                "widget.expire_time.nanos is -1; it must be from 0 to 999999999"
            ]
        )
    }

    @Test("the number of violations is bounded")
    func bounded() {
        var widget = Widget(tags: [String](repeating: "?", count: 1000))
        widget.parts = [Widget](repeating: Widget(), count: 1000)
        #expect(CreateWidgetRequest(widget: widget).violations().count == FieldChecker.maxViolations)
    }

    @Test(
        "formats",
        arguments: [
            (
                .uuid, ["0192d3c4-5b6a-7c8d-9e0f-1A2B3C4D5E6F"],
                ["0192d3c45b6a7c8d9e0f1a2b3c4d5e6f", "g192d3c4-5b6a-7c8d-9e0f-1a2b3c4d5e6f"]
            ),
            (
                .slug, ["a", "lima-2", "a1-b2"],
                ["", "-a", "a-", "a--b", "A", "1a", "é", String(repeating: "a", count: 64)]
            ),
            (
                .email, ["ada@example.org", "a.b+c@sub.example.com"],
                ["ada", "a@b", "@example.org", "a@@b.c", "a b@c.de", "a@.de", "a@b.", "a@-b.de"]
            ),
            (
                .language, ["en", "zh-Hans", "de-CH-1996", "x-own", "es-419", "en-u-ca-gregory"],
                ["e", "english-language-tag-", "en_US", "x", "en-u", "en--US", "12"]
            ),
            (
                .timezone, ["UTC", "America/Lima", "America/Argentina/Buenos_Aires", "Etc/GMT+5"],
                ["", "/Lima", "Lima/", "America/ Lima", "+5"]
            ),
            (
                .jsonObject, ["{}", "{\"a\": {\"b\": null}} "],
                ["", "[]", "null", "{", "{'a': 1}", "{\"a\": 1} x", "{\"a\":1,\"a\":2}"]
            ),
            (.code, ["A", "SDG.1.2", "a_b:c-d/e"], ["a b", "ä", String(repeating: "a", count: 129), "a+b"]),
            (.requestID, ["a", "0192d3c4-5b6a"], ["a b", String(repeating: "a", count: 65), "a.b"]),
        ] as [(TextFormat, [String], [String])]
    )
    func formats(_ format: TextFormat, _ right: [String], _ wrong: [String]) {
        for text in right { #expect(format.admits(text), "\(text)") }
        for text in wrong where !text.isEmpty || format == .jsonObject { #expect(!format.admits(text), "\(text)") }
    }

    @Test("secrets are not repeated")
    func secrets() {
        var check = FieldChecker()
        check.text("password", "hunter 2", format: .slug, secret: true)
        #expect(check.violations.first?.reason.contains("hunter") == false)
    }
}
