internal import Files
internal import Protobuf
internal import Synchronization
internal import Terminal

/// Rows of data that iterations use, one each.
final class Feeder: Sendable {
    /// In which order rows are used.
    enum Order: String, Sendable, CaseIterable {
        /// Each row once; the run ends when there is none left.
        case sequential
        /// From the first to the last and again.
        case circular
        /// Any row, as often as it comes.
        case random
    }

    /// The most rows that a file may have.
    static let rowsMax = 10_000_000

    let name: String
    let order: Order
    let columns: [String]
    let rows: [[String: JSONValue]]
    private let next: Atomic<Int>
    /// How many processes share the rows.
    private let step: Int

    /// - Parameter process: of how many processes this is which: each of them uses its own share of the rows, but for
    ///   random order.
    init(
        name: String,
        order: Order,
        columns: [String],
        rows: [[String: JSONValue]],
        process: (index: Int, count: Int) = (0, 1)
    ) {
        self.name = name
        self.order = order
        self.columns = columns
        self.rows = rows
        step = process.count
        next = Atomic(process.index)
    }

    /// Reads a file: rows of CSV under a header, or an object a line in JSONL.
    ///
    /// - Throws: `UsageError` with the line that is wrong.
    convenience init(
        name: String,
        file: String,
        order: Order,
        process: (index: Int, count: Int) = (0, 1)
    ) throws(UsageError) {
        let bytes: [UInt8]
        do { bytes = try Files.read(file) } catch { throw UsageError(error.description) }
        let rows: [[String: JSONValue]]
        var columns: [String] = []
        if file.hasSuffix(".csv") {
            do throws(CSV.Problem) {
                let table = try CSV(bytes)
                columns = table.header
                rows = table.records.map { $0.fields.mapValues { .string($0) } }
            } catch {
                throw UsageError("'\(file)', \(error)")
            }
        } else if file.hasSuffix(".jsonl") {
            (columns, rows) = try Self.lines(bytes, file)
        } else {
            throw UsageError("'\(file)': a feeder's file is called .csv or .jsonl, by what is in it")
        }
        guard !rows.isEmpty, rows.count <= Self.rowsMax else {
            throw UsageError("'\(file)' has \(rows.count) rows; there must be 1 to \(Self.rowsMax)")
        }
        self.init(name: name, order: order, columns: columns, rows: rows, process: process)
    }

    private static func lines(
        _ bytes: [UInt8],
        _ file: String
    ) throws(UsageError) -> ([String], [[String: JSONValue]]) {
        var columns: [String] = []
        var rows: [[String: JSONValue]] = []
        for (index, line) in bytes.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated() {
            guard !line.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) else { continue }
            let value: JSONValue
            do { value = try JSONValue(parsing: String(decoding: line, as: UTF8.self)) } catch {
                throw UsageError("'\(file)', line \(index + 1): \(error.reason)")
            }
            guard let members = value.members else {
                throw UsageError("'\(file)', line \(index + 1): is \(value.kind); each line must be an object")
            }
            for member in members where !columns.contains(member.key) { columns.append(member.key) }
            rows.append(Dictionary(members.map { ($0.key, $0.value) }, uniquingKeysWith: { first, _ in first }))
        }
        return (columns, rows)
    }

    /// The row for the next iteration; nil when each was used. Any thread.
    func take(_ random: inout SplitMix64) -> [String: JSONValue]? {
        switch order {
        case .random: return rows[Int.random(in: 0..<rows.count, using: &random)]
        case .circular: return rows[next.wrappingAdd(step, ordering: .relaxed).oldValue % rows.count]
        case .sequential:
            let index = next.wrappingAdd(step, ordering: .relaxed).oldValue
            return index < rows.count ? rows[index] : nil
        }
    }
}
