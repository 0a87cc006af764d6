public import Domain
public import Primitives

/// What makes concepts searchable. The server fills it in with the search area, which this one does not know.
public protocol ConceptIndex: Sendable {
    /// Adds texts of concepts of one release, in the transaction of their import. They are found when the release is
    /// active.
    func add(_ texts: [ConceptText], release: UUID, _ work: Work) async throws

    /// Removes the texts of a release that was given up.
    func remove(release: UUID, _ work: Work) async throws
}

/// A concept's texts in one language.
public struct ConceptText: Sendable, Equatable {
    /// The concept's id.
    public var conceptID: UUID
    /// The framework's code.
    public var framework: String
    /// The number of the concept's kind.
    public var kind: Int32
    /// The concept's code.
    public var code: String
    /// The language of the texts.
    public var language: String
    /// The name.
    public var name: String
    /// The description; may be empty.
    public var description: String
}
