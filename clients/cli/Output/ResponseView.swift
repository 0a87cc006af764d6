import Protobuf
import Terminal

/// A response for people: a list as a table, anything else as names and values.
struct ResponseView {
    let catalog: Catalog
    /// The full name of the message.
    let message: String
    /// The columns of the terminal, `nil` when the output goes elsewhere.
    let width: Int?

    /// Elements of a list that a cell of a table shows at most.
    private static let mostElements = 3
    /// The most rows' worth of text that a cell shows of a longer value when the output is no terminal.
    private static let longestCell = 200

    /// The lines to print.
    func lines(_ response: JSONValue) -> [String] {
        if let list = listField, case .message(let element) = list.kind {
            let rows = response[list.jsonName]?.elements ?? []
            if rows.isEmpty { return ["no \(Self.spoken(list.name))"] }
            return table(rows, of: element)
        }
        return record(response, of: message, indent: 0)
    }

    /// What is said about a list beside its rows: that there is more. `nil` when there is not.
    func note(_ response: JSONValue) -> String? {
        guard let token = response["nextPageToken"]?.text, !token.isEmpty else { return nil }
        return "there is more: --all shows everything, --page-token '\(token)' the next page"
    }

    /// The one repeated message of a list's response.
    private var listField: CatalogField? {
        let fields = catalog.messages[message]?.fields ?? []
        guard fields.contains(where: { $0.name == "next_page_token" }) else { return nil }
        return fields.first { $0.isRepeated && !$0.isMap }
    }

    // MARK: Tables

    private func table(_ rows: [JSONValue], of element: String) -> [String] {
        let columns = (catalog.messages[element]?.fields ?? []).filter { field in
            guard isCell(field) else { return false }
            return rows.contains { row in row[field.jsonName].map { !Self.isEmpty($0) } ?? false }
        }
        var table = TextTable(header: columns.map { $0.name.uppercased().replacing("_", with: " ") })
        for row in rows { table.add(columns.map { cell(row[$0.jsonName], $0) }) }
        return table.lines(width: width)
    }

    /// Lists of messages and long JSON have no place in a row; of a message, what names it has.
    private func isCell(_ field: CatalogField) -> Bool {
        if field.isMap || field.name.hasSuffix("_json") || field.name.hasSuffix("_hash") || field.name == "etag" {
            return false
        }
        if case .message(let name) = field.kind {
            return !field.isRepeated && (WellKnown.isScalar(name) || !naming(name).isEmpty)
        }
        return !field.isRepeated || field.kind == .string
    }

    /// The fields of a message by which people know what it is.
    private func naming(_ message: String) -> [CatalogField] {
        let names = ["framework", "kind", "code", "slug", "name", "display_name", "title", "email"]
        return names.compactMap { catalog.messages[message]?.field($0) }
    }

    private static func isEmpty(_ value: JSONValue) -> Bool {
        switch value {
        case .null, .bool(false), .number("0"), .string(""), .array([]): true
        default: false
        }
    }

    private func cell(_ value: JSONValue?, _ field: CatalogField) -> String {
        guard let value, !Self.isEmpty(value) else { return "" }
        if case .message(let name) = field.kind, !WellKnown.isScalar(name) {
            let parts = naming(name).map { field in value[field.jsonName].map { cell($0, field) } ?? "" }
            return parts.filter { !$0.isEmpty }.joined(separator: " ")
        }
        if case .array(let elements) = value {
            let shown = elements.prefix(Self.mostElements).map { self.text($0, field) }.joined(separator: ", ")
            return elements.count > Self.mostElements ? "\(shown), … \(elements.count - Self.mostElements) more" : shown
        }
        let text = self.text(value, field)
        return width == nil ? DisplayWidth.truncated(text, to: Self.longestCell) : text
    }

    // MARK: Records

    private func record(_ value: JSONValue, of message: String, indent: Int) -> [String] {
        let fields = (catalog.messages[message]?.fields ?? []).filter { field in
            value[field.jsonName].map { !Self.isEmpty($0) } ?? false
        }
        let column = (fields.map { DisplayWidth.of($0.name) }.max() ?? 0) + 2
        let margin = String(repeating: " ", count: indent)
        var lines: [String] = []
        for field in fields {
            guard let value = value[field.jsonName] else { continue }
            let name = field.name.replacing("_", with: " ")
            lines += block(value, field, column: column, indent: indent).enumerated().map { index, line in
                index == 0 ? margin + DisplayWidth.padded(name, to: column) + line : line
            }
        }
        return lines
    }

    /// The lines of one value: the first stands beside its name, the others bring their own margin.
    private func block(_ value: JSONValue, _ field: CatalogField, column: Int, indent: Int) -> [String] {
        if case .message(let inner) = field.kind, !WellKnown.isScalar(inner), !field.isMap {
            let values = field.isRepeated ? value.elements ?? [] : [value]
            return [""]
                + values.enumerated().flatMap { index, value -> [String] in
                    var lines = record(value, of: inner, indent: indent + 4)
                    if field.isRepeated, let first = lines.first {
                        lines[0] = String(repeating: " ", count: indent + 2) + "- " + first.dropFirst(indent + 4)
                    }
                    return lines
                }
        }
        let text =
            field.isRepeated && !field.isMap
            ? (value.elements ?? []).map { self.text($0, field) }.joined(separator: ", ") : self.text(value, field)
        let room = max(20, (width ?? 100_000) - column - indent)
        return DisplayWidth.wrapped(text, to: room).enumerated().map { index, line in
            index == 0 ? line : String(repeating: " ", count: indent + column) + line
        }
    }

    // MARK: Values

    private func text(_ value: JSONValue, _ field: CatalogField) -> String {
        switch value {
        case .string(let text):
            if case .enumeration(let name) = field.kind { return catalog.enums[name]?.short(text) ?? text }
            if field.kind == .message(WellKnown.timestamp) { return Self.shortTime(text) }
            return DisplayWidth.printable(text)
        case .bool(let flag): return flag ? "yes" : "no"
        case .number(let text): return text
        case .null: return ""
        case .array, .object: return DisplayWidth.printable(value.written())
        }
    }

    /// A time to the second, as `2026-01-31 12:00:00Z`.
    private static func shortTime(_ text: String) -> String {
        guard text.count >= 20, text.hasSuffix("Z") else { return text }
        return text.prefix(10) + " " + text.dropFirst(11).prefix(8) + "Z"
    }

    private static func spoken(_ name: String) -> String { name.replacing("_", with: " ") }
}
