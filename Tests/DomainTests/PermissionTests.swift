import Domain
import Protobuf
import Testing

@Suite("Permissions")
struct PermissionTests {
    static let catalogue = PermissionCatalogue([
        (permission: "tenancy.sites.read", tenant: true, platform: false),
        (permission: "tenancy.sites.write", tenant: true, platform: false),
        (permission: "tenancy.tenants.write", tenant: false, platform: true),
        (permission: "search.documents.read", tenant: true, platform: false),
        (permission: "reference.releases.write", tenant: true, platform: true),
        (permission: "", tenant: true, platform: true),
    ])

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
}
