import Protobuf
import RPC
import RPCClient
import Testing
import TrellisAPI

@Suite("Reference knowledge over the wire")
struct ReferenceStoryTests {
    static let release = TrellisAPI.Release(framework: "air", version: "1", title: "Air")

    static func concept(_ code: String, name: String = "", parent: String? = nil) -> Concept {
        Concept(
            kind: parent == nil ? .category : .theme,
            code: code,
            name: name.isEmpty ? "name of \(code)" : name,
            parent: parent.map { ConceptKey(kind: .category, code: $0) }
        )
    }

    static func related(_ source: String, _ target: String, framework: String = "") -> Edge {
        Edge(
            kind: .related,
            source: ConceptKey(kind: .category, code: source),
            target: ConceptKey(framework: framework, kind: .category, code: target)
        )
    }

    static func names(_ server: TestServer, _ key: String, framework: String = "air") async throws -> [String] {
        let list: ListConceptsResponse = try await server.reference(
            "ListConcepts",
            ListConceptsRequest(framework: framework),
            key
        )
        return list.concepts.map(\.name)
    }

    @Test("a framework without a release is a state of its own, and its first release is all added")
    func first() async throws {
        try await TestServer.with { server in
            let (_, key) = try await server.tenant("acme")
            let none = await #expect(throws: RPCError.self) { try await Self.names(server, key) }
            #expect(none?.code == .failedPrecondition && none?.reason == "NO_RELEASE")
            var concepts = [Self.concept("a"), Self.concept("b", parent: "a")]
            concepts[0].attributesJSON = #"{"z": [1, 2.50], "a": "é"}"#
            concepts[0].labels = [Label(language: "es", name: "Aire"), Label(language: "de", name: "Luft")]
            let done = try await server.importRelease(Self.release, concepts, [Self.related("a", "a")], key)
            #expect(done.release?.state == .active && done.release?.shared == false)
            #expect(done.release?.conceptCount == 2 && done.release?.edgeCount == 2)
            #expect(done.diff?.added == 2 && done.diff?.baseReleaseID == "" && done.diff?.identical == false)
            #expect(done.concepts.map(\.count) == [1, 1] && done.edges.map(\.kind) == [.child, .related])
            let read: Concept = try await server.reference(
                "GetConcept",
                GetConceptRequest(framework: "air", kind: .category, code: "a"),
                key
            )
            #expect(read.labels.map(\.language) == ["de", "es"] && read.framework == "air" && !read.retired)
            #expect(read.attributesJSON == #"{"a": "é", "z": [1, 2.50]}"# && read.contentHash.count == 64)
            let byID: Concept = try await server.reference("GetConcept", GetConceptRequest(id: read.id), key)
            #expect(byID == read)
            let children: ListConceptsResponse = try await server.reference(
                "ListConcepts",
                ListConceptsRequest(framework: "air", parent: ConceptKey(kind: .category, code: "a")),
                key
            )
            #expect(children.concepts.map(\.code) == ["b"] && children.concepts[0].parent?.code == "a")
        }
    }

