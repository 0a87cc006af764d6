/// The syntax of language tags (RFC 5646, section 2.1), without its register of subtags.
enum LanguageTag {
    /// Whether the text is a well-formed tag; the grandfathered irregular tags (section 2.2.8) are not.
    static func isWellFormed(_ text: String) -> Bool {
        let subtags = text.split(separator: "-", omittingEmptySubsequences: false)
        guard text.utf8.count <= 255, subtags.allSatisfy({ (1...8).contains($0.utf8.count) && isAlphanumeric($0) })
        else {
            return false
        }
        if subtags[0] == "x" || subtags[0] == "X" { return subtags.count > 1 }
        guard isAlphabetic(subtags[0]), subtags[0].utf8.count >= 2 else { return false }
        var rest = subtags.dropFirst()
        if subtags[0].utf8.count <= 3 {
            var extended = 0
            while let next = rest.first, extended < 3, next.utf8.count == 3, isAlphabetic(next) {
                rest.removeFirst()
                extended += 1
            }
        }
        if let script = rest.first, script.utf8.count == 4, isAlphabetic(script) { rest.removeFirst() }
        if let region = rest.first, isRegion(region) { rest.removeFirst() }
        while let variant = rest.first, isVariant(variant) { rest.removeFirst() }
        return areExtensions(rest)
    }

    /// Extensions and private use: a singleton, then subtags of its own.
    private static func areExtensions(_ subtags: ArraySlice<Substring>) -> Bool {
        var rest = subtags
        while let singleton = rest.popFirst() {
            guard singleton.utf8.count == 1 else { return false }
            if singleton == "x" || singleton == "X" { return !rest.isEmpty }
            var count = 0
            while let next = rest.first, next.utf8.count >= 2 {
                rest.removeFirst()
                count += 1
            }
            guard count > 0 else { return false }
        }
        return true
    }

    private static func isRegion(_ subtag: Substring) -> Bool {
        (subtag.utf8.count == 2 && isAlphabetic(subtag))
            || (subtag.utf8.count == 3 && subtag.utf8.allSatisfy(\.isDigit))
    }

    private static func isVariant(_ subtag: Substring) -> Bool {
        subtag.utf8.count >= 5 || (subtag.utf8.count == 4 && subtag.utf8.first?.isDigit == true)
    }

    private static func isAlphabetic(_ subtag: Substring) -> Bool { subtag.utf8.allSatisfy(\.isLetter) }

    private static func isAlphanumeric(_ subtag: Substring) -> Bool { subtag.utf8.allSatisfy(\.isAlphanumeric) }
}
