internal import Protobuf

/// JSON with comments, and the line of each value in it, so that what is wrong with a value can be said with its place.
struct CommentedJSON {
    let value: JSONValue
    private let text: [UInt8]

    /// Reads JSON in which `// ...` and `/* ... */` may stand where space may.
    ///
    /// - Throws: `JSONError` with line and column.
    init(_ text: String) throws(JSONError) {
        self.text = Self.withoutComments(Array(text.utf8))
        value = try JSONValue(parsing: String(decoding: self.text, as: UTF8.self))
    }

    /// The text with spaces in place of comments, so that lines and columns stay.
    static func withoutComments(_ text: [UInt8]) -> [UInt8] {
        var text = text
        var index = 0
        while index < text.count {
            let next = index + 1 < text.count ? text[index + 1] : 0
            switch (text[index], next) {
            case (UInt8(ascii: "\""), _): index = endOfString(text, from: index)
            case (UInt8(ascii: "/"), UInt8(ascii: "/")):
                while index < text.count, text[index] != 0x0A {
                    text[index] = 0x20
                    index += 1
                }
            case (UInt8(ascii: "/"), UInt8(ascii: "*")):
                var isOver = false
                var previous: UInt8 = 0
                let begin = index
                while index < text.count, !isOver {
                    let byte = text[index]
                    isOver = byte == UInt8(ascii: "/") && previous == UInt8(ascii: "*") && index > begin + 2
                    previous = byte
                    if byte != 0x0A { text[index] = 0x20 }
                    index += 1
                }
            default: index += 1
            }
        }
        return text
    }

    private static func endOfString(_ text: [UInt8], from begin: Int) -> Int {
        var index = begin + 1
        while index < text.count, text[index] != UInt8(ascii: "\"") {
            index += text[index] == UInt8(ascii: "\\") ? 2 : 1
        }
        return index + 1
    }

    /// The line in which the value at a path begins, from 1; that of what surrounds it where there is no such value.
    ///
    /// - Parameter path: keys and indices as text.
    func line(of path: [String]) -> Int {
        var walker = Walker(text: text)
        walker.descend(path[...])
        return text[..<min(walker.next, text.count)].count { $0 == 0x0A } + 1
    }

    /// Finds a place in text that is known to be JSON.
    private struct Walker {
        let text: [UInt8]
        var next = 0

        mutating func descend(_ path: ArraySlice<String>) {
            skipSpace()
            guard let wanted = path.first else { return }
            let place = next
            let isObject = text[next] == UInt8(ascii: "{")
            guard isObject || text[next] == UInt8(ascii: "[") else { return }
            next += 1
            var index = 0
            while true {
                skipSpace()
                guard next < text.count, text[next] != UInt8(ascii: "}"), text[next] != UInt8(ascii: "]") else { break }
                var name = "\(index)"
                let member = next
                if isObject {
                    skipValue()
                    let key = String(decoding: text[member..<next], as: UTF8.self)
                    name = (try? JSONValue(parsing: key))?.text ?? key
                    skipSpace()
                    next += 1
                    skipSpace()
                }
                if name == wanted { return descend(path.dropFirst()) }
                skipValue()
                skipSpace()
                index += 1
                if next < text.count, text[next] == UInt8(ascii: ",") { next += 1 }
            }
            next = place
        }

        mutating func skipSpace() {
            while next < text.count, [0x20, 0x0A, 0x0D, 0x09].contains(text[next]) { next += 1 }
        }

        mutating func skipValue() {
            var depth = 0
            while next < text.count {
                switch text[next] {
                case UInt8(ascii: "\""): next = CommentedJSON.endOfString(text, from: next)
                case UInt8(ascii: "{"), UInt8(ascii: "["):
                    depth += 1
                    next += 1
                case UInt8(ascii: "}"), UInt8(ascii: "]"):
                    if depth == 0 { return }
                    depth -= 1
                    next += 1
                case UInt8(ascii: ","), UInt8(ascii: ":"), 0x20, 0x0A, 0x0D, 0x09:
                    if depth == 0 { return }
                    next += 1
                    continue
                default:
                    next += 1
                    continue
                }
                if depth == 0 { return }
            }
        }
    }
}
