internal import Domain

/// A walk along edges, level by level: where it has been, and how each concept was first reached. Pure; whoever walks
/// asks it for the frontier and tells it what lies next to that.
struct Walk {
    /// A concept that was reached.
    struct Visit: Equatable {
        var address: ConceptAddress
        var depth: Int32
        var viaEdge: Int32
        var via: ConceptAddress
    }

    /// The concepts reached at the last level.
    private(set) var frontier: [ConceptAddress]
    /// The number of levels walked.
    private(set) var depth: Int32 = 0
    /// What was reached, nearest first, then by framework, kind and code; the start is not among it.
    private(set) var visits: [Visit] = []
    private var seen: Set<ConceptAddress>

    /// A walk that is about to begin.
    init(from start: ConceptAddress) {
        frontier = [start]
        seen = [start]
    }

    /// Takes what lies next to the frontier; what was reached before is passed over.
    ///
    /// Throws TRAVERSAL_TOO_LARGE when the walk has reached more concepts than it may.
    mutating func step(_ neighbours: [(address: ConceptAddress, edge: Int32, via: ConceptAddress)]) throws(DomainError)
    {
        depth += 1
        let new = neighbours.filter { seen.insert($0.address).inserted }.sorted { $0.address < $1.address }
        guard visits.count + new.count <= ReferenceLimits.walkConcepts else { throw Self.tooLarge }
        visits += new.map { Visit(address: $0.address, depth: depth, viaEdge: $0.edge, via: $0.via) }
        frontier = new.map(\.address)
    }

    static var tooLarge: DomainError {
        .failedPrecondition(
            .init(
                reason: "TRAVERSAL_TOO_LARGE",
                subject: "traversal",
                description:
                    "more than \(ReferenceLimits.walkConcepts) concepts are reached: walk fewer kinds of edges,"
                    + " one way only, or less deep"
            )
        )
    }
}
