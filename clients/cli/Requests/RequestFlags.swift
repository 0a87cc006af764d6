import Terminal

/// The flags that a request message has: one for each field, dotted names for the fields of messages within it.
struct RequestFlags {
    /// A field that can be set, by the path that leads to it.
    struct Entry {
        /// The fields from the request down.
        let path: [CatalogField]

        var name: String { path.map(\.flag).joined(separator: ".") }
        // A path has at least one field.
        var field: CatalogField { path[path.count - 1] }
    }

    /// How deep messages within messages have flags of their own; below that they are written as JSON.
    static let maximumDepth = 3

    let entries: [Entry]
    private let catalog: Catalog

    init(_ message: String, catalog: Catalog) {
        self.catalog = catalog
        var entries: [Entry] = []
        Self.collect(message, [], catalog, &entries)
        self.entries = entries
    }

    private static func collect(
        _ message: String,
        _ above: [CatalogField],
        _ catalog: Catalog,
        _ entries: inout [Entry]
    ) {
        for field in catalog.messages[message]?.fields ?? [] where !field.isOutputOnly {
            let path = above + [field]
            entries.append(Entry(path: path))
            guard case .message(let inner) = field.kind, !field.isRepeated, !WellKnown.isScalar(inner),
                path.count < maximumDepth
            else { continue }
            collect(inner, path, catalog, &entries)
        }
    }

    /// The flags for the parser and for help.
    var flags: [Flag] {
        entries.map { entry in
            let field = entry.field
            let choices = Self.choices(field, catalog)
            return Flag(
                entry.name,
                arity(field),
                placeholder: placeholder(field),
                help: help(field, choices),
                choices: []
            )
        }
    }

    /// The short names of an enum's values, for completion; empty for any other field.
    static func choices(_ field: CatalogField, _ catalog: Catalog) -> [String] {
        guard case .enumeration(let name) = field.kind else { return [] }
        return catalog.enums[name]?.choices ?? []
    }

    private func arity(_ field: CatalogField) -> Flag.Arity {
        if field.isRepeated || field.isMap { return .repeated }
        return field.kind == .bool ? .toggle : .single
    }

    private func placeholder(_ field: CatalogField) -> String {
        if field.isMap { return "KEY=VALUE" }
        switch field.kind {
        case .bool: return "true|false"
        case .integer: return "N"
        case .number: return "NUMBER"
        case .string: return "TEXT"
        case .bytes: return "TEXT|@FILE"
        case .enumeration: return "NAME"
        case .message(WellKnown.timestamp): return "TIME"
        case .message(WellKnown.duration): return "DURATION"
        case .message(WellKnown.fieldMask): return "FIELD,..."
        case .message: return "JSON|@FILE"
        }
    }

    private func help(_ field: CatalogField, _ choices: [String]) -> String {
        var text = field.comment.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        if !choices.isEmpty { text += " One of: \(choices.joined(separator: ", "))." }
        if field.isRequired { text += " Required." }
        if field.isSecret { text += " Give it as @FILE or @-: a command line is no place for a secret." }
        return text
    }
}

/// The messages of google.protobuf that are one value in JSON.
enum WellKnown {
    static let timestamp = "google.protobuf.Timestamp"
    static let duration = "google.protobuf.Duration"
    static let fieldMask = "google.protobuf.FieldMask"

    static func isScalar(_ message: String) -> Bool { [timestamp, duration, fieldMask].contains(message) }
}
