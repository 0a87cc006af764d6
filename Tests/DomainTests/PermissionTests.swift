import Domain
import Primitives
import Protobuf
import Testing
import TrellisAPI

@Suite("Permissions")
struct PermissionTests {
    static let catalogue = PermissionCatalogue(
        [
            declared("tenancy.sites.read", .member), declared("tenancy.sites.write", .manager),
            declared("tenancy.tenants.write", .unspecified), declared("search.documents.read", .member),
            declared("reference.releases.write", .admin),
        ],
        platform: ["tenancy.tenants.write", "reference.releases.write"]
    )

    private static func declared(_ name: String, _ least: SystemRole) -> PermissionDeclaration {
        PermissionDeclaration(name: name, description: "what \(name) allows", leastRole: least)
    }

    @Test("a pattern grants what it names and nothing else")
    func contains() {
        let set = PermissionSet(["tenancy.sites.read", "search.*"])
        #expect(set.contains("tenancy.sites.read"))
        #expect(set.contains("search.documents.read"))
        #expect(!set.contains("tenancy.sites.write"))
        #expect(!set.contains("searching.documents.read"))
        #expect(!set.contains("search"))
        #expect(PermissionSet(["*"]).contains("anything.at.all"))
        #expect(!PermissionSet([]).contains("tenancy.sites.read"))
    }

    @Test("holding every permission of an area is not holding the area: the next one would come with it")
    func coversOnlyWhatCannotGrow() {
        let both = PermissionSet(["tenancy.sites.read", "tenancy.sites.write"])
        #expect(both.covers("tenancy.sites.read"))
        #expect(!both.covers("tenancy.*"))
        #expect(!both.covers("*"))
        let area = PermissionSet(["tenancy.*"])
        #expect(area.covers("tenancy.*"))
        #expect(area.covers("tenancy.sites.write"))
        #expect(!area.covers("search.*"))
        #expect(!area.covers("*"))
        #expect(PermissionSet(["*"]).covers("*"))
    }

    @Test("the catalogue tells permissions of tenants from those of the platform")
    func expand() {
        #expect(
            Self.catalogue.expand(PermissionSet(["*"]), platform: false) == [
                "reference.releases.write", "search.documents.read", "tenancy.sites.read", "tenancy.sites.write",
            ]
        )
        #expect(
            Self.catalogue.expand(PermissionSet(["*"]), platform: true) == [
                "reference.releases.write", "tenancy.tenants.write",
            ]
        )
    }

    @Test("a permission that does not exist for tenants cannot be given away")
    func unknown() throws {
        try Self.catalogue.check(["*", "search.*", "tenancy.sites.read"], field: "permissions")
        for pattern in ["tenancy.tenants.write", "nowhere.*", "tenancy.*.read", "", "tenancy.sites", "platform.*"] {
            let error = #expect(throws: DomainError.self) {
                try Self.catalogue.check(["*", pattern], field: "permissions")
            }
            guard case .invalid(let violations) = error else {
                Issue.record("\(pattern): \(String(describing: error))")
                continue
            }
            #expect(violations.map(\.field) == ["permissions[1]"])
        }
    }

    @Test("each system role holds what those below it hold, and the owner what comes later, too")
    func systemRoles() {
        let catalogue = Self.catalogue
        func held(_ role: SystemRole) -> [String] {
            catalogue.expand(catalogue.permissions(of: role), platform: false)
        }
        #expect(held(.member) == ["search.documents.read", "tenancy.sites.read"])
        #expect(held(.manager) == held(.member) + ["tenancy.sites.write"])
        #expect(held(.admin) == ["reference.releases.write"] + held(.manager))
        #expect(held(.owner) == catalogue.tenant)
        #expect(catalogue.permissions(of: .owner).covers("*") && !catalogue.permissions(of: .admin).covers("*"))
        #expect(catalogue.systemRoles(holding: "tenancy.sites.write") == [.manager, .admin, .owner])
        #expect(catalogue.systemRoles(holding: "tenancy.tenants.write") == [])
    }

    @Test(
        "an intersection grants what both grant, a union what either does",
        arguments: [
            (["*"], ["tenancy.*"]), (["tenancy.*"], ["tenancy.sites.read", "search.documents.read"]),
            (["tenancy.sites.read"], ["tenancy.sites.write"]), (["search.*", "tenancy.sites.read"], ["tenancy.*"]),
            ([], ["*"]),
        ]
    )
    func algebra(_ left: [String], _ right: [String]) {
        let (one, other) = (PermissionSet(left), PermissionSet(right))
        for name in Self.catalogue.tenant {
            let both = one.contains(name) && other.contains(name)
            #expect(one.intersection(other).contains(name) == both && other.intersection(one).contains(name) == both)
            #expect(one.union(other).contains(name) == (one.contains(name) || other.contains(name)))
        }
        #expect(one.intersection(other).covers("*") == (one.covers("*") && other.covers("*")))
    }

    @Test("roles on the tenant hold on all sites, those on a site there alone; a key leaves no more than both grant")
    func grants() {
        let (site, other) = (UUID.v7(), UUID.v7())
        let rows = [
            UserGrant(role: "member", siteID: .zero, createTime: .now()),
            UserGrant(role: "manager", siteID: site, createTime: .now()),
            UserGrant(role: "importer", siteID: other, createTime: .now(), permissions: ["reference.*"]),
        ]
        let grants = Self.catalogue.grants(rows)
        #expect(grants.holds("tenancy.sites.read", site: nil) && grants.holds("tenancy.sites.read", site: other))
        #expect(grants.holds("tenancy.sites.write", site: site))
        #expect(!grants.holds("tenancy.sites.write", site: other) && !grants.holds("tenancy.sites.write", site: nil))
        #expect(grants.covers("reference.*", site: other) && !grants.covers("reference.*", site: site))
        let limited = grants.limited(to: PermissionSet(["tenancy.sites.write"]))
        #expect(limited.holds("tenancy.sites.write", site: site) && !limited.holds("tenancy.sites.read", site: site))
        #expect(limited.sites[other] == nil)
    }
}
