import Files
import Protobuf
import TrellisAPI

/// The IRIS+ catalogue of metrics as files: the metrics, a JSON object a line, one JSON array or a CSV table, and
/// beside them iris-taxonomy.json with categories, themes and strategic goals.
///
/// The texts are (c) GIIN: Trellis ships none of them, whoever has them can import them.
enum IRISFiles {
    static let framework = "iris"
    /// The metrics' files, the best one first: of several in a folder, the first is read.
    static let metricFiles = ["iris-metrics.jsonl", "iris-metrics-5.3c.raw.json", "iris-metrics.csv"]
    static let taxonomyFile = "iris-taxonomy.json"

    static func read(_ paths: [String]) throws -> ReferenceSource {
        let files = try paths.flatMap { try Files.walk($0) }
        // A file that is named is meant, whatever its name; in a folder the names decide.
        let named = paths.filter { !Files.isFolder($0) && Files.name(of: $0) != taxonomyFile }
        guard
            let metrics = named.first
                ?? metricFiles.lazy.compactMap({ name in files.first { Files.name(of: $0) == name } }).first
        else {
            throw ImportProblem("no metrics in \(paths.joined(separator: ", ")): one of \(metricFiles) is expected")
        }
        if named.count > 1 {
            throw ImportProblem("one file of metrics at a time, not \(named.joined(separator: " and "))")
        }
        let version = Files.name(of: metrics) == "iris-metrics-5.3.jsonl" ? "5.3" : "5.3c"
        var source = ReferenceSource(
            framework: framework,
            version: version,
            title: "IRIS+ catalog of metrics \(version)",
            licence: "(c) GIIN",
            attribution: "IRIS+ System, Global Impact Investing Network (GIIN)."
        )
        if let taxonomy = files.first(where: { Files.name(of: $0) == taxonomyFile }) {
            try IRISTaxonomy.add(taxonomy, to: &source)
        }
        try IRISMetrics.add(metrics, to: &source)
        return source
    }
}

/// Categories, themes and strategic goals.
private enum IRISTaxonomy {
    static func add(_ path: String, to source: inout ReferenceSource) throws {
        let taxonomy = try SourceFile.json(Files.read(path), at: path)
        for name in taxonomy["categories"]?.elements ?? [] {
            source.add(concept(.category, try text(name, path)), in: path)
        }
        for entry in taxonomy["themes"]?.elements ?? [] {
            var theme = concept(.theme, try SourceFile.text(entry, "theme", at: path))
            let category = try SourceFile.text(entry, "category", at: path)
            theme.parent = .init(kind: .category, code: SourceFile.code(from: category))
            source.add(theme, in: path)
        }
        for name in taxonomy["strategic_goals"]?.elements ?? [] {
            source.add(concept(.strategicGoal, try text(name, path)), in: path)
        }
        for entry in taxonomy["theme_goals"]?.elements ?? [] {
            let theme = try SourceFile.text(entry, "theme", at: path)
            let goal = try SourceFile.text(entry, "goal", at: path)
            source.add(
                ReferenceSource.Edge(
                    kind: .themeGoal,
                    source: .init(kind: .theme, code: SourceFile.code(from: theme)),
                    target: .init(kind: .strategicGoal, code: SourceFile.code(from: goal))
                )
            )
        }
    }

    private static func concept(_ kind: ReferenceSource.Kind, _ name: String) -> ReferenceSource.Concept {
        ReferenceSource.Concept(key: .init(kind: kind, code: SourceFile.code(from: name)), name: name)
    }

    private static func text(_ value: JSONValue, _ path: String) throws(ImportProblem) -> String {
        guard let text = value.text, !text.isEmpty else { throw ImportProblem("\(path): a name is not a text") }
        return SourceFile.collapsed(text)
    }
}
