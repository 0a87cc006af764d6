/// Why the schema cannot be migrated or served on, with what to do about it.
public enum SchemaError: Error, Sendable, Equatable, CustomStringConvertible {
    /// A migration file of this program is not well formed: a mistake in its source.
    case invalidMigration(file: String, reason: String)

    /// What is wrong and what to do, in one or two sentences.
    public var description: String {
        switch self {
        case .invalidMigration(let file, let reason): "migration \(file) cannot be used: \(reason)"
        }
    }
}
