/// A table for people: columns as wide as they need, the wide ones cut so that a row fits the terminal.
public struct TextTable {
    private let header: [String]
    private var rows: [[String]] = []
    /// The columns between two cells.
    private static let gap = 2
    /// What a column keeps at the least when others need room too.
    private static let leastWidth = 8

    /// An empty table with these headings.
    public init(header: [String]) {
        self.header = header
    }

    /// Adds a row; a cell that is missing is empty, one too many is a mistake of the caller.
    public mutating func add(_ cells: [String]) {
        precondition(cells.count <= header.count, "a row has more cells than the table has columns")
        rows.append(cells.map(DisplayWidth.printable) + Array(repeating: "", count: header.count - cells.count))
    }

    /// The lines of the table, without line ends and without trailing spaces.
    ///
    /// - Parameter width: the columns of the terminal; `nil` cuts nothing (for a pipe or a file).
    public func lines(width: Int?) -> [String] {
        let widths = fitted(width)
        return ([header] + rows).map { row in
            var line = ""
            for (index, cell) in row.enumerated() {
                let cut = width == nil ? cell : DisplayWidth.truncated(cell, to: widths[index])
                line +=
                    index == row.count - 1
                    ? cut : DisplayWidth.padded(cut, to: widths[index]) + String(repeating: " ", count: Self.gap)
            }
            while line.last == " " { line.removeLast() }
            return line
        }
    }

    /// The width of each column: what it needs, the widest taking in most of what is too much.
    private func fitted(_ width: Int?) -> [Int] {
        var widths = header.indices.map { column in
            ([header] + rows).reduce(0) { max($0, DisplayWidth.of($1[column])) }
        }
        guard let width else { return widths }
        var excess = widths.reduce(0, +) + Self.gap * (widths.count - 1) - width
        while excess > 0 {
            guard let widest = widths.indices.max(by: { widths[$0] < widths[$1] }), widths[widest] > Self.leastWidth
            else { break }
            let second = widths.indices.filter { $0 != widest }.map { widths[$0] }.max() ?? 0
            let step = max(1, min(excess, widths[widest] - max(second, Self.leastWidth)))
            widths[widest] -= step
            excess -= step
        }
        return widths
    }
}
