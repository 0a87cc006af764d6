public import Domain
public import Postgres
internal import Primitives
public import TrellisAPI

/// The edges of releases.
public enum Edges {
    /// Returns a page of the edges of a release, ordered by source, kind and target.
    public static func list(
        _ request: ListEdgesRequest,
        _ page: Page,
        _ scope: Scope,
        _ database: Database
    ) async throws -> ListEdgesResponse {
        let place = try await ListedRelease(page, request.framework, request.releaseID, scope, database)
        let release = place.release
        var query = EdgeList(tenantID: release.tenant, releaseID: release.release)
        query.count = Int32(page.count)
        query.kindFilter = request.kind.rawValue
        query.onlyDangling = request.onlyDangling
        if let source = request.source {
            (query.sourceKindFilter, query.sourceCodeFilter) = (source.kind.rawValue, source.code)
        }
        if let target = request.target {
            let address = ConceptAddress(target, framework: release.framework)
            query.targetFrameworkFilter = address.framework
            (query.targetKindFilter, query.targetCodeFilter) = (address.kind, address.code)
        }
        if var reader = place.reader { try query.begin(after: &reader) }
        let rows = try await database.run(query, scope.settings)
        let (edges, next) = page.cut(rows) { row in
            var writer = place.writer
            row.write(to: &writer)
            return writer.bytes
        }
        return ListEdgesResponse(edges: edges.map { $0.message(framework: release.framework) }, nextPageToken: next)
    }
}

extension EdgeList {
    /// A list of all edges of a release, from the beginning.
    init(tenantID: UUID, releaseID: UUID) {
        self.init(
            tenantID: tenantID,
            releaseID: releaseID,
            afterSourceKind: 0,
            afterSourceCode: "",
            afterKind: 0,
            afterTargetFramework: "",
            afterTargetKind: 0,
            afterTargetCode: "",
            kindFilter: 0,
            sourceKindFilter: 0,
            sourceCodeFilter: "",
            targetKindFilter: 0,
            targetFrameworkFilter: "",
            targetCodeFilter: "",
            onlyDangling: false,
            count: 0
        )
    }

    /// Goes on after the edge that ``EdgeRow/write(to:)`` wrote.
    fileprivate mutating func begin(after reader: inout PositionReader) throws(DomainError) {
        afterSourceKind = try reader.number32()
        afterSourceCode = try reader.text()
        afterKind = try reader.number32()
        afterTargetFramework = try reader.text()
        afterTargetKind = try reader.number32()
        afterTargetCode = try reader.text()
    }
}

extension EdgeList {
    /// Goes on after an edge of the same list.
    mutating func begin(after edge: EdgeRow) {
        (afterSourceKind, afterSourceCode, afterKind) = (edge.sourceKind, edge.sourceCode, edge.kind)
        (afterTargetFramework, afterTargetKind) = (edge.targetFramework, edge.targetKind)
        afterTargetCode = edge.targetCode
    }
}

extension EdgeRow {
    fileprivate func write(to writer: inout PositionWriter) {
        writer.write(sourceKind)
        writer.write(sourceCode)
        writer.write(kind)
        writer.write(targetFramework)
        writer.write(targetKind)
        writer.write(targetCode)
    }
}
