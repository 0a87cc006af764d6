public import Domain
internal import Postgres
internal import Primitives
public import TrellisAPI

/// The import of a release, chunk by chunk.
///
/// All of a chunk happens in one transaction under a lock on its release, so chunks that are sent side by side take
/// turns, and a chunk that fails leaves nothing. The last chunk moves the framework's pointer: before, no reader sees
/// the release.
public enum ReleaseImport {
    /// Takes one chunk: begins the release, adds to it, completes it, whichever of these the request asks for.
    public static func run(
        _ request: ImportReleaseRequest,
        _ work: Work,
        _ index: some ConceptIndex
    ) async throws -> ImportReleaseResponse {
        let id = try await begin(request, work)
        let stage = try await work.transaction.run(ReleaseLock(tenantID: work.scope.tenant, releaseID: id))
            .orNotFound("release", id)
        guard stage.stage == ReleaseStage.staging else { throw notStaging(id) }
        // A chunk in the middle is known by its request; what it adds up to, by the last one.
        let isFirst = request.releaseID.isEmpty
        let before = !isFirst && request.complete ? try await Releases.get(id, work) : nil
        try await add(request, to: id, stage, work, index)
        var response = ImportReleaseResponse()
        if request.complete {
            response = try await complete(id, stage, work, validateOnly: request.validateOnly)
        }
        let release = try await Releases.get(id, work)
        if isFirst || request.complete {
            work.audit.changed("release", release.id, from: before, to: release)
        } else {
            work.audit.target("release", release.id)
        }
        response.release = release
        return response
    }

    /// Gives a release up.
    public static func abandon(
        _ request: AbandonReleaseRequest,
        _ work: Work,
        _ index: some ConceptIndex
    ) async throws -> TrellisAPI.Release {
        let id = try UUID(request.id, field: "id")
        let stage = try await work.transaction.run(ReleaseLock(tenantID: work.scope.tenant, releaseID: id))
            .orNotFound("release", id)
        guard stage.stage == ReleaseStage.staging else { throw notStaging(id) }
        let before = try await Releases.get(id, work)
        _ = try await work.transaction.run(ReleaseAbandon(tenantID: work.scope.tenant, releaseID: id))
        try await index.remove(release: id, work)
        let after = try await Releases.get(id, work)
        work.audit.changed("release", after.id, from: before, to: after)
        return after
    }

    /// The release that a request is about; makes it when the request describes one.
    private static func begin(_ request: ImportReleaseRequest, _ work: Work) async throws -> UUID {
        if !request.releaseID.isEmpty {
            guard request.release == nil else {
                throw DomainError.invalid(
                    "release",
                    "only the first call describes the release; release_id names it now"
                )
            }
            return try UUID(request.releaseID, field: "release_id")
        }
        guard let release = request.release else {
            throw DomainError.invalid(
                "release",
                "it is missing: the first call describes the release, later ones name it"
            )
        }
        let id = UUID.v7()
        let taken = DomainError.alreadyExists(
            resource: "release of \(release.framework)",
            field: "release.version",
            value: release.version
        )
        let tenant = work.scope.tenant
        _ = try await work.transaction.run(FrameworkInsert(tenantID: tenant, framework: release.framework))
        _ = try await saying(["reference_release_version": taken]) {
            try await work.transaction.run(try release.insert(id: id, tenant: tenant))
        }
        return id
    }

    /// Adds the chunk's records.
    private static func add(
        _ request: ImportReleaseRequest,
        to id: UUID,
        _ stage: ReleaseStage,
        _ work: Work,
        _ index: some ConceptIndex
    ) async throws {
        let chunk = try ImportChunk(request, framework: stage.framework)
        let (transaction, tenant) = (work.transaction, work.scope.tenant)
        if !chunk.concepts.isEmpty {
            try chunk.checkNew(
                try await transaction.run(
                    chunk.conceptInsert(tenant: tenant, release: id, after: stage.conceptCount)
                )
            )
            try await index.add(chunk.texts(tenant: tenant, language: stage.language), release: id, work)
        }
        if !chunk.edges.isEmpty {
            try chunk.checkNew(try await transaction.run(chunk.edgeInsert(tenant: tenant, release: id)))
        }
        _ = try await transaction.run(
            ReleaseGrow(
                concepts: Int32(chunk.concepts.count),
                edges: Int32(chunk.edges.count),
                tenantID: tenant,
                releaseID: id
            )
        )
    }

