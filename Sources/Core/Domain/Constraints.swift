internal import Postgres

/// Says a violated constraint in the words of the domain.
///
/// Runs `body`; when PostgreSQL refuses it because of one of `constraints`, throws that one's error instead. The
/// transaction is over then, whatever was thrown.
public func saying<Value>(
    _ constraints: KeyValuePairs<String, DomainError>,
    _ body: () async throws -> Value
) async throws -> Value {
    do {
        return try await body()
    } catch let error as PostgresError {
        guard let violated = error.constraint, let known = constraints.first(where: { $0.key == violated }) else {
            throw error
        }
        throw known.value
    }
}

extension Optional {
    /// The row of a statement that cannot but return one, such as INSERT ... RETURNING.
    public var certain: Wrapped {
        guard let self else { preconditionFailure("a statement that always returns a row returned none") }
        return self
    }

    /// The value, or the error that says that it is not there.
    public func orNotFound(_ resource: String, _ id: some CustomStringConvertible) throws(DomainError) -> Wrapped {
        guard let self else { throw .notFound(resource: resource, id: id.description) }
        return self
    }
}
