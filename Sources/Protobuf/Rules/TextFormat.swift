/// The named forms of text that a proto file can require (`trellis.options.v1.Format`).
public enum TextFormat: Sendable {
    /// Any text.
    case any
    /// A UUID as 8-4-4-4-12 hexadecimal digits (RFC 9562, section 4).
    case uuid
    /// A lower-case letter, then letters, digits and single hyphens; at most 63 characters.
    case slug
    /// An e-mail address.
    case email
    /// A language tag (RFC 5646, section 2.1).
    case language
    /// An IANA time zone name, by its syntax.
    case timezone
    /// JSON text whose top level is an object.
    case jsonObject
    /// A canonical code: letters, digits and `. _ : - /`, at most 128 characters.
    case code
    /// 1 to 64 letters, digits, hyphens and underscores.
    case requestID

    /// Whether the text has this form.
    public func admits(_ text: String) -> Bool {
        switch self {
        case .any: true
        case .uuid: Self.isUUID(text)
        case .slug: Self.isSlug(text)
        case .email: Self.isEmail(text)
        case .language: LanguageTag.isWellFormed(text)
        case .timezone: Self.isTimezone(text)
        case .jsonObject: JSONValue.isObject(text)
        case .code: text.utf8.count <= 128 && text.utf8.allSatisfy { $0.isAlphanumeric || ".-_:/".utf8.contains($0) }
        case .requestID: text.utf8.count <= 64 && text.utf8.allSatisfy { $0.isAlphanumeric || $0 == 0x2D || $0 == 0x5F }
        }
    }

    /// What would be right, to follow "it must be".
    var wanted: String {
        switch self {
        case .any: "text"
        case .uuid: "a UUID such as 0192d3c4-5b6a-7c8d-9e0f-1a2b3c4d5e6f"
        case .slug:
            "a lower-case letter, then letters, digits and single hyphens, at most 63 characters, such as lima-2"
        case .email: "an e-mail address such as ada@example.org"
        case .language: "a language tag such as en or zh-Hans"
        case .timezone: "an IANA time zone name such as America/Lima"
        case .jsonObject: "a JSON object such as {\"a\": 1}"
        case .code: "a code of letters, digits and . _ : - /, at most 128 characters, without white space"
        case .requestID: "1 to 64 letters, digits, hyphens or underscores; a UUID is recommended"
        }
    }

    private static func isUUID(_ text: String) -> Bool {
        guard text.utf8.count == 36 else { return false }
        var index = 0
        for byte in text.utf8 {
            let isHyphenPlace = index == 8 || index == 13 || index == 18 || index == 23
            guard isHyphenPlace ? byte == 0x2D : byte.isHexDigit else { return false }
            index += 1
        }
        return true
    }

    private static func isSlug(_ text: String) -> Bool {
        guard text.utf8.count <= 63, let first = text.utf8.first, first.isLowercase else { return false }
        var previous = first
        for byte in text.utf8.dropFirst() {
            guard byte.isLowercase || byte.isDigit || (byte == 0x2D && previous != 0x2D) else { return false }
            previous = byte
        }
        return previous != 0x2D
    }

    private static func isEmail(_ text: String) -> Bool {
        guard text.utf8.count <= 254 else { return false }
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[0].isEmpty, parts[0].utf8.count <= 64 else { return false }
        let isLocalPart = parts[0].unicodeScalars.allSatisfy {
            $0.value > 0x20 && $0.value != 0x7F && !$0.properties.isWhitespace && $0 != ","
        }
        guard isLocalPart else { return false }
        let labels = parts[1].split(separator: ".", omittingEmptySubsequences: false)
        return labels.count >= 2
            && labels.allSatisfy { label in
                (1...63).contains(label.utf8.count) && label.utf8.first != 0x2D && label.utf8.last != 0x2D
                    && label.utf8.allSatisfy { $0.isAlphanumeric || $0 == 0x2D || $0 >= 0x80 }
            }
    }

    private static func isTimezone(_ text: String) -> Bool {
        guard text.utf8.count <= 64 else { return false }
        var isPartStart = true
        for byte in text.utf8 {
            if isPartStart {
                guard byte.isLetter else { return false }
                isPartStart = false
            } else if byte == UInt8(ascii: "/") {
                isPartStart = true
            } else {
                guard byte.isAlphanumeric || byte == 0x5F || byte == 0x2D || byte == 0x2B else { return false }
            }
        }
        return !isPartStart
    }
}

extension UInt8 {
    var isDigit: Bool { self &- 0x30 < 10 }
    var isLowercase: Bool { self &- 0x61 < 26 }
    var isLetter: Bool { (self | 0x20) &- 0x61 < 26 }
    var isAlphanumeric: Bool { isDigit || isLetter }
    var isHexDigit: Bool { isDigit || (self | 0x20) &- 0x61 < 6 }
}
