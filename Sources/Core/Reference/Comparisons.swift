public import Domain
public import Postgres
internal import Primitives
public import TrellisAPI

/// What differs between releases.
public enum Comparisons {
    /// Returns a page of the concepts that differ between two complete releases of one framework.
    public static func list(
        _ request: DiffReleasesRequest,
        _ page: Page,
        _ scope: Scope,
        _ database: Database
    ) async throws -> DiffReleasesResponse {
        let base = try await Releases.readable(framework: "", release: request.baseReleaseID, scope, database)
        let next = try await Releases.readable(
            framework: base.framework,
            release: request.releaseID,
            scope,
            database
        )
        var (kind, code): (Int32, String) = (0, "")
        if let position = page.position {
            var reader = PositionReader(position)
            (kind, code) = (try reader.number32(), try reader.text())
        }
        let list = ReleaseCompareList(
            baseTenantID: base.tenant,
            baseReleaseID: base.release,
            afterKind: kind,
            afterCode: code,
            tenantID: next.tenant,
            releaseID: next.release,
            count: Int32(page.count)
        )
        let compare = ReleaseCompare(
            baseTenantID: base.tenant,
            baseReleaseID: base.release,
            tenantID: next.tenant,
            releaseID: next.release
        )
        let (rows, counts) = try await database.run(list, compare, settings: scope.settings)
        let (changes, token) = page.cut(rows) { row in
            var writer = PositionWriter()
            writer.write(row.kind)
            writer.write(row.code)
            return writer.bytes
        }
        return DiffReleasesResponse(
            changes: changes.map(\.message),
            nextPageToken: token,
            diff: counts.certain.message(base: base.release)
        )
    }

    /// How many concepts and edges differ, given who published each release; no base is an empty one.
    static func compare(
        base: (tenant: UUID, release: UUID)?,
        next: (tenant: UUID, release: UUID),
        _ transaction: Transaction
    ) async throws -> ReleaseDiff {
        try await transaction.run(
            ReleaseCompare(
                baseTenantID: base?.tenant ?? .zero,
                baseReleaseID: base?.release ?? .zero,
                tenantID: next.tenant,
                releaseID: next.release
            )
        )
        .certain.message(base: base?.release)
    }
}

extension Comparison {
    fileprivate func message(base: UUID?) -> ReleaseDiff {
        ReleaseDiff(
            baseReleaseID: base?.text ?? "",
            added: added,
            changed: changed,
            retired: retired,
            unchanged: unchanged,
            edgesAdded: edgesAdded,
            edgesRemoved: edgesRemoved,
            identical: [added, changed, retired, edgesAdded, edgesRemoved].allSatisfy { $0 == 0 }
        )
    }
}

extension ConceptDifference {
    fileprivate var message: ConceptChange {
        let fields: KeyValuePairs = [
            "name": nameDiffers, "description": descriptionDiffers, "attributes_json": attributesDiffer,
            "parent": parentDiffers, "labels": labelsDiffer,
        ]
        return ConceptChange(
            change: ChangeKind(rawValue: change),
            kind: ConceptKind(rawValue: kind),
            code: code,
            oldName: oldName,
            newName: newName,
            changedFields: fields.filter(\.value).map(\.key)
        )
    }
}
