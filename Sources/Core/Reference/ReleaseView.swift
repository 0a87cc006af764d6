internal import Domain
internal import Primitives

/// The releases that a caller reads, one a framework: what a request sees, and what all its pages go on seeing.
struct ReleaseView: Equatable {
    /// One release.
    struct Entry: Equatable {
        var framework: String
        /// Who published it: the caller's tenant, or the zero UUID for the platform.
        var tenant: UUID
        var release: UUID
    }

    /// The releases, ordered by framework.
    private(set) var entries: [Entry]

    /// The active releases that a tenant sees.
    init(_ rows: [VisibleRelease]) {
        entries = rows.map { row in
            guard let release = row.releaseID else {
                preconditionFailure("a framework without a release is not visible")
            }
            return Entry(framework: row.framework, tenant: row.tenantID, release: release)
        }
    }

    /// Reads a view out of a page token.
    init(_ reader: inout PositionReader) throws(DomainError) {
        entries = []
        for _ in 0..<(try reader.count()) {
            entries.append(Entry(framework: try reader.text(), tenant: try reader.id(), release: try reader.id()))
        }
    }

    /// Writes the view into a page token.
    func write(to writer: inout PositionWriter) {
        writer.write(Int64(entries.count))
        for entry in entries {
            writer.write(entry.framework)
            writer.write(entry.tenant)
            writer.write(entry.release)
        }
    }

    /// The same with another release of one framework.
    func replacing(_ framework: String, tenant: UUID, release: UUID) -> ReleaseView {
        var view = self
        view.entries.removeAll { $0.framework == framework }
        view.entries.append(Entry(framework: framework, tenant: tenant, release: release))
        return view
    }

    /// The release of a framework; nil where it has none.
    subscript(framework: String) -> Entry? { entries.first { $0.framework == framework } }

    /// The columns of the releases.
    var frameworks: [String] { entries.map(\.framework) }
    var tenants: [UUID] { entries.map(\.tenant) }
    var releases: [UUID] { entries.map(\.release) }
}
