import Primitives
import Protobuf
import RPC
import TestSupport
import Testing
import TrellisAPI

/// Users and invitations, and what is personal about them.
@Suite("People")
struct PeopleTests {
    @Test(
        "personal data is in no table in clear, is masked for whom the permission is missing, and read by whom it is not"
    )
    func personalData() async throws {
        try await TestServer.with { server in
            let (_, root) = try await server.tenant("acme")
            let request = CreateUserRequest(email: "Quetzalcoatl@example.org", displayName: "Quetzal Coatl")
            let user: User = try await server.call("CreateUser", request, root)
            #expect(user.email == "Quetzalcoatl@example.org" && user.state == .active && !user.signsIn)
            let (_, member) = try await server.user("mia", roles: [("member", "")], root)
            let masked: User = try await server.call("GetUser", GetUserRequest(id: user.id), member)
            #expect(masked.email == "Q…@example.org" && masked.displayName == "Q…")
            let search = await RolesTests.refusal {
                let request = ListUsersRequest(email: "quetzalcoatl@example.org")
                return try await server.call("ListUsers", request, member, as: ListUsersResponse.self)
            }
            #expect(search?.code == .permissionDenied)
            let found: ListUsersResponse = try await server.call(
                "ListUsers",
                ListUsersRequest(email: "quetzalCOATL@example.org"),
                root
            )
            #expect(found.users == [user])
            // bytea is shown in hexadecimal: the text must not hide there either.
            let hidden = Hex.encode("Quetzal".utf8)
            try await server.database.execute(
                """
                DO $$ BEGIN
                    IF (SELECT count(*) FROM trellis.tenant_user) <> 2 THEN RAISE EXCEPTION 'the users are missing'; END IF;
                    IF EXISTS (
                        SELECT FROM trellis.tenant_user t WHERE t::text ILIKE '%quetzal%' OR t::text ILIKE '%\(hidden)%'
                    ) THEN RAISE EXCEPTION 'it is there in clear'; END IF;
                END $$
                """
            )
        }
    }

    @Test("an address belongs to one user of a tenant, whatever its case, and to another of another tenant")
    func uniqueness() async throws {
        try await TestServer.with { server in
            let (_, root) = try await server.tenant("acme")
            let (_, other) = try await server.tenant("other")
            let request = CreateUserRequest(email: "ana@example.com", displayName: "Ana")
            let ana: User = try await server.call("CreateUser", request, root)
            let again = await RolesTests.refusal {
                let request = CreateUserRequest(email: "ANA@example.com", displayName: "Ana")
                return try await server.call("CreateUser", request, root, as: User.self)
            }
            #expect(again?.code == .alreadyExists)
            _ = try await server.call("CreateUser", request, other, as: User.self)
            let ben: User = try await server.call(
                "CreateUser",
                CreateUserRequest(email: "ben@example.com", displayName: "Ben"),
                root
            )
            let stolen = await RolesTests.refusal {
                let request = UpdateUserRequest(id: ben.id, email: "Ana@example.com")
                return try await server.call("UpdateUser", request, root, as: User.self)
            }
            #expect(stolen?.code == .alreadyExists)
            let renamed: User = try await server.call(
                "UpdateUser",
                UpdateUserRequest(id: ana.id, displayName: "Anna", etag: ana.etag),
                root
            )
            #expect(renamed.displayName == "Anna" && renamed.email == ana.email && renamed.etag != ana.etag)
            let stale = await RolesTests.refusal {
                let request = UpdateUserRequest(id: ana.id, displayName: "Anne", etag: ana.etag)
                return try await server.call("UpdateUser", request, root, as: User.self)
            }
            #expect(stale?.code == .aborted)
        }
    }

    @Test("a user who is deleted can be restored, and their key lets nobody in meanwhile")
    func deletion() async throws {
        try await TestServer.with { server in
            let (_, root) = try await server.tenant("acme")
            let (user, key) = try await server.user("mia", roles: [("member", "")], root)
            let deleted: User = try await server.call("DeleteUser", DeleteUserRequest(id: user.id), root)
            let (gone, purged) = (try #require(deleted.deleteTime), try #require(deleted.purgeTime))
            #expect(purged.seconds - gone.seconds == 30 * 86_400)
            let list: ListUsersResponse = try await server.call("ListUsers", ListUsersRequest(), root)
            #expect(list.users.isEmpty)
            let all: ListUsersResponse = try await server.call("ListUsers", ListUsersRequest(showDeleted: true), root)
            #expect(all.users == [deleted])
            let change = await RolesTests.refusal {
                let request = UpdateUserRequest(id: user.id, displayName: "x")
                return try await server.call("UpdateUser", request, root, as: User.self)
            }
            #expect(change?.reason == "USER_DELETED")
            let refused = await RolesTests.refusal {
                try await server.call("WhoAmI", WhoAmIRequest(), key, as: WhoAmIResponse.self)
            }
            #expect(refused?.reason == "CREDENTIAL_REFUSED")
            let restored: User = try await server.call("UndeleteUser", UndeleteUserRequest(id: user.id), root)
            #expect(restored.deleteTime == nil && restored.displayName == user.displayName)
            let who: WhoAmIResponse = try await server.call("WhoAmI", WhoAmIRequest(), key)
            #expect(who.user == restored)
        }
    }

    @Test(
        "an invitation: its token is shown once, a new one replaces it, and it gives away nothing its maker does not hold"
    )
    func invitations() async throws {
        try await TestServer.with { server in
            let (_, root) = try await server.tenant("acme")
            let (_, admin) = try await server.user("adam", roles: [("admin", "")], root)
            func invite(_ role: String, _ key: String) async throws -> Invitation {
                let roles = [RoleGrant(role: role)]
                let request = InviteUserRequest(email: "eve@example.com", displayName: "Eve", roles: roles)
                return try await server.call("InviteUser", request, key)
            }
            let first = try await invite("member", admin)
            #expect(first.token.hasPrefix("tri_") && first.email == "eve@example.com")
            let second = try await invite("manager", admin)
            #expect(second.token != first.token)
            let list: ListInvitationsResponse = try await server.call(
                "ListInvitations",
                ListInvitationsRequest(),
                admin
            )
            #expect(list.invitations.map(\.id) == [second.id] && list.invitations[0].token.isEmpty)
            #expect(list.invitations[0].roles == [RoleGrant(role: "manager")])
            let greater = await RolesTests.refusal { try await invite("owner", admin) }
            #expect(greater?.reason == "PERMISSION_ESCALATION")
            let nothing = await RolesTests.refusal { try await invite("nobody", admin) }
            #expect(nothing?.code == .notFound)
            let revoked: Invitation = try await server.call(
                "RevokeInvitation",
                RevokeInvitationRequest(id: second.id),
                admin
            )
            #expect(revoked.revokeTime != nil)
            let none: ListInvitationsResponse = try await server.call(
                "ListInvitations",
                ListInvitationsRequest(),
                admin
            )
            #expect(none.invitations.isEmpty)
        }
    }
}
