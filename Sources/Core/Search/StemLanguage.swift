/// The part of a language tag that decides on how words are brought to their stems.
enum StemLanguage {
    /// The primary subtag in lower case: "pt" of "pt-BR".
    static func of(_ tag: String) -> String {
        String(tag.prefix { $0 != "-" }).lowercased()
    }
}
