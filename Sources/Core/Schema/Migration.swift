internal import Primitives

/// One numbered step of the schema: a file `NNNN_verb_noun.sql` whose first line is `-- schema MAJOR.MINOR.PATCH`.
public struct Migration: Sendable, Equatable, CustomStringConvertible {
    /// The four digits of the file's name; migrations are applied in their order.
    public let number: Int
    /// The rest of the file's name, without `.sql`.
    public let name: String
    /// What the schema is after this migration.
    public let schemaVersion: SchemaVersion
    /// The file's text.
    public let sql: String
    /// SHA-256 of the file's bytes: what finds an edited migration.
    public let sha256: [UInt8]

    /// The file's name without `.sql`.
    public var description: String { Self.description(number: number, name: name) }

    static func description(number: Int, name: String) -> String { "\(String(number + 10_000).dropFirst())_\(name)" }

    /// Reads a migration file.
    ///
    /// - Throws: ``SchemaError/invalidMigration(file:reason:)``, when its name or its first line is not of that form.
    init(file: String, sql: String) throws(SchemaError) {
        let digits = file.prefix(4)
        guard digits.count == 4, digits.allSatisfy({ ("0"..."9").contains($0) }), let number = Int(digits),
            file.dropFirst(4).first == "_", file.hasSuffix(".sql"), file.count > 9
        else {
            throw .invalidMigration(file: file, reason: "its name is not NNNN_verb_noun.sql")
        }
        let firstLine = sql.prefix { $0 != "\n" }
        guard firstLine.hasPrefix("-- schema "), let version = SchemaVersion(String(firstLine.dropFirst(10))) else {
            throw .invalidMigration(file: file, reason: "its first line is not `-- schema MAJOR.MINOR.PATCH`")
        }
        self.number = number
        name = String(file.dropFirst(5).dropLast(4))
        schemaVersion = version
        self.sql = sql
        sha256 = SHA256.hash(Array(sql.utf8))
    }
}

/// The version of a schema: MAJOR changes when servers of before can no longer run on it, MINOR when it can do more, PATCH
/// when nothing a server sees has changed (an index, a comment).
public struct SchemaVersion: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// Changes when servers of before can no longer run on it.
    public var major: Int
    /// Changes when the schema can do more.
    public var minor: Int
    /// Changes when nothing a server sees has changed.
    public var patch: Int

    /// Reads `MAJOR.MINOR.PATCH`; nil when the text is not three numbers.
    public init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false).map { Int($0) }
        guard parts.count == 3, let major = parts[0], let minor = parts[1], let patch = parts[2],
            min(major, minor, patch) >= 0
        else { return nil }
        self.major = major
        self.minor = minor
        self.patch = patch
    }

    /// `MAJOR.MINOR.PATCH`.
    public var description: String { "\(major).\(minor).\(patch)" }

    /// Orders by MAJOR, then MINOR, then PATCH.
    public static func < (left: SchemaVersion, right: SchemaVersion) -> Bool {
        (left.major, left.minor, left.patch) < (right.major, right.minor, right.patch)
    }
}
