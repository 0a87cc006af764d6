internal import Postgres
public import Primitives
public import Protobuf
public import TrellisAPI

/// Somebody whom personal data is about, and who can ask for it and have it erased.
public struct DataSubject: Sendable, Equatable {
    /// What they are to the tenant.
    public let kind: SubjectKind
    /// By what they are known.
    public let id: UUID
    /// By what else: the ids of those who were merged into them.
    public let aliases: [UUID]

    /// Takes the parts.
    public init(kind: SubjectKind, id: UUID, aliases: [UUID] = []) {
        self.kind = kind
        self.id = id
        self.aliases = aliases
    }

    /// All ids, each of which has a key of its own.
    public var ids: [UUID] { [id] + aliases }
}

/// What is kept of a subject in one part of the system.
public struct PersonalRecords: Sendable {
    /// Everything, to be given to the subject: an object a record.
    public var records: [JSONValue]
    /// What the subject is known by: e-mail addresses, names, ids that others have given.
    public var identifiers: [String]
    /// The keyed hashes by which these are found.
    public var indexes: [[UInt8]]

    /// Takes the parts; by default nothing.
    public init(records: [JSONValue] = [], identifiers: [String] = [], indexes: [[UInt8]] = []) {
        self.records = records
        self.identifiers = identifiers
        self.indexes = indexes
    }

    /// Adds a message as a record under the name of its kind.
    public mutating func add(_ kind: String, _ message: some Message) throws {
        let json = try DescriptorPool.trellis.json(
            message,
            options: JSONOptions(usesProtoNames: true, redactsSecrets: true)
        )
        records.append(.object([(kind, json)]))
    }
}

/// A part of the system that keeps personal data. Each area declares one, and the server puts them together; what is kept
/// elsewhere is found by the search that ends every erasure.
public protocol PersonalDataSource: Sendable {
    /// What the part is called in exports and certificates.
    var name: String { get }

    /// Who has an id, held until the transaction ends, so that nobody changes, holds or erases them at the same time; nil when
    /// it is not this part that knows.
    func find(_ kind: SubjectKind, _ id: UUID, _ work: Work) async throws -> DataSubject?

    /// Everything that is kept of a subject.
    func collect(_ subject: DataSubject, _ work: Work) async throws -> PersonalRecords

    /// Erases everything personal about a subject, and by what they are found. Their keys go afterwards.
    ///
    /// - Returns: how many rows were changed or deleted.
    func erase(_ subject: DataSubject, _ work: Work) async throws -> Int64
}

extension PersonalDataSource {
    /// Most parts only keep what is about those whom others know.
    public func find(_ kind: SubjectKind, _ id: UUID, _ work: Work) async throws -> DataSubject? { nil }
}

/// The answers of writes, which are kept for retries and tell of subjects. They are sealed with their request ids, so they
/// cannot be exported; an erasure takes away those that tell of the subject, and leaves their request ids taken.
public struct StoredAnswers: PersonalDataSource {
    /// The part.
    public init() {}

    /// What the part is called.
    public var name: String { "stored_answers" }

    /// Everything that is kept of a subject.
    public func collect(_ subject: DataSubject, _ work: Work) async throws -> PersonalRecords { PersonalRecords() }

    /// Erases everything personal about a subject.
    public func erase(_ subject: DataSubject, _ work: Work) async throws -> Int64 {
        let erase = IdempotencyErase(tenantID: work.scope.tenant, subjects: subject.ids)
        return Int64(try await work.transaction.run(erase))
    }
}
