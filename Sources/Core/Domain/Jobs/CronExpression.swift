public import Primitives

/// When something happens, as crontab says it: minute, hour, day of the month, month, day of the week, in UTC.
///
/// A field is `*`, a number, a range `2-5`, a step `*/15` or `10-40/10`, or a list of these with commas. Months and days of
/// the week can be their first three letters in English; Sunday is 0 and 7. When neither day is `*`, either will do.
public struct CronExpression: Sendable, Equatable {
    /// The expression as it was written.
    public let text: String
    // A bit a value.
    private let minutes: UInt64
    private let hours: UInt64
    private let days: UInt64
    private let months: UInt64
    private let weekdays: UInt64
    private let isEitherDay: Bool

    /// Reads an expression. Throws ``CronError`` that names the field.
    public init(_ text: String) throws(CronError) {
        self.text = text
        let fields = text.split(separator: " ", omittingEmptySubsequences: true)
        guard fields.count == 5 else { throw .fields(fields.count) }
        minutes = try Self.parse(fields[0], "minute", 0...59)
        hours = try Self.parse(fields[1], "hour", 0...23)
        days = try Self.parse(fields[2], "day of month", 1...31)
        months = try Self.parse(fields[3], "month", 1...12, names: Self.monthNames)
        let read = try Self.parse(fields[4], "day of week", 0...7, names: Self.weekdayNames)
        weekdays = (read | read >> 7) & 0x7f
        isEitherDay = fields[2] != "*" && fields[4] != "*"
        guard next(after: Instant(microseconds: 0)) != nil else { throw .never(text) }
    }

    /// An expression of the program's own.
    public init(literal text: StaticString) {
        do throws(CronError) { self = try CronExpression(text.description) } catch {
            preconditionFailure("\(text) is no cron expression: \(error)")
        }
    }

    /// The first time after an instant, a whole minute; nil when there is none.
    public func next(after instant: Instant) -> Instant? {
        let minute = instant.microseconds.flooredQuotient(by: 60_000_000) + 1
        var day = minute.flooredQuotient(by: 1440)
        var from = minute - day * 1440
        // Every date comes within 8 years; the longest wait is for 29 February over a year such as 2100.
        for _ in 0..<(366 * 9) {
            if matches(day: day), let found = firstMinute(from: from) {
                return Instant(microseconds: (day * 1440 + found) * 60_000_000)
            }
            day += 1
            from = 0
        }
        return nil
    }

    private func firstMinute(from: Int64) -> Int64? {
        var hour = from / 60
        var minute = from % 60
        while hour < 24 {
            if hours & (1 << UInt64(hour)) != 0 {
                let rest = minutes >> UInt64(minute)
                if rest != 0 { return hour * 60 + minute + Int64(rest.trailingZeroBitCount) }
            }
            hour += 1
            minute = 0
        }
        return nil
    }

    /// `day` is counted from 1970-01-01, a Thursday.
    private func matches(day: Int64) -> Bool {
        let (month, dayOfMonth) = Self.date(day)
        guard months & (1 << UInt64(month)) != 0 else { return false }
        let weekday = UInt64((day % 7 + 11) % 7)
        let isDay = days & (1 << UInt64(dayOfMonth)) != 0
        let isWeekday = weekdays & (1 << weekday) != 0
        return isEitherDay ? isDay || isWeekday : isDay && isWeekday
    }

    /// Month and day of the month, by eras of 400 years that begin on 1 March.
    private static func date(_ day: Int64) -> (month: Int64, day: Int64) {
        let shifted = day + 719_468
        let dayOfEra = shifted - shifted.flooredQuotient(by: 146_097) * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let index = (5 * dayOfYear + 2) / 153
        return (index < 10 ? index + 3 : index - 9, dayOfYear - (153 * index + 2) / 5 + 1)
    }

    // MARK: Reading

    private static let monthNames = [
        "jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6, "jul": 7, "aug": 8, "sep": 9, "oct": 10, "nov": 11,
        "dec": 12,
    ]
    private static let weekdayNames = ["sun": 0, "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6]

    private static func parse(
        _ field: Substring,
        _ name: String,
        _ range: ClosedRange<Int>,
        names: [String: Int] = [:]
    ) throws(CronError) -> UInt64 {
        func value(_ text: Substring) -> Int? {
            if let named = names[text.lowercased()] { return named }
            // Digits alone: Int reads signs, too.
            guard !text.isEmpty, text.count <= 2, text.allSatisfy({ $0.isASCII && $0.isNumber }) else { return nil }
            return Int(text).flatMap { range.contains($0) ? $0 : nil }
        }
        func fault() -> CronError { .field(name: name, text: String(field), range: range) }
        var bits: UInt64 = 0
        for part in field.split(separator: ",", omittingEmptySubsequences: false) {
            let pieces = part.split(separator: "/", omittingEmptySubsequences: false)
            guard (1...2).contains(pieces.count) else { throw fault() }
            let ends = pieces[0].split(separator: "-", omittingEmptySubsequences: false)
            let low: Int
            var high: Int
            if pieces[0] == "*" {
                (low, high) = (range.lowerBound, range.upperBound)
            } else if ends.count == 2, let from = value(ends[0]), let to = value(ends[1]), from <= to {
                (low, high) = (from, to)
            } else if ends.count == 1, let only = value(ends[0]) {
                // A step after one number goes on to the end of the range.
                (low, high) = (only, pieces.count == 2 ? range.upperBound : only)
            } else {
                throw fault()
            }
            var step = 1
            if pieces.count == 2 {
                guard let number = Int(pieces[1]), (1...range.upperBound).contains(number), pieces[1].count <= 2,
                    pieces[1].first != "+"
                else { throw fault() }
                step = number
            }
            // 7 is Sunday again: a range to the end of the week ends on Saturday unless it says 7.
            if name == "day of week", high == 7, pieces[0] == "*" || ends.count == 1 && low != 7 { high = 6 }
            for number in stride(from: low, through: high, by: step) { bits |= 1 << UInt64(number) }
        }
        return bits
    }
}

/// What is wrong with a cron expression.
public enum CronError: Error, Equatable, CustomStringConvertible {
    /// It has another number of fields than five.
    case fields(Int)
    /// A field does not say what it can say.
    case field(name: String, text: String, range: ClosedRange<Int>)
    /// There is no such date.
    case never(String)

    /// What is wrong and what would be right.
    public var description: String {
        switch self {
        case .fields(let count):
            "it has \(count) fields; there are five: minute, hour, day of month, month, day of week"
        case .field(let name, let text, let range):
            "\(name) is \"\(text)\"; it must be *, numbers from \(range.lowerBound) to \(range.upperBound), ranges, steps or "
                + "a list of these, such as 1-5 or */2"
        case .never(let text):
            "\"\(text)\" is a date that never comes"
        }
    }
}

extension Int64 {
    /// The quotient, rounded down also below zero.
    fileprivate func flooredQuotient(by divisor: Int64) -> Int64 {
        let quotient = self / divisor
        return self % divisor < 0 ? quotient - 1 : quotient
    }
}
