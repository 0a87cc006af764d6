/// A help text: usage, what it does, then sections of names with explanations, fitted to the terminal.
public struct HelpPage {
    private var blocks: [Block] = []

    private enum Block {
        case text(String)
        case section(title: String, entries: [(name: String, text: String)])
        case verbatim(title: String, lines: [String])
    }

    /// A page that begins with how the command is used and what it does.
    public init(usage: String, summary: String) {
        blocks = [.text("Usage: \(usage)"), .text(summary)]
    }

    /// Adds a paragraph.
    public mutating func add(text: String) {
        blocks.append(.text(text))
    }

    /// Adds a section of names, each with its explanation. An empty one is left out.
    public mutating func add(_ title: String, _ entries: [(name: String, text: String)]) {
        if !entries.isEmpty { blocks.append(.section(title: title, entries: entries)) }
    }

    /// Adds the flags of a command.
    public mutating func add(_ title: String, flags: [Flag]) {
        add(title, flags.map { (Self.name(of: $0), $0.help) })
    }

    /// Adds lines that are shown as they are, such as examples.
    public mutating func add(_ title: String, verbatim lines: [String]) {
        blocks.append(.verbatim(title: title, lines: lines))
    }

    private static func name(of flag: Flag) -> String {
        let short = flag.short.map { "-\($0), " } ?? ""
        switch flag.arity {
        case .toggle: return "\(short)--\(flag.name)"
        case .single: return "\(short)--\(flag.name) \(flag.placeholder)"
        case .repeated: return "\(short)--\(flag.name) \(flag.placeholder) ..."
        }
    }

    /// The page as text with a line end at its end.
    ///
    /// - Parameter width: the columns to fit it to, 100 when it is shown nowhere.
    public func rendered(width: Int?) -> String {
        let width = min(max(width ?? 100, 40), 120)
        var lines: [String] = []
        for block in blocks {
            if !lines.isEmpty { lines.append("") }
            switch block {
            case .text(let text):
                lines += DisplayWidth.wrapped(text, to: width)
            case .verbatim(let title, let content):
                lines.append("\(title):")
                lines += content.map { "  \($0)" }
            case .section(let title, let entries):
                lines.append("\(title):")
                lines += Self.section(entries, width)
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func section(_ entries: [(name: String, text: String)], _ width: Int) -> [String] {
        let limit = min(34, width / 2)
        let widths = entries.map { DisplayWidth.of($0.name) }.filter { $0 <= limit }
        let column = (widths.max() ?? limit) + 4
        return entries.flatMap { entry -> [String] in
            let text = DisplayWidth.wrapped(entry.text, to: max(20, width - column))
            let indent = String(repeating: " ", count: column)
            let name = "  \(entry.name)"
            // A name that is too long has its explanation on the next line.
            if DisplayWidth.of(name) + 2 > column {
                return [name] + text.map { $0.isEmpty ? $0 : indent + $0 }
            }
            let first = text.first.map { $0.isEmpty ? name : DisplayWidth.padded(name, to: column) + $0 }
            return [first ?? name] + text.dropFirst().map { indent + $0 }
        }
    }
}
