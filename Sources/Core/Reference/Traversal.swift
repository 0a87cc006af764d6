public import Domain
public import Postgres
internal import Primitives
public import TrellisAPI

/// Walks along the edges, across frameworks.
public enum Traversal {
    /// Returns a page of the concepts that a walk reaches. All pages walk the releases of the first one; they do not
    /// change, so the walk is the same each time.
    public static func run(
        _ request: TraverseRequest,
        _ page: Page,
        _ scope: Scope,
        _ settings: SessionSettings,
        _ database: Database
    ) async throws -> TraverseResponse {
        let start = try start(of: request)
        var (view, after) = try await view(of: request, page, start, scope, database)
        return try await database.transaction(settings, mode: .snapshot) { transaction in
            let walk = try await walk(request, from: start, through: view, transaction)
            let kinds = Set(request.conceptKinds.map(\.rawValue))
            let wanted = walk.visits.drop { !after.isBefore($0) }
                .lazy.filter { kinds.isEmpty || kinds.contains($0.address.kind) }
            let (visits, next) = page.cut(Array(wanted.prefix(page.count))) { visit in
                after = WalkPosition(depth: visit.depth, address: visit.address)
                return after.bytes(view)
            }
            let concepts = try await concepts(visits, view, transaction)
            return TraverseResponse(
                visits: zip(visits, concepts).map { visit, concept in
                    Visit(
                        concept: concept,
                        depth: visit.depth,
                        viaKind: EdgeKind(rawValue: visit.viaEdge),
                        via: visit.via.key
                    )
                },
                nextPageToken: next
            )
        }
    }

    private static func start(of request: TraverseRequest) throws(DomainError) -> ConceptAddress {
        guard let start = request.start, !start.framework.isEmpty else {
            throw .invalid("start.framework", "it is empty: a walk begins in a framework, such as \"sdg\"")
        }
        return ConceptAddress(start, framework: start.framework)
    }

    /// The releases to walk and where the page begins.
    private static func view(
        of request: TraverseRequest,
        _ page: Page,
        _ start: ConceptAddress,
        _ scope: Scope,
        _ database: Database
    ) async throws -> (ReleaseView, WalkPosition) {
        if let position = page.position {
            var reader = PositionReader(position)
            return (try ReleaseView(&reader), try WalkPosition(&reader))
        }
        let first = try await Releases.readable(
            framework: start.framework,
            release: request.releaseID,
            scope,
            database
        )
        let view = try await Releases.view([], scope, database)
        return (view.replacing(start.framework, tenant: first.tenant, release: first.release), .beginning)
    }

    private static func walk(
        _ request: TraverseRequest,
        from start: ConceptAddress,
        through view: ReleaseView,
        _ transaction: Transaction
    ) async throws -> Walk {
        guard try await !concepts([start], view, transaction).isEmpty else {
            throw DomainError.notFound(
                resource: ConceptKind(rawValue: start.kind).words,
                id: "\(start.framework) \(start.code)"
            )
        }
        var walk = Walk(from: start)
        let depth = request.maxDepth == 0 ? 1 : request.maxDepth
        while walk.depth < depth, !walk.frontier.isEmpty {
            let rows = try await transaction.run(
                ConceptStep(
                    frameworks: view.frameworks,
                    tenantIDs: view.tenants,
                    releaseIDs: view.releases,
                    fromFrameworks: walk.frontier.map(\.framework),
                    fromKinds: walk.frontier.map(\.kind),
                    fromCodes: walk.frontier.map(\.code),
                    edgeKinds: request.edgeKinds.map(\.rawValue),
                    outgoing: request.direction != .incoming,
                    incoming: request.direction == .incoming || request.direction == .both,
                    rowLimit: Int32(ReferenceLimits.walkConcepts + 2)
                )
            )
            // The rows are distinct, and only one of them can be the start.
            guard rows.count < ReferenceLimits.walkConcepts + 2 else { throw Walk.tooLarge }
            try walk.step(rows.map(\.neighbour))
        }
        return walk
    }

    private static func concepts(
        _ visits: [Walk.Visit],
        _ view: ReleaseView,
        _ transaction: Transaction
    ) async throws -> [Concept] {
        let rows = try await concepts(visits.map(\.address), view, transaction)
        precondition(rows.count == visits.count, "a walk reaches concepts that exist, each once")
        return rows.map(\.message)
    }

    private static func concepts(
        _ addresses: [ConceptAddress],
        _ view: ReleaseView,
        _ transaction: Transaction
    ) async throws -> [ConceptRow] {
        let releases = addresses.compactMap { view[$0.framework] }
        precondition(releases.count == addresses.count, "a walk stays within the releases that it walks")
        return try await transaction.run(
            ConceptGetMany(
                frameworks: addresses.map(\.framework),
                tenantIDs: releases.map(\.tenant),
                releaseIDs: releases.map(\.release),
                kinds: addresses.map(\.kind),
                codes: addresses.map(\.code)
            )
        )
    }
}

/// Where a page of a walk ends.
private struct WalkPosition {
    var depth: Int32
    var address: ConceptAddress

    /// Before the first concept.
    static let beginning = WalkPosition(depth: 0, address: ConceptAddress(framework: "", kind: 0, code: ""))

    init(depth: Int32, address: ConceptAddress) {
        self.depth = depth
        self.address = address
    }

    init(_ reader: inout PositionReader) throws(DomainError) {
        depth = try reader.number32()
        address = ConceptAddress(
            framework: try reader.text(),
            kind: try reader.number32(),
            code: try reader.text()
        )
    }

    func bytes(_ view: ReleaseView) -> [UInt8] {
        var writer = PositionWriter()
        view.write(to: &writer)
        writer.write(depth)
        writer.write(address.framework)
        writer.write(address.kind)
        writer.write(address.code)
        return writer.bytes
    }

    func isBefore(_ visit: Walk.Visit) -> Bool {
        depth != visit.depth ? depth < visit.depth : address < visit.address
    }
}

extension StepRow {
    fileprivate var neighbour: (address: ConceptAddress, edge: Int32, via: ConceptAddress) {
        (
            ConceptAddress(framework: framework, kind: kind, code: code), viaEdge,
            ConceptAddress(framework: viaFramework, kind: viaKind, code: viaCode)
        )
    }
}