    @Test("a release that comes again is identical, and going back is one call")
    func diffAndRollback() async throws {
        try await TestServer.with { server in
            let (_, key) = try await server.tenant("acme")
            let old = [Self.concept("a"), Self.concept("b"), Self.concept("c", parent: "a")]
            let one = try await server.importRelease(Self.release, old, [Self.related("a", "b")], key)
            var second = Self.release
            second.version = "2"
            let two = try await server.importRelease(second, old, [Self.related("a", "b")], key)
            #expect(
                two.diff?.identical == true && two.diff?.unchanged == 3 && two.diff?.baseReleaseID == one.release?.id
            )
            second.version = "3"
            var changed = Self.concept("c", parent: "d")
            changed.description = "new"
            let new = [Self.concept("a"), Self.concept("d"), changed]
            let three = try await server.importRelease(second, new, [Self.related("a", "d")], key)
            #expect(three.diff?.added == 1 && three.diff?.changed == 1 && three.diff?.retired == 1)
            #expect(three.diff?.unchanged == 1 && three.diff?.edgesAdded == 2 && three.diff?.edgesRemoved == 2)

            let compare = DiffReleasesRequest(
                baseReleaseID: two.release?.id ?? "",
                releaseID: three.release?.id ?? "",
                pageSize: 1
            )
            let changes = try await server.pages(
                1,
                of: { token in
                    var request = compare
                    request.pageToken = token
                    return try await server.reference("DiffReleases", request, key, as: DiffReleasesResponse.self)
                },
                rows: \.changes,
                next: \.nextPageToken
            )
            #expect(changes.map(\.code) == ["b", "d", "c"] && changes.map(\.change) == [.retired, .added, .changed])
            #expect(changes[2].changedFields == ["description", "parent"])

            let gone: Concept = try await server.reference(
                "GetConcept",
                GetConceptRequest(framework: "air", kind: .category, code: "b"),
                key
            )
            #expect(gone.retired && gone.releaseID == two.release?.id)
            let back: TrellisAPI.Release = try await server.reference(
                "ActivateRelease",
                ActivateReleaseRequest(id: one.release?.id ?? ""),
                key
            )
            #expect(back.state == .active)
            let again: Concept = try await server.reference("GetConcept", GetConceptRequest(id: gone.id), key)
            #expect(!again.retired && again.releaseID == one.release?.id && again.id == gone.id)
            let list: ListReleasesResponse = try await server.reference(
                "ListReleases",
                ListReleasesRequest(framework: "air"),
                key
            )
            #expect(list.releases.map(\.version) == ["1", "2", "3"])
            #expect(list.releases.map(\.state) == [.active, .superseded, .superseded])
        }
    }

    @Test("an import that fails at any point shows readers nothing, says what is wrong, and can go on")
    func failures() async throws {
        try await TestServer.with { server in
            let (_, key) = try await server.tenant("acme")
            _ = try await server.importRelease(Self.release, [Self.concept("old")], [], key)
            var second = Self.release
            second.version = "2"
            second.expectedConcepts = [KindCount(kind: .category, count: 2)]
            func send(_ request: ImportReleaseRequest) async throws -> ImportReleaseResponse {
                try await server.reference("ImportRelease", request, key)
            }
            func refused(_ request: ImportReleaseRequest) async throws -> RPCError {
                let error = await #expect(throws: RPCError.self) { try await send(request) }
                #expect(try await Self.names(server, key) == ["name of old"])
                return try #require(error)
            }
            let id = try #require(try await send(ImportReleaseRequest(release: second)).release?.id)
            #expect(try await refused(ImportReleaseRequest(release: second)).code == .alreadyExists)
            let twice = ImportReleaseRequest(releaseID: id, concepts: [Self.concept("a"), Self.concept("a")])
            #expect(try await refused(twice).fields == ["concepts[1]"])
            _ = try await send(
                ImportReleaseRequest(
                    releaseID: id,
                    concepts: [Self.concept("a"), Self.concept("c", parent: "b")],
                    edges: [Self.related("a", "nowhere"), Self.related("nobody", "a")]
                )
            )
            let again = ImportReleaseRequest(releaseID: id, concepts: [Self.concept("z"), Self.concept("a")])
            #expect(try await refused(again).fields == ["concepts[1]"])
            let edge = ImportReleaseRequest(releaseID: id, edges: [Self.related("a", "nowhere")])
            #expect(try await refused(edge).fields == ["edges[0]"])

            let invalid = try await refused(ImportReleaseRequest(releaseID: id, complete: true))
            #expect(invalid.code == .failedPrecondition && invalid.reason == "RELEASE_INVALID")
            for part in [
                "1 concepts of kind category where 2 are expected", "theme \"c\" (parent category \"b\")",
                "RELATED category \"a\" -> category \"nowhere\"", "RELATED category \"nobody\" -> category \"a\"",
            ] { #expect(invalid.message.contains(part), "\(invalid.message)") }
            let staging = await #expect(throws: RPCError.self) {
                try await server.reference(
                    "ActivateRelease",
                    ActivateReleaseRequest(id: id),
                    key,
                    as: TrellisAPI.Release.self
                )
            }
            #expect(staging?.reason == "RELEASE_NOT_COMPLETE")
            let unread = await #expect(throws: RPCError.self) {
                try await server.reference(
                    "ListConcepts",
                    ListConceptsRequest(releaseID: id),
                    key,
                    as: ListConceptsResponse.self
                )
            }
            #expect(unread?.reason == "RELEASE_NOT_COMPLETE")

            let abandoned: TrellisAPI.Release = try await server.reference(
                "AbandonRelease",
                AbandonReleaseRequest(id: id),
                key
            )
            #expect(abandoned.state == .abandoned)
            #expect(try await refused(ImportReleaseRequest(releaseID: id)).reason == "RELEASE_NOT_STAGING")
            let two = [Self.concept("a"), Self.concept("b"), Self.concept("c", parent: "b")]
            let anew = try await server.importRelease(second, two, [], key)
            #expect(anew.diff?.added == 3 && anew.diff?.retired == 1)
        }
    }

    @Test("what is dangling is kept and named where the importer says so, and checking changes nothing")
    func dangling() async throws {
        try await TestServer.with { server in
            let (_, key) = try await server.tenant("acme")
            var release = Self.release
            release.danglingPolicy = .keep
            let edges = [
                Self.related("a", "b"), Self.related("a", "nowhere"), Self.related("a", "x", framework: "water"),
            ]
            var begin = ImportReleaseRequest(release: release, concepts: [Self.concept("a")], edges: edges)
            begin.complete = true
            begin.validateOnly = true
            let checked: ImportReleaseResponse = try await server.reference("ImportRelease", begin, key)
            #expect(checked.release?.state == .staging && checked.diff?.added == 1)
            #expect(checked.danglingEdges.map { $0.target?.code } == ["b", "nowhere", "x"])
            let rest = ImportReleaseRequest(
                releaseID: checked.release?.id ?? "",
                concepts: [Self.concept("b")],
                complete: true
            )
            let done: ImportReleaseResponse = try await server.reference("ImportRelease", rest, key)
            #expect(done.release?.state == .active && done.release?.danglingEdgeCount == 2)
            #expect(done.danglingEdges.map { $0.target?.code } == ["nowhere", "x"])
            let listed: ListEdgesResponse = try await server.reference(
                "ListEdges",
                ListEdgesRequest(framework: "air", onlyDangling: true),
                key
            )
            #expect(listed.edges == done.danglingEdges && listed.edges[1].target?.framework == "water")
            let all = try await server.pages(
                1,
                of: { token in
                    try await server.reference(
                        "ListEdges",
                        ListEdgesRequest(framework: "air", pageSize: 1, pageToken: token),
                        key,
                        as: ListEdgesResponse.self
                    )
                },
                rows: \.edges,
                next: \.nextPageToken
            )
            #expect(all.map { $0.target?.code } == ["b", "nowhere", "x"])
        }
    }

    @Test("shared releases are read by every tenant and changed by none; a tenant's own are nobody else's")
    func tenants() async throws {
        try await TestServer.with { server in
            let (_, alpha) = try await server.tenant("alpha")
            let (_, beta) = try await server.tenant("beta")
            let shared = try await server.importRelease(Self.release, [Self.concept("s")], [], server.platformKey)
            #expect(shared.release?.shared == true)
            #expect(try await Self.names(server, alpha) == ["name of s"])
            let id = shared.release?.id ?? ""
            for (method, request) in [
                ("ImportRelease", ImportReleaseRequest(releaseID: id) as any Message),
                ("ActivateRelease", ActivateReleaseRequest(id: id)), ("AbandonRelease", AbandonReleaseRequest(id: id)),
            ] {
                let error = await #expect(throws: RPCError.self) { try await server.any(method, request, alpha) }
                #expect(error?.code == .notFound)
            }
            let own = try await server.importRelease(Self.release, [Self.concept("own")], [], alpha)
            #expect(try await Self.names(server, alpha) == ["name of own"])
            #expect(try await Self.names(server, beta) == ["name of s"])
            #expect(try await Self.names(server, server.platformKey) == ["name of s"])
            for (method, request) in [
                ("GetRelease", GetReleaseRequest(id: own.release?.id ?? "") as any Message),
                ("ListConcepts", ListConceptsRequest(releaseID: own.release?.id ?? "")),
                ("DiffReleases", DiffReleasesRequest(baseReleaseID: id, releaseID: own.release?.id ?? "")),
                ("ActivateRelease", ActivateReleaseRequest(id: own.release?.id ?? "")),
            ] {
                for key in [beta, server.platformKey] {
                    let error = await #expect(throws: RPCError.self) { try await server.any(method, request, key) }
                    #expect(error?.code == .notFound, "\(method)")
                }
            }
            let seen: ListReleasesResponse = try await server.reference("ListReleases", ListReleasesRequest(), beta)
            #expect(seen.releases.map(\.id) == [id])
        }
    }

    @Test("a walk reaches each concept once, nearest first, across frameworks, and its pages are one walk")
    func walks() async throws {
        try await TestServer.with { server in
            let (_, key) = try await server.tenant("acme")
            let water = TrellisAPI.Release(framework: "water", version: "1", title: "Water")
            _ = try await server.importRelease(water, [Self.concept("w"), Self.concept("v", parent: "w")], [], key)
            let concepts = [Self.concept("a"), Self.concept("b"), Self.concept("c"), Self.concept("t", parent: "a")]
            let edges = [
                Self.related("a", "b"), Self.related("b", "c"), Self.related("c", "a"),
                Self.related("c", "w", framework: "water"),
            ]
            _ = try await server.importRelease(Self.release, concepts, edges, key)
            let start = ConceptKey(framework: "air", kind: .category, code: "a")
            func walk(_ request: TraverseRequest) async throws -> [Visit] {
                let answer: TraverseResponse = try await server.reference("Traverse", request, key)
                return answer.visits
            }
            let near = try await walk(TraverseRequest(start: start))
            #expect(near.map { $0.concept?.code } == ["b", "t"] && near.map(\.viaKind) == [.related, .child])
            let whole = TraverseRequest(start: start, direction: .both, maxDepth: 10)
            let all = try await walk(whole)
            #expect(all.map { $0.concept?.code } == ["b", "c", "t", "w", "v"])
            #expect(all.map(\.depth) == [1, 1, 1, 2, 3] && all[3].concept?.framework == "water")
            #expect(all[3].via == ConceptKey(framework: "air", kind: .category, code: "c"))
            let incoming = TraverseRequest(
                start: ConceptKey(framework: "water", kind: .category, code: "w"),
                edgeKinds: [.related],
                direction: .incoming,
                maxDepth: 2
            )
            #expect(try await walk(incoming).map { $0.concept?.code } == ["c", "b"])
            var themes = whole
            themes.conceptKinds = [.theme]
            #expect(try await walk(themes).map { $0.concept?.code } == ["t", "v"])
            let paged = try await server.pages(
                2,
                of: { token in
                    var request = whole
                    (request.pageSize, request.pageToken) = (2, token)
                    return try await server.reference("Traverse", request, key, as: TraverseResponse.self)
                },
                rows: \.visits,
                next: \.nextPageToken
            )
            #expect(paged == all)
            var nowhere = whole
            nowhere.start?.code = "nowhere"
            let error = await #expect(throws: RPCError.self) { try await walk(nowhere) }
            #expect(error?.code == .notFound)
        }
    }
}

extension TestServer {
    /// Calls a method of ReferenceService of which only the error matters; WhoAmIRequest has no fields.
    fileprivate func any(_ method: String, _ request: any Message, _ key: String) async throws {
        _ = try await reference(method, request, key, as: WhoAmIRequest.self)
    }
}
