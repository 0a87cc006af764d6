/// A table in comma-separated values (RFC 4180): a header, then records by the header's names.
public struct CSV: Sendable {
    /// What is wrong with a table, and in which line.
    public struct Problem: Error, Equatable, CustomStringConvertible {
        /// The line, from 1.
        public let line: Int
        /// What is wrong with it.
        public let reason: String
        /// Both.
        public var description: String { "line \(line): \(reason)" }
    }

    /// The names in the first line.
    public let header: [String]
    /// One dictionary a record, with the line at which it begins.
    public let records: [(line: Int, fields: [String: String])]

    /// Reads a table.
    ///
    /// - Throws: ``Problem`` when it is none.
    public init(_ bytes: [UInt8]) throws(Problem) {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Problem(line: 1, reason: "the file is not UTF-8")
        }
        var rows = try Self.rows(text.unicodeScalars)
        guard !rows.isEmpty else { throw Problem(line: 1, reason: "the file is empty") }
        var header = rows.removeFirst().cells
        if let first = header.first, first.unicodeScalars.first?.value == 0xFEFF {
            header[0] = String(first.unicodeScalars.dropFirst())
        }
        self.header = header
        var records: [(line: Int, fields: [String: String])] = []
        for row in rows {
            guard row.cells.count == header.count else {
                throw Problem(
                    line: row.line,
                    reason: "\(row.cells.count) values where the header has \(header.count) names"
                )
            }
            records.append((row.line, Dictionary(zip(header, row.cells), uniquingKeysWith: { first, _ in first })))
        }
        self.records = records
    }

    private static func rows(_ text: String.UnicodeScalarView) throws(Problem) -> [(line: Int, cells: [String])] {
        var rows: [(line: Int, cells: [String])] = []
        var cells: [String] = []
        var cell = String.UnicodeScalarView()
        var line = 1
        var began = 1
        var quotedSince: Int?
        var afterQuotes = false
        var index = text.startIndex

        func endRow() {
            // An empty line is no record.
            if !cells.isEmpty || !cell.isEmpty || afterQuotes { rows.append((began, cells + [String(cell)])) }
            cells = []
            cell = .init()
            afterQuotes = false
        }

        while index < text.endIndex {
            let scalar = text[index]
            index = text.index(after: index)
            if scalar == "\n" { line += 1 }
            if quotedSince != nil {
                if scalar != "\"" {
                    cell.append(scalar)
                } else if index < text.endIndex && text[index] == "\"" {
                    cell.append(scalar)
                    index = text.index(after: index)
                } else {
                    quotedSince = nil
                    afterQuotes = true
                }
                continue
            }
            switch scalar {
            case "\"" where cell.isEmpty && !afterQuotes: quotedSince = line
            case ",":
                cells.append(String(cell))
                cell = .init()
                afterQuotes = false
            case "\r" where index < text.endIndex && text[index] == "\n": break
            case "\n":
                endRow()
                began = line
            default:
                if afterQuotes { throw Problem(line: line, reason: "text after a closing quote") }
                cell.append(scalar)
            }
        }
        if let quotedSince { throw Problem(line: quotedSince, reason: "a quote is not closed") }
        endRow()
        return rows
    }
}
