/// Which fields an Update sets.
public struct UpdateMask: Sendable {
    private let fields: Set<String>

    /// Reads an update_mask: `paths` as the request has them (nil when it has no mask), and the fields that can be
    /// changed, each with whether the request fills it.
    ///
    /// No mask sets what is filled, `*` sets every field. Throws ``DomainError/invalid(_:)`` that names the path.
    public init(_ paths: [String]?, fields: KeyValuePairs<String, Bool>) throws(DomainError) {
        guard let paths, !paths.isEmpty else {
            self.fields = Set(fields.lazy.filter(\.value).map(\.key))
            return
        }
        let names = fields.map(\.key)
        if paths == ["*"] {
            self.fields = Set(names)
            return
        }
        for (index, path) in paths.enumerated() where !names.contains(path) {
            throw .invalid(
                "update_mask.paths[\(index)]",
                "\"\(path)\" is no field that can be changed; those are \(names.joined(separator: ", ")), or * alone"
            )
        }
        self.fields = Set(paths)
    }

    /// Whether the field is to be set.
    public func contains(_ field: String) -> Bool { fields.contains(field) }
}

/// The version of a resource.
public enum Etag {
    /// Refuses a change that was made on another version; an empty etag is not checked.
    public static func check(_ given: String, current: String, resource: String, id: String) throws(DomainError) {
        guard given.isEmpty || given == current else { throw .etagMismatch(resource: resource, id: id) }
    }
}
