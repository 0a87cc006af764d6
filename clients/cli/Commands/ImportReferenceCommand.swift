import Protobuf
import Terminal
import TrellisAPI
import TrellisClient

/// `trellis import sdg` and `trellis import iris`.
enum ImportReferenceCommand {
    private static let shared = [
        Flag("release", placeholder: "VERSION", help: "What to call the release. Default: what the files are."),
        Flag("dry-run", .toggle, help: "Check the files, let the server check and compare the release, keep nothing."),
        Flag("restart", .toggle, help: "Give up what an earlier import has left unfinished, and begin anew."),
    ]

    static let sdg = Command(
        name: "import sdg",
        usage: "PATH... [FLAGS]",
        summary: "Import the Sustainable Development Goals with their targets and indicators.",
        details:
            "PATH is a folder with goals.jsonl, targets.jsonl and indicators.jsonl (or these files), or with the CSV "
            + "tables of the 2016 wording. With the platform's key the release is shared by all tenants, with a tenant's "
            + "it is the tenant's own. An import that was cut off is run again as it was: what has landed is skipped.",
        flags: shared + [
            Flag(
                "wording",
                placeholder: "current|2016",
                help: "Which files to read from a folder that has both. Default: current.",
                choices: SDGFiles.Wording.allCases.map(\.rawValue)
            )
        ],
        examples: ["trellis --platform import sdg demo/sdg"]
    ) { context in
        let wording = SDGFiles.Wording(rawValue: context.parsed["wording"] ?? "") ?? .current
        try await run(context) { try SDGFiles.read($0, wording: wording) }
    }

    static let iris = Command(
        name: "import iris",
        usage: "PATH... [FLAGS]",
        summary: "Import the IRIS+ catalogue of metrics, with its taxonomy and its links to the SDGs.",
        details:
            "PATH is a folder with the metrics as JSON lines, a JSON array or CSV and iris-taxonomy.json, or these "
            + "files. Categories and sections that people spelled in many ways are read by their meaning, and every "
            + "correction is listed. Import the SDGs before, so that the links lead somewhere.",
        flags: shared,
        examples: ["trellis --platform import iris ~/iris"]
    ) { context in
        try await run(context) { try IRISFiles.read($0) }
    }

    private static func run(_ context: Context, _ read: ([String]) throws -> ReferenceSource) async throws {
        guard !context.words.isEmpty else { throw UsageError("a PATH is needed: a folder or files to import") }
        var source = try read(context.words)
        if let version = context.parsed["release"] { source.version = version }
        for finding in source.findings { context.note("  \(DisplayWidth.printable(finding))") }
        let (validateOnly, restart) = (context.parsed.isOn("dry-run"), context.parsed.isOn("restart"))
        let outcome: ReferenceImporter.Outcome
        do {
            outcome = try await context.withConnection { connection in
                try await ReferenceImporter(connection: connection, source: source)
                    .run(validateOnly: validateOnly, restart: restart)
            }
        } catch let error as TrellisError where error.isOutcomeOpen {
            context.note("what has landed is kept: the same command again goes on from there")
            throw error
        }
        switch outcome {
        case .present(let release):
            context.show(
                json(release, source, imported: false),
                [
                    "\(release.framework) \(release.version) is there already"
                        + (release.state == .active
                            ? ""
                            : ", and another release is active: 'trellis reference "
                                + "activate-release \(release.id)' changes that")
                ]
            )
        case .done(let response):
            context.show(
                json(response.release ?? Release(), source, imported: !validateOnly),
                lines(response, source, validateOnly)
            )
        }
    }

    private static func json(_ release: Release, _ source: ReferenceSource, imported: Bool) -> JSONValue {
        .object([
            ("imported", .bool(imported)), ("releaseId", .string(release.id)),
            ("framework", .string(source.framework)), ("version", .string(source.version)),
            ("concepts", .number("\(source.concepts.count)")), ("edges", .number("\(source.edges.count)")),
            ("danglingEdges", .number("\(release.danglingEdgeCount)")),
            ("findings", .array(source.findings.map { .string($0) })),
        ])
    }

    private static func lines(
        _ response: ImportReleaseResponse,
        _ source: ReferenceSource,
        _ validateOnly: Bool
    ) -> [String] {
        func name(_ protoName: String?, _ prefix: String) -> String {
            (protoName?.dropFirst(prefix.count)).map { $0.lowercased().replacing("_", with: " ") } ?? "unknown"
        }
        var table = TextTable(header: ["COUNT", "OF"])
        for count in response.concepts {
            table.add(["\(count.count)", name(count.kind.protoName, "CONCEPT_KIND_")])
        }
        for count in response.edges {
            table.add(["\(count.count)", "edges: \(name(count.kind.protoName, "EDGE_KIND_"))"])
        }
        var lines = table.lines(width: Terminal.width(.output))
        if let diff = response.diff, !diff.baseReleaseID.isEmpty {
            lines.append(
                "against the release before: \(diff.added) added, \(diff.changed) changed, \(diff.retired) retired, "
                    + "\(diff.unchanged) unchanged"
            )
        }
        let dangling = response.release?.danglingEdgeCount ?? 0
        if dangling > 0 {
            let some = response.danglingEdges.prefix(5).compactMap { edge in
                edge.source.flatMap { source in edge.target.map { "\(source.code) -> \($0.code)" } }
            }
            lines.append(
                "\(dangling) \(dangling == 1 ? "edge leads to a concept that is" : "edges lead to concepts that are") not there: \(some.joined(separator: ", "))"
                    + (Int(dangling) > some.count ? ", ..." : "")
            )
        }
        lines.append(
            validateOnly
                ? "\(source.framework) \(source.version) is well; nothing was kept"
                : "imported \(source.framework) \(source.version), now active"
        )
        return lines.map(DisplayWidth.printable)
    }
}
