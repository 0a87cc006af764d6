import Testing

@testable import Terminal

@Suite struct LayoutTests {
    @Test(arguments: [
        ("abc", 3), ("消除贫穷", 8), ("é", 1), ("e\u{301}", 1), ("👩‍👩‍👧", 2), ("🇵🇪", 2), ("❤️", 2), ("한글", 4), ("", 0),
        ("القضاء", 6),
    ])
    func widthIsThatOfTheTerminal(text: String, columns: Int) {
        #expect(DisplayWidth.of(text) == columns)
    }

    @Test func foreignTextCannotSteerTheTerminal() {
        #expect(DisplayWidth.printable("a\u{1B}[2Jb\nc\u{202E}d") == "a\u{FFFD}[2Jb c\u{FFFD}d")
    }

    @Test func truncationNeverSplitsAWideCharacter() {
        #expect(DisplayWidth.truncated("消除贫穷", to: 6) == "消除…")
        #expect(DisplayWidth.truncated("abc", to: 3) == "abc")
        #expect(DisplayWidth.truncated("abcd", to: 3) == "ab…")
    }

    @Test func aTableFitsItsTerminalByCuttingTheWidestColumn() {
        var table = TextTable(header: ["CODE", "TEXT"])
        table.add(["1.1", String(repeating: "long ", count: 30)])
        table.add(["消除", "短"])
        let lines = table.lines(width: 40)
        #expect(lines.allSatisfy { DisplayWidth.of($0) <= 40 })
        #expect(lines[0] == "CODE  TEXT")
        #expect(lines[1].hasSuffix("…"))
        #expect(lines[2] == "消除  短")
        #expect(table.lines(width: nil)[1].count > 100, "a pipe gets everything")
    }

    @Test func helpIsWrappedBesideItsNames() {
        var page = HelpPage(usage: "x [flags]", summary: "Does it.")
        page.add(
            "Flags",
            flags: [Flag("listen", placeholder: "HOST:PORT", help: "Where to listen for calls that come in.")]
        )
        #expect(
            page.rendered(width: 50) == """
                Usage: x [flags]

                Does it.

                Flags:
                  --listen HOST:PORT  Where to listen for calls
                                      that come in.

                """
        )
    }

    @Test func aProgressLineNeverExceedsTheTerminal() {
        for width in [10, 30, 60, 200] {
            let line = ProgressBar.line(
                label: "Importing",
                done: 120,
                total: 438,
                unit: "concepts",
                perSecond: 60,
                width: width
            )
            #expect(DisplayWidth.of(line) <= width)
        }
        let line = ProgressBar.line(label: "Importing", done: 5, total: 10, unit: "files", perSecond: 1, width: 80)
        #expect(line.hasSuffix("50% 5/10 files 1/s, 5 s left"))
    }
}
