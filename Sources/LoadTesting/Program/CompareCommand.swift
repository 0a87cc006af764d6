internal import Protobuf
internal import Terminal

/// `trellis-load compare`: what changed between two results.
enum CompareCommand {
    private static let flags = [
        Flag(
            "least",
            placeholder: "PERCENT",
            help: "Differences below this are not called better or worse, however sure they are. Default: 2."
        ),
        Flag("json", .toggle, help: "Prints JSON, for programs."),
    ]

    static var help: HelpPage {
        var page = HelpPage(
            usage: "trellis-load compare A.json B.json [FLAGS]",
            summary:
                "Tells for each call how its rate and its percentiles changed from A to B, and what of that is noise. "
                + "Exit code 5 when something is worse."
        )
        page.add(
            text:
                "The noise is that between the intervals within each run. What differs from run to run (another placement "
                + "of threads, another state of caches, a neighbour) is not in it: run A twice and compare these first."
        )
        page.add("Flags", flags: flags)
        return page
    }

    static func run(_ words: [String]) throws -> Int32 {
        let parsed = try ParsedFlags(words, flags: flags)
        guard parsed.positional.count == 2 else {
            throw UsageError("trellis-load compare A.json B.json: two results are needed")
        }
        var least = 2.0
        if let text = parsed["least"] {
            guard let value = Double(text), 0...100 ~= value else {
                throw UsageError("--least: '\(text)' is not a number of percent from 0 to 100")
            }
            least = value
        }
        let (before, after) = (try RunResult.read(parsed.positional[0]), try RunResult.read(parsed.positional[1]))
        guard before.isOpenLoop == after.isOpenLoop else {
            throw UsageError("one result is of an open loop, the other of a closed one: their latencies differ in kind")
        }
        let rows = Comparison.rows(before, after, leastChange: least / 100)
        guard !rows.isEmpty else { throw UsageError("the results have no call in common") }
        if parsed.isOn("json") {
            Terminal.print(JSONValue.array(rows.map(\.json)).written(.indented))
        } else {
            for line in lines(rows, before, after, least, width: Terminal.width(.output)) { Terminal.print(line) }
        }
        return rows.contains { $0.verdict == .worse } ? ExitCode.worse : ExitCode.success
    }

    static func lines(
        _ rows: [Comparison.Row],
        _ before: RunResult,
        _ after: RunResult,
        _ least: Double,
        width: Int?
    ) -> [String] {
        var lines: [String] = []
        for (name, result) in [("A", before), ("B", after)] {
            for finding in Finding.all(result) { lines.append("\(name): \(finding.text)") }
        }
        var table = TextTable(header: ["", "", "A", "B", "change", "99 % of noise", ""])
        var last = ""
        for row in rows {
            func show(_ value: Double) -> String {
                row.figure == .rate ? NumberText.rate(value) : DurationText.show(value)
            }
            let noise = row.bounds.map { "\(signed($0.lowerBound)) to \(signed($0.upperBound))" } ?? ""
            let name = row.call == last ? "" : row.call
            let cells: [String] = [
                name, row.figure.name, show(row.before), show(row.after), signed(row.change), noise,
                text(row.verdict, least),
            ]
            table.add(cells)
            last = row.call
        }
        return lines + table.lines(width: width)
    }

    private static func signed(_ part: Double) -> String {
        (part >= 0 ? "+" : "") + NumberText.fixed(part * 100, 1) + " %"
    }

    private static func text(_ verdict: Comparison.Verdict, _ least: Double) -> String {
        switch verdict {
        case .better: "better"
        case .worse: "WORSE"
        case .noise: "no difference that can be told from noise"
        case .small: "differs, by less than \(NumberText.digits(least)) %"
        case .tooShort: "too short to tell: \(Comparison.intervalsMin) intervals are needed"
        }
    }
}

extension Comparison.Row {
    fileprivate var json: JSONValue {
        .object([
            ("call", .string(call)), ("figure", .string(figure.name)), ("before", .number("\(before)")),
            ("after", .number("\(after)")), ("change", .number("\(change)")),
            (
                "bounds",
                bounds.map { .array([.number("\($0.lowerBound)"), .number("\($0.upperBound)")]) } ?? .null
            ),
            ("verdict", .string(verdict.rawValue)),
        ])
    }
}
