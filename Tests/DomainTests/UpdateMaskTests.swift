import Domain
import Primitives
import Protobuf
import Testing

@Suite("Update masks, etags, ids")
struct UpdateMaskTests {
    static func mask(_ paths: [String]?) throws -> UpdateMask {
        try UpdateMask(paths, fields: ["display_name": true, "description": false, "time_zone": true])
    }

    static func set(_ mask: UpdateMask) -> [String] {
        ["display_name", "description", "time_zone"].filter(mask.contains)
    }

    @Test("no mask sets what is filled; a star sets all; paths set what they name, filled or not")
    func masks() throws {
        #expect(Self.set(try Self.mask(nil)) == ["display_name", "time_zone"])
        #expect(Self.set(try Self.mask([])) == ["display_name", "time_zone"])
        #expect(Self.set(try Self.mask(["*"])) == ["display_name", "description", "time_zone"])
        #expect(Self.set(try Self.mask(["description"])) == ["description"])
    }

    @Test("a path that is no field is named", arguments: ["id", "etag", "Description", "time_zone.x", "*", ""])
    func unknown(path: String) throws {
        let error = #expect(throws: DomainError.self) { try Self.mask(["description", path]) }
        guard case .invalid(let violations) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(violations.map(\.field) == ["update_mask.paths[1]"])
    }

    @Test("an etag that is not given is not checked, one that is must be the current one")
    func etags() throws {
        try Etag.check("", current: "7", resource: "site", id: "x")
        try Etag.check("7", current: "7", resource: "site", id: "x")
        #expect(throws: DomainError.etagMismatch(resource: "site", id: "x")) {
            try Etag.check("6", current: "7", resource: "site", id: "x")
        }
    }

    @Test("an id that is no UUID is an error of its field")
    func ids() throws {
        let id = UUID.v7()
        #expect(try UUID(id.text.uppercased(), field: "id") == id)
        #expect(try UUID.optional("", field: "user_id") == nil)
        let error = #expect(throws: DomainError.self) { try UUID("{\(id.text)}", field: "site_id") }
        guard case .invalid(let violations) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(violations.map(\.field) == ["site_id"])
        #expect(id.bytes.count == 16)
    }
}