    /// Checks the release as a whole, compares it with the active one and takes its place.
    private static func complete(
        _ id: UUID,
        _ stage: ReleaseStage,
        _ work: Work,
        validateOnly: Bool
    ) async throws -> ImportReleaseResponse {
        let (transaction, tenant) = (work.transaction, work.scope.tenant)
        let pointer = try await transaction.run(FrameworkLock(tenantID: tenant, framework: stage.framework)).certain
        let view = try await ReleaseView(
            transaction.run(VisibleReleaseList(tenantID: tenant, frameworks: []))
        )
        .replacing(stage.framework, tenant: tenant, release: id)
        _ = try await transaction.run(
            EdgeMarkDangling(
                tenantID: tenant,
                releaseID: id,
                frameworks: view.frameworks,
                tenantIDs: view.tenants,
                releaseIDs: view.releases
            )
        )
        let verdict = try await verdict(id, work)
        let row = try await transaction.run(ReleaseGet(tenantID: tenant, releaseID: id)).certain
        try verdict.check(row)
        let diff = try await Comparisons.compare(
            base: pointer.activeReleaseID.map { (tenant, $0) },
            next: (tenant, id),
            transaction
        )
        if !validateOnly {
            _ = try await transaction.run(
                ReleaseComplete(danglingEdges: verdict.danglingCount, tenantID: tenant, releaseID: id),
                ReleaseTouch(tenantID: tenant, releaseID: id),
                FrameworkActivate(releaseID: id, tenantID: tenant, framework: stage.framework),
                ReferenceAnalyze()
            )
        }
        return ImportReleaseResponse(
            concepts: verdict.concepts.map { KindCount(kind: ConceptKind(rawValue: $0.kind), count: $0.count) },
            edges: verdict.edges.map { EdgeCount(kind: EdgeKind(rawValue: $0.kind), count: $0.count) },
            diff: diff,
            danglingEdges: verdict.dangling.prefix(ReferenceLimits.shownDanglingEdges).map {
                $0.message(framework: stage.framework)
            }
        )
    }

    private static func verdict(_ id: UUID, _ work: Work) async throws -> ReleaseVerdict {
        let tenant = work.scope.tenant
        var dangling = EdgeList(tenantID: tenant, releaseID: id)
        dangling.onlyDangling = true
        dangling.count = Int32(ReferenceLimits.shownDanglingEdges)
        let (concepts, edges, orphans, sourceless, leadingNowhere, count) = try await work.transaction.run(
            ConceptCount(tenantID: tenant, releaseID: id),
            EdgeCountByKind(tenantID: tenant, releaseID: id),
            ConceptListOrphans(tenantID: tenant, releaseID: id, count: ReleaseVerdict.limit),
            EdgeListWithoutSource(tenantID: tenant, releaseID: id, count: ReleaseVerdict.limit),
            dangling,
            EdgeCountDangling(tenantID: tenant, releaseID: id)
        )
        return ReleaseVerdict(
            concepts: concepts,
            edges: edges,
            orphans: orphans,
            sourceless: sourceless,
            dangling: leadingNowhere,
            danglingCount: count.certain.count
        )
    }

    private static func notStaging(_ id: UUID) -> DomainError {
        .failedPrecondition(
            .init(
                reason: "RELEASE_NOT_STAGING",
                subject: "releases/\(id)",
                description: "release \(id) is complete or was given up and cannot change: import another version"
            )
        )
    }
}

extension ReleaseStage {
    /// Records can be added.
    static let staging: Int32 = 1
    /// Complete: it can be read and activated.
    static let complete: Int32 = 2
}
