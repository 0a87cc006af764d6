import Terminal

/// The configuration file: lines `name = value`, comments from `#`, values with or without double quotes.
///
/// It is this small because the settings are: names and scalars. A JSON file could not hold a comment.
struct ConfigurationFile: Sendable {
    /// What a setting is set to, and the line where that stands.
    var values: [String: (text: String, line: Int)] = [:]
    /// The file's name as it was given, for messages.
    let name: String

    /// - Parameters:
    ///   - text: the content of the file.
    ///   - name: what to call the file in messages.
    ///   - settings: the settings that can stand in it.
    init(_ text: String, name: String, settings: [SettingEntry]) throws(ConfigurationError) {
        self.name = name
        let known = settings.filter(\.inFile).map(\.name)
        var problems: [String] = []
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let number = index + 1
            let line = Self.trimmed(line)
            if line.isEmpty || line.hasPrefix("#") { continue }
            guard let equals = line.firstIndex(of: "=") else {
                problems.append("\(name):\(number): '\(line)' is not of the form name = value")
                continue
            }
            let key = String(Self.trimmed(line[..<equals]))
            guard known.contains(key) else {
                let guess = Suggestion.closest(to: key, among: known).map { ": did you mean '\($0)'?" }
                problems.append(
                    "\(name):\(number): unknown setting '\(key)'"
                        + (guess ?? ": the settings are \(known.joined(separator: ", "))")
                )
                continue
            }
            if let earlier = values[key] {
                problems.append("\(name):\(number): '\(key)' is set already in line \(earlier.line): set it once")
                continue
            }
            guard let value = Self.value(line[line.index(after: equals)...]) else {
                problems.append("\(name):\(number): \(key): the closing double quote is missing")
                continue
            }
            values[key] = (value, number)
        }
        if !problems.isEmpty { throw ConfigurationError(problems: problems) }
    }

    private static func trimmed(_ text: some StringProtocol) -> Substring {
        var result = Substring(text)
        while result.first?.isWhitespace == true { result.removeFirst() }
        while result.last?.isWhitespace == true { result.removeLast() }
        return result
    }

    /// The value without quotes and without a comment after it; `nil` when a quote stays open.
    private static func value(_ text: Substring) -> String? {
        let text = trimmed(text)
        if text.hasPrefix("\"") {
            let rest = text.dropFirst()
            guard let close = rest.firstIndex(of: "\"") else { return nil }
            let after = trimmed(rest[rest.index(after: close)...])
            return after.isEmpty || after.hasPrefix("#") ? String(rest[..<close]) : nil
        }
        // A `#` begins a comment only after a space: URLs and passwords may hold one.
        var result = text
        for index in text.indices where text[index] == "#" {
            if index > text.startIndex, text[text.index(before: index)].isWhitespace {
                result = trimmed(text[..<index])
                break
            }
        }
        return String(result)
    }
}
