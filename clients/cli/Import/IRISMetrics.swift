import Files
import Protobuf
import TrellisAPI

/// The metrics of IRIS+ with their links to each other and to the Sustainable Development Goals.
///
/// What people typed by hand is read by its meaning (categories, sections), and every correction is reported. What
/// refers to nothing is reported by name: a metric's id that does not exist is kept as a dangling edge, since a later
/// release may have it; a sentence where an id should be cannot be one and stays among the attributes.
enum IRISMetrics {
    static func add(_ path: String, to source: inout ReferenceSource) throws {
        let metrics = try read(path)
        let categories = Categories(metrics, taxonomy: source.concepts.filter { $0.key.kind == .category })
        let sections = Spellings(metrics.map { $0.text("section") })
        let subsections = Spellings(metrics.map { $0.text("subsection") })
        let ids = Set(metrics.map(\.id))
        for metric in metrics {
            var concept = ReferenceSource.Concept(
                key: .init(kind: .indicator, code: metric.id),
                name: metric.text("name")
            )
            concept.description = metric.text("definition")
            concept.parent = categories.parent(of: metric)
            concept.attributes = metric.attributes.map { member in
                switch member.key {
                case "primary_impact_category": (member.key, .string(categories.reading(of: metric)))
                case "section": (member.key, .string(section(metric, sections)))
                case "subsection": (member.key, .string(subsections[metric.text("subsection")]))
                default: member
                }
            }
            concept.attributes.removeAll { $0.value == .string("") || $0.value == .null || $0.value == .array([]) }
            source.add(concept, in: path)
        }
        addLinks(metrics, ids, to: &source)
        source.findings += categories.findings
        for (column, spellings) in [("section", sections), ("subsection", subsections)] {
            source.findings += spellings.corrections.map {
                "\(column) '\($0.value)' read as '\($0.reading)' (\(metricCount($0.count)))"
            }
        }
        for metric in metrics where looksLikeID(metric.text("section")) {
            source.findings.append(
                "section '\(metric.text("section"))' of \(metric.id) is a metric's id, no section; left out"
            )
        }
        let doubled = metrics.count { $0.allTexts.contains { $0.contains("IRIS++") } }
        if doubled > 0 {
            source.findings.append("\(doubled) metrics say 'IRIS++', a slip of the publisher's; left as it is")
        }
    }

    private static func section(_ metric: Metric, _ sections: Spellings) -> String {
        let section = metric.text("section")
        return looksLikeID(section) ? "" : sections[section]
    }

    /// Two capital letters and four digits, such as OI4127.
    private static func looksLikeID(_ text: String) -> Bool {
        text.utf8.count == 6 && text.prefix(2).allSatisfy { ("A"..."Z").contains($0) }
            && text.dropFirst(2).allSatisfy { ("0"..."9").contains($0) }
    }

    private static func addLinks(_ metrics: [Metric], _ ids: Set<String>, to source: inout ReferenceSource) {
        var sentences: [String] = []
        var missing: [String] = []
        for metric in metrics {
            let from = ReferenceSource.Key(kind: .indicator, code: metric.id)
            for related in metric.list("related_metrics") where related != metric.id {
                guard looksLikeID(related) else {
                    sentences.append("\(metric.id) '\(related)'")
                    continue
                }
                if !ids.contains(related) { missing.append("\(metric.id) -> \(related)") }
                source.add(.init(kind: .related, source: from, target: .init(kind: .indicator, code: related)))
            }
            for (name, kind) in [("sdg_goals", ReferenceSource.Kind.sdgGoal), ("sdg_targets", .sdgTarget)] {
                for code in metric.list(name) {
                    let target = ReferenceSource.Key(framework: SDGFiles.framework, kind: kind, code: code)
                    source.add(.init(kind: .measures, source: from, target: target))
                }
            }
        }
        if !missing.isEmpty {
            source.findings.append(
                "\(missing.count) related \(missing.count == 1 ? "metric does" : "metrics do") not exist, kept as dangling: "
                    + missing.joined(separator: ", ")
            )
        }
        if !sentences.isEmpty {
            source.findings.append(
                "\(sentences.count) related metrics are no ids, left out: \(sentences.joined(separator: ", "))"
            )
        }
    }

    fileprivate static func metricCount(_ count: Int) -> String { count == 1 ? "1 metric" : "\(count) metrics" }

    // MARK: Reading

