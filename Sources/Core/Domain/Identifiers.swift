public import Primitives

extension UUID {
    /// Reads an id from a field of a request; the error names the field.
    public init(_ text: String, field: String) throws(DomainError) {
        guard let value = UUID(text) else {
            throw .invalid(field, "\"\(text)\" is not a UUID of the form 01234567-89ab-7cde-8f01-23456789abcd")
        }
        self = value
    }

    /// Reads an id from a field that may be empty.
    public static func optional(_ text: String, field: String) throws(DomainError) -> UUID? {
        text.isEmpty ? nil : try UUID(text, field: field)
    }

    /// The 16 bytes in network order.
    public var bytes: [UInt8] { withUnsafeBytes { Array($0) } }
}

extension String {
    /// The form in which texts are compared without regard to case: what the `*_key` columns hold.
    public var caseFolded: String { lowercased() }
}
