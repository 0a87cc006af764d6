import Domain
import Primitives
import Protobuf
import Tenancy
import Testing
import TrellisAPI

@Suite("Pages")
struct PageTests {
    static let key = SealingKey.random()
    static let alpha = scope(tenant: .v7())
    static let beta = scope(tenant: .v7())
    static let method = "trellis.tenancy.v1.TenancyService/ListSites"

    static func scope(tenant: UUID) -> Scope {
        Scope(tenant: tenant, actor: .service(key: .v7()), grants: Grants(tenant: PermissionSet(["*"])))
    }

    static func page(
        _ request: ListSitesRequest,
        method: String = method,
        scope: Scope = alpha,
        order: String = "",
        key: SealingKey = key
    ) throws -> Page {
        try Page(request, method: method, scope: scope, order: order, key: key)
    }

    @Test("the size is 50 when nothing is said, and never above 1,000")
    func sizes() throws {
        #expect(try Self.page(ListSitesRequest()).size == 50)
        #expect(try Self.page(ListSitesRequest(pageSize: 7)).size == 7)
        #expect(try Self.page(ListSitesRequest(pageSize: 5000)).size == 1000)
        #expect(throws: DomainError.invalid("page_size", "-1 is negative; 0 means 50")) {
            try Self.page(ListSitesRequest(pageSize: -1))
        }
    }

    @Test("a token leads to the row after the last one, whatever the size of the next page")
    func tokens() throws {
        let ids = (0..<5).map { _ in UUID.v7() }.sorted()
        let first = try Self.page(ListSitesRequest(pageSize: 2))
        #expect(try first.after == .zero && first.count == 3)
        let (rows, next) = first.cut(Array(ids[..<3])) { $0.text }
        #expect(rows == Array(ids[..<2]))
        let second = try Self.page(ListSitesRequest(pageSize: 100, pageToken: next))
        #expect(try second.after == ids[1])
        let (rest, end) = second.cut(Array(ids[2...])) { $0.text }
        #expect(rest == Array(ids[2...]))
        #expect(end.isEmpty)
    }

    @Test("a page that is exactly full is the last")
    func exact() throws {
        let page = try Self.page(ListSitesRequest(pageSize: 2))
        #expect(page.cut([UUID.v7(), .v7()]) { $0.text }.next.isEmpty)
    }

    @Test("a token is worth nothing to another tenant, method, order or server key, nor when a bit is changed")
    func bound() throws {
        let token = try Self.page(ListSitesRequest()).token(at: UUID.v7().bytes)
        let request = ListSitesRequest(pageToken: token)
        _ = try Self.page(request)
        #expect(throws: DomainError.self) { try Self.page(request, scope: Self.beta) }
        #expect(throws: DomainError.self) { try Self.page(request, method: Self.method + "s") }
        #expect(throws: DomainError.self) { try Self.page(request, order: "name") }
        #expect(throws: DomainError.self) { try Self.page(request, key: .random()) }
        let bytes = try #require(Base64.decode(token))
        for index in bytes.indices {
            var changed = bytes
            changed[index] ^= 1 << UInt8.random(in: 0...7)
            let tampered = ListSitesRequest(pageToken: Base64.encodeURL(changed))
            let error = #expect(throws: DomainError.self) { try Self.page(tampered) }
            guard case .invalid(let violations) = error else { continue }
            #expect(violations.map(\.field) == ["page_token"])
        }
        for text in ["", "x", "!!!!", String(repeating: "A", count: 2000)] where !text.isEmpty {
            #expect(throws: DomainError.self) { try Self.page(ListSitesRequest(pageToken: text)) }
        }
    }

    @Test("a token is bound to the filters it was made with")
    func filters() throws {
        func page(_ request: ListApiKeysRequest) throws -> Page {
            try Page(request, method: "m", scope: Self.alpha, key: Self.key)
        }
        let token = try page(ListApiKeysRequest(showRevoked: true)).token(at: UUID.v7().bytes)
        _ = try page(ListApiKeysRequest(showRevoked: true, pageSize: 3, pageToken: token))
        #expect(throws: DomainError.self) { try page(ListApiKeysRequest(pageToken: token)) }
    }
}