    private static func read(_ path: String) throws -> [Metric] {
        let bytes = try Files.read(path)
        if path.hasSuffix(".csv") {
            let table: CSV
            do { table = try CSV(bytes) } catch { throw ImportProblem("\(path): \(error)") }
            return try table.records.map { record in
                let members = table.header.map { name -> (key: String, value: JSONValue) in
                    let value = record.fields[name] ?? ""
                    // The lists of the table are joined by semicolons.
                    guard name == "sdg_goals" || name == "sdg_targets" else { return (name, .string(value)) }
                    return (name, .array(value.split(separator: ";").map { .string(String($0)) }))
                }
                return try Metric(.object(members), at: "\(path):\(record.line)")
            }
        }
        if bytes.first(where: { $0 != 0x20 && $0 != 0x0A && $0 != 0x0D && $0 != 0x09 }) == UInt8(ascii: "[") {
            return try (SourceFile.json(bytes, at: path).elements ?? []).enumerated().map {
                try Metric($1, at: "\(path): element \($0)")
            }
        }
        return try SourceFile.lines(path, bytes).map { try Metric($0.value, at: "\(path):\($0.line)") }
    }
}

/// A metric as its file says it.
private struct Metric {
    let id: String
    private let value: JSONValue

    /// What is a field of the concept or an edge, and what is presentation only.
    private static let notAttributes: Set<String> = [
        "id", "name", "definition", "related_metrics", "sdg_goals", "sdg_targets", "jii", "stakeholders", "financials",
    ]

    init(_ value: JSONValue, at place: String) throws(ImportProblem) {
        id = try SourceFile.text(value, "id", at: place)
        _ = try SourceFile.text(value, "name", at: place)
        self.value = value
    }

    /// A text without superfluous white space at its ends; empty when there is none.
    func text(_ name: String) -> String {
        let text = value[name]?.text ?? ""
        return name == "definition" ? text : SourceFile.collapsed(text)
    }

    /// A list of texts or numbers.
    func list(_ name: String) -> [String] {
        (value[name]?.elements ?? []).compactMap { element in
            switch element {
            case .string(let text): SourceFile.collapsed(text)
            case .number(let text): text
            default: nil
            }
        }
    }

    var attributes: [(key: String, value: JSONValue)] {
        (value.members ?? []).filter { !Self.notAttributes.contains($0.key) }
    }

    var allTexts: [String] { (value.members ?? []).compactMap(\.value.text) }
}

/// The categories that metrics name, set against those of the taxonomy.
private struct Categories {
    /// What each spelling is read as: the name of a category, or "Cross-Category".
    private var readings: [String: String] = [:]
    private let codes: [String: String]
    private(set) var findings: [String] = []

    init(_ metrics: [Metric], taxonomy: [ReferenceSource.Concept]) {
        codes = Dictionary(taxonomy.map { ($0.name, $0.key.code) }, uniquingKeysWith: { first, _ in first })
        let used = metrics.map { $0.text("primary_impact_category") }
        let spellings = Spellings(used)
        for spelling in Set(used).sorted() where !spelling.isEmpty {
            let reading = Self.category(spelling, taxonomy.map(\.name)) ?? spellings[spelling]
            readings[spelling] = reading
            if reading != spelling {
                let count = used.count { $0 == spelling }
                findings.append("category '\(spelling)' read as '\(reading)' (\(IRISMetrics.metricCount(count)))")
            }
        }
        let without = metrics.filter { $0.text("primary_impact_category").isEmpty && !$0.attributes.isEmpty }
        let hasColumn = metrics.contains { !$0.text("primary_impact_category").isEmpty }
        if hasColumn && !without.isEmpty {
            findings.append(
                "\(IRISMetrics.metricCount(without.count)) without a category: "
                    + without.map(\.id).joined(separator: ", ")
            )
        }
    }

    func reading(of metric: Metric) -> String { readings[metric.text("primary_impact_category")] ?? "" }

    func parent(of metric: Metric) -> ReferenceSource.Key? {
        codes[reading(of: metric)].map { ReferenceSource.Key(kind: .category, code: $0) }
    }

    /// The one category of the taxonomy with the same words, or that begins with them, or with whose words it begins.
    private static func category(_ spelling: String, _ names: [String]) -> String? {
        let words = Spellings.folded(spelling).split(separator: " ")
        let folded = names.map { (name: $0, words: Spellings.folded($0).split(separator: " ")) }
        if let same = folded.first(where: { $0.words == words }) { return same.name }
        let near = folded.filter { $0.words.starts(with: words) || words.starts(with: $0.words) }
        return near.count == 1 ? near[0].name : nil
    }
}
