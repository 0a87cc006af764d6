import Files
import Protobuf
import TrellisAPI

/// The Sustainable Development Goals as files: goals, targets and indicators with their translations, a JSON object a
/// line each, or the CSV tables of the 2016 wording.
enum SDGFiles {
    static let framework = "sdg"
    static let attribution =
        "United Nations. Global indicator framework for the Sustainable Development Goals and "
        + "targets of the 2030 Agenda for Sustainable Development (A/RES/71/313)."

    /// Which of the two forms to read.
    enum Wording: String, CaseIterable {
        /// goals.jsonl, targets.jsonl, indicators.jsonl.
        case current
        /// goals-2016.csv, targets-2016.csv, indicators-2016.csv.
        case march2016 = "2016"

        fileprivate var suffix: String { self == .current ? ".jsonl" : "-2016.csv" }
    }

    static func read(_ paths: [String], wording: Wording) throws -> ReferenceSource {
        var source = ReferenceSource(
            framework: framework,
            version: wording == .current ? "current" : "2016-03",
            title: "Sustainable Development Goals" + (wording == .current ? "" : ", wording of March 2016"),
            licence: wording == .current ? "MIT (translations), UN texts" : "UN texts",
            attribution: attribution
        )
        let files = try paths.flatMap { try Files.walk($0) }
        for part in ["goals", "targets", "indicators"] {
            let name = part + wording.suffix
            guard let path = files.first(where: { Files.name(of: $0) == name }) else {
                throw ImportProblem(
                    "no file '\(name)' in \(paths.joined(separator: ", ")): the goals, targets and indicators belong "
                        + "together"
                )
            }
            let bytes = try Files.read(path)
            switch wording {
            case .current: try add(lines: bytes, path, part, to: &source)
            case .march2016: try add(table: bytes, path, part, to: &source)
            }
        }
        try checkParents(source)
        return source
    }

    private static func kind(_ part: String) -> ReferenceSource.Kind {
        part == "goals" ? .sdgGoal : part == "targets" ? .sdgTarget : .sdgIndicator
    }

    private static func parent(_ part: String, _ code: String) -> ReferenceSource.Key {
        ReferenceSource.Key(kind: part == "targets" ? .sdgGoal : .sdgTarget, code: code)
    }

    private static func add(
        lines bytes: [UInt8],
        _ path: String,
        _ part: String,
        to source: inout ReferenceSource
    ) throws {
        for (line, value) in try SourceFile.lines(path, bytes) {
            let place = "\(path):\(line)"
            var concept = ReferenceSource.Concept(
                key: .init(kind: kind(part), code: try SourceFile.text(value, "code", at: place)),
                name: try SourceFile.text(value, "text", at: place)
            )
            if part != "goals" { concept.parent = parent(part, try SourceFile.text(value, "parent", at: place)) }
            if let short = value["short"]?.text { concept.attributes.append(("short", .string(short))) }
            concept.labels = (value["i18n"]?.members ?? []).compactMap { member in
                member.value.text.map { (member.key, SourceFile.collapsed($0)) }
            }
            source.add(concept, in: path)
        }
    }

    private static func add(
        table bytes: [UInt8],
        _ path: String,
        _ part: String,
        to source: inout ReferenceSource
    ) throws {
        let table: CSV
        do { table = try CSV(bytes) } catch { throw ImportProblem("\(path): \(error)") }
        let codeColumn = String(part.dropLast())
        let parentColumn = part == "targets" ? "goal" : "target"
        var untidy = 0
        for (line, fields) in table.records {
            let place = "\(path):\(line)"
            guard let code = fields[codeColumn], !code.isEmpty, let text = fields["description"], !text.isEmpty else {
                throw ImportProblem("\(place): the columns '\(codeColumn)' and 'description' are needed")
            }
            let name = SourceFile.collapsed(text)
            if name != text { untidy += 1 }
            var concept = ReferenceSource.Concept(key: .init(kind: kind(part), code: code), name: name)
            if part != "goals" {
                guard let above = fields[parentColumn], !above.isEmpty else {
                    throw ImportProblem("\(place): the column '\(parentColumn)' is empty")
                }
                concept.parent = parent(part, above)
            }
            for column in ["tier_proposed", "tier_revised"] {
                if let tier = fields[column], tier != "-" {
                    concept.attributes.append((column, .string(tier)))
                }
            }
            source.add(concept, in: path)
        }
        if untidy > 0 {
            source.findings.append("\(Files.name(of: path)): superfluous white space in \(untidy) texts, removed")
        }
    }

    /// The server refuses a missing parent; the file and the code are known here.
    private static func checkParents(_ source: ReferenceSource) throws(ImportProblem) {
        for concept in source.concepts {
            if let parent = concept.parent, !source.contains(parent) {
                throw ImportProblem("\(concept.key) belongs to \(parent), which is in none of the files")
            }
        }
    }
}
