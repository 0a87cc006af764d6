import Credentials
import Domain
import Foundation
import Postgres
import Primitives
import RPC
import RPCClient
import TestSupport
import Testing
import TrellisAPI

@testable import TrellisServer

@Suite("Signing in")
struct CredentialStoryTests {
    @Test("somebody is invited, accepts, signs in, calls, refreshes, and signs out")
    func story() async throws {
        try await TestServer.with { server in
            let (tenant, admin) = try await server.tenant("acme")
            let invitation: Invitation = try await server.call(
                "InviteUser",
                InviteUserRequest(email: "Ana@example.com", displayName: "Ana", roles: [RoleGrant(role: "manager")]),
                admin
            )
            let accept = AcceptInvitationRequest(
                token: invitation.token,
                password: TestServer.password,
                displayName: "Ana Torres",
                requestID: "accept-1"
            )
            let joined: SessionTokens = try await server.sign("AcceptInvitation", accept)
            let who = try await server.whoAmI(joined.accessToken)
            #expect(who.kind == .user && who.tenant == tenant && who.apiKey == nil)
            #expect(who.user?.email == "Ana@example.com" && who.user?.displayName == "Ana Torres")
            #expect(who.user?.signsIn == true && who.user?.id == invitation.userID)
            #expect(who.permissions.contains("tenancy.sites.write"))
            #expect(!who.permissions.contains("tenancy.users.write"))
            #expect(who.session == joined.session && who.session?.current == true)
            #expect(who.session?.address == "127.0.0.1")

            // A retry is answered again; another acceptance is not.
            let again: SessionTokens = try await server.sign("AcceptInvitation", accept)
            #expect(again == joined)
            let second = AcceptInvitationRequest(token: invitation.token, password: TestServer.password)
            #expect(await server.refusal("AcceptInvitation", second)?.reason == "INVITATION_INVALID")

            let answer: SignInResponse = try await server.sign(
                "SignIn",
                SignInRequest(email: "ANA@example.com", password: TestServer.password)
            )
            let tokens = try #require(answer.tokens)
            #expect(answer.memberships.isEmpty && tokens.session?.id != joined.session?.id)
            let site: Site = try await server.call(
                "CreateSite",
                CreateSiteRequest(displayName: "Lima"),
                tokens.accessToken
            )
            #expect(site.displayName == "Lima")

            let refresh = RefreshSessionRequest(refreshToken: tokens.refreshToken, requestID: "refresh-1")
            let next: SessionTokens = try await server.sign("RefreshSession", refresh)
            #expect(next.session?.id == tokens.session?.id && next.refreshToken != tokens.refreshToken)
            #expect(try await server.whoAmI(next.accessToken).session?.id == tokens.session?.id)
            #expect(try await server.sign("RefreshSession", refresh, as: SessionTokens.self) == next)

            let sessions: ListSessionsResponse = try await server.sign(
                "ListSessions",
                ListSessionsRequest(),
                next.accessToken
            )
            #expect(sessions.sessions.map(\.id) == [joined.session?.id, tokens.session?.id])
            #expect(sessions.sessions.map(\.current) == [false, true])

            let ended: Session = try await server.sign("SignOut", SignOutRequest(), next.accessToken)
            #expect(ended.id == tokens.session?.id && ended.revokeTime != nil)
            #expect(await server.isRefused(next.accessToken))
            #expect(await server.isRefused(tokens.accessToken))
            let late = RefreshSessionRequest(refreshToken: next.refreshToken)
            #expect(await server.refusal("RefreshSession", late)?.reason == "REFRESH_TOKEN_REFUSED")
            // The other session goes on.
            #expect(await server.reason(joined.accessToken) == nil)
            let told = try await server.audited(tenant.id)
            #expect(
                told == [
                    "IssueTenantKey", "InviteUser", "AcceptInvitation", "SignIn", "CreateSite", "RefreshSession",
                    "SignOut",
                ]
            )
        }
    }

    @Test("somebody is erased with the last user that they sign in as, and not before")
    func erasure() async throws {
        try await TestServer.with { server in
            var users: [(user: String, admin: String)] = []
            for slug in ["acme", "zenith"] {
                let (_, admin) = try await server.tenant(slug)
                let invite = InviteUserRequest(
                    email: "ana@example.com",
                    displayName: "Ana",
                    roles: [RoleGrant(role: "member")]
                )
                let invitation: Invitation = try await server.call("InviteUser", invite, admin)
                let accept = AcceptInvitationRequest(token: invitation.token, password: TestServer.password)
                _ = try await server.sign("AcceptInvitation", accept, as: SessionTokens.self)
                users.append((invitation.userID, admin))
            }
            func people() async throws -> [String] {
                try await server.rows("SELECT person_id::text FROM trellis.person")
            }
            _ = try await server.erase(.user, users[0].user, users[0].admin)
            #expect(try await people().count == 1)
            let still = SignInRequest(email: "ana@example.com", password: TestServer.password)
            #expect(try await server.sign("SignIn", still, as: SignInResponse.self).tokens != nil)
            _ = try await server.erase(.user, users[1].user, users[1].admin)
            #expect(try await people().isEmpty)
            #expect(await server.refusal("SignIn", still)?.reason == "SIGN_IN_REFUSED")
            #expect(try await server.columns(holding: ["ana@example.com"]) == "")
        }
    }

    @Test("a refresh token that comes a second time ends the session, and leaves an event; a retry does not")
    func reuse() async throws {
        try await TestServer.with { server in
            let (tenant, admin) = try await server.tenant("acme")
            let stolen = try await server.join("ana@example.com", admin)
            let request = RefreshSessionRequest(refreshToken: stolen.refreshToken)
            let honest: SessionTokens = try await server.sign("RefreshSession", request)
            #expect(await server.reason(honest.accessToken) == nil)
            let thief = await server.refusal("RefreshSession", request)
            #expect(thief?.code == .unauthenticated && thief?.reason == "REFRESH_TOKEN_REFUSED")
            #expect(await server.isRefused(honest.accessToken))
            let next = RefreshSessionRequest(refreshToken: honest.refreshToken)
            #expect(await server.refusal("RefreshSession", next)?.reason == "REFRESH_TOKEN_REFUSED")
            #expect(try await server.audited(tenant.id).suffix(2) == ["RefreshSession", "RefreshSession refused"])
            for wrong in ["", "trr_xyz", String(honest.refreshToken.dropLast()), honest.accessToken] {
                let refused = await server.refusal("RefreshSession", RefreshSessionRequest(refreshToken: wrong))
                #expect(refused?.code == (wrong.isEmpty || wrong.count > 200 ? .invalidArgument : .unauthenticated))
            }
        }
    }

    @Test("of many who exchange one refresh token, one is answered, and the session is over")
    func race() async throws {
        try await TestServer.with { server in
            let (_, admin) = try await server.tenant("acme")
            let tokens = try await server.join("ana@example.com", admin)
            let request = RefreshSessionRequest(refreshToken: tokens.refreshToken)
            let answered = await withTaskGroup(of: SessionTokens?.self) { tasks in
                for _ in 0..<8 { tasks.addTask { try? await server.sign("RefreshSession", request) } }
                return await tasks.reduce(into: [SessionTokens]()) { if let tokens = $1 { $0.append(tokens) } }
            }
            #expect(answered.count == 1)
            #expect(await server.isRefused(answered.first?.accessToken ?? ""))
        }
    }

    @Test("one person in two tenants says to which, and has in each what they are there")
    func twoTenants() async throws {
        try await TestServer.with { server in
            let (alpha, alphaKey) = try await server.tenant("alpha")
            let (beta, betaKey) = try await server.tenant("beta")
            let owner = try await server.join("ana@example.com", role: "owner", alphaKey)
            // The address is known: a password of one's own choice does not do, whoever has the invitation.
            let invitation: Invitation = try await server.call(
                "InviteUser",
                InviteUserRequest(email: "ANA@example.com", displayName: "Ana", roles: [RoleGrant(role: "member")]),
                betaKey
            )
            let foreign = AcceptInvitationRequest(token: invitation.token, password: "another password of theirs")
            let refused = await server.refusal("AcceptInvitation", foreign)
            #expect(refused?.code == .unauthenticated && refused?.reason == "SIGN_IN_REFUSED")
            #expect(try await server.audited(beta.id).last == "AcceptInvitation refused")
            let member: SessionTokens = try await server.sign(
                "AcceptInvitation",
                AcceptInvitationRequest(token: invitation.token, password: TestServer.password)
            )
            #expect(try await server.whoAmI(owner.accessToken).tenant == alpha)
            let there = try await server.whoAmI(member.accessToken)
            #expect(there.tenant == beta && !there.permissions.contains("tenancy.users.write"))

            var request = SignInRequest(email: "ana@example.com", password: TestServer.password)
            let choice: SignInResponse = try await server.sign("SignIn", request)
            #expect(choice.tokens == nil)
            #expect(choice.memberships.map(\.slug) == ["alpha", "beta"])
            for (tenant, meant) in [(alpha, alpha.slug), (beta, beta.slug), (beta, beta.id)] {
                request.tenant = meant
                let answer: SignInResponse = try await server.sign("SignIn", request)
                #expect(try await server.whoAmI(answer.tokens?.accessToken ?? "").tenant == tenant)
            }
            request.tenant = "gamma"
            let none = await server.refusal("SignIn", request)
            #expect(none?.code == .failedPrecondition && none?.reason == "NO_MEMBERSHIP")

            // An administrator of one tenant gets no hold of what the person may do in the other.
            let reset = IssuePasswordResetRequest(userID: owner.session?.userID ?? "")
            #expect(await server.refusal("IssuePasswordReset", reset, alphaKey)?.reason == "PERSON_OF_SEVERAL_TENANTS")

            let everywhere: SignOutEverywhereResponse = try await server.sign(
                "SignOutEverywhere",
                SignOutEverywhereRequest(),
                owner.accessToken
            )
            #expect(everywhere.revokedSessions == 5)
            // Each tenant is told what has become of its sessions, and nothing of the other's.
            let list = ListAuditEventsRequest(method: "trellis.tenancy.v1.CredentialService/SignOutEverywhere")
            let here = try #require(try await server.events(alphaKey, list).first)
            #expect(here.actor?.principalID == owner.session?.id && here.actor?.userID == owner.session?.userID)
            #expect(here.targets.contains("session/\(owner.session?.id ?? "")"))
            let elsewhere = try #require(try await server.events(betaKey, list).first)
            #expect(elsewhere.actor == AuditActor(kind: "user", userID: member.session?.userID ?? ""))
            #expect(
                elsewhere.targets.contains("session/\(member.session?.id ?? "")") && elsewhere.callID == here.callID
            )
            #expect(Set(here.targets).isDisjoint(with: elsewhere.targets))
            #expect(await server.isRefused(owner.accessToken))
            #expect(await server.isRefused(member.accessToken))
        }
    }

    @Test("a new password ends all other sessions, and the old one is of no use")
    func changePassword() async throws {
        try await TestServer.with { server in
            let (_, admin) = try await server.tenant("acme")
            let mine = try await server.join("ana@example.com", admin)
            let signIn = SignInRequest(email: "ana@example.com", password: TestServer.password)
            let other: SignInResponse = try await server.sign("SignIn", signIn)
            let otherToken = other.tokens?.accessToken ?? ""
            // Another server lets it in, too, and remembers it.
            let second = try await server.second()
            #expect(await server.reason(otherToken) == nil)
            #expect(await second.reason(otherToken) == nil)

            var change = ChangePasswordRequest(
                oldPassword: "not the password",
                newPassword: "five other words of mine",
                requestID: "change-1"
            )
            #expect(await server.refusal("ChangePassword", change, mine.accessToken)?.fields == ["old_password"])
            change.oldPassword = TestServer.password
            change.newPassword = "ana@example.com"
            #expect(await server.refusal("ChangePassword", change, mine.accessToken)?.fields == ["new_password"])
            change.newPassword = "too short"
            #expect(await server.refusal("ChangePassword", change, mine.accessToken)?.fields == ["new_password"])
            change.newPassword = "five other words of mine"
            let changed: ChangePasswordResponse = try await server.sign("ChangePassword", change, mine.accessToken)
            #expect(changed.revokedSessions == 1)
            #expect(await second.isRefused(otherToken))
            await second.stop()
            // The retry finds the answer, although the old password is old now.
            #expect(
                try await server.sign("ChangePassword", change, mine.accessToken, as: ChangePasswordResponse.self)
                    == changed
            )
            change.requestID = "change-2"
            #expect(await server.refusal("ChangePassword", change, mine.accessToken)?.fields == ["old_password"])

            #expect(await server.isRefused(otherToken))
            #expect(await server.reason(mine.accessToken) == nil)
            #expect(await server.refusal("SignIn", signIn)?.reason == "SIGN_IN_REFUSED")
            let fresh = SignInRequest(email: "ana@example.com", password: "five other words of mine")
            #expect(await server.refusal("SignIn", fresh) == nil)
            let key = await server.refusal("ChangePassword", change, admin)
            #expect(key?.code == .failedPrecondition && key?.reason == "NO_SESSION")
        }
    }

    @Test("who is suspended or deleted is not let in, and signs in nowhere; who is resumed is")
    func suspended() async throws {
        try await TestServer.with { server in
            let (_, admin) = try await server.tenant("acme")
            let tokens = try await server.join("ana@example.com", role: "member", admin)
            let user = tokens.session?.userID ?? ""
            #expect(await server.reason(tokens.accessToken) == nil)
            _ = try await server.call("SuspendUser", SuspendUserRequest(id: user), admin, as: User.self)
            #expect(await server.isRefused(tokens.accessToken))
            let refresh = RefreshSessionRequest(refreshToken: tokens.refreshToken)
            #expect(await server.refusal("RefreshSession", refresh)?.reason == "REFRESH_TOKEN_REFUSED")
            let signIn = SignInRequest(email: "ana@example.com", password: TestServer.password)
            #expect(await server.refusal("SignIn", signIn)?.reason == "NO_MEMBERSHIP")
            _ = try await server.call("ResumeUser", ResumeUserRequest(id: user), admin, as: User.self)
            #expect(await server.refusal("SignIn", signIn) == nil)
            _ = try await server.call("DeleteUser", DeleteUserRequest(id: user), admin, as: User.self)
            #expect(await server.refusal("SignIn", signIn)?.reason == "NO_MEMBERSHIP")
        }
    }

    @Test("sessions of others are seen and ended by who may, and are not there for anybody else")
    func sessionsOfOthers() async throws {
        try await TestServer.with { server in
            let (_, admin) = try await server.tenant("acme")
            let (_, stranger) = try await server.tenant("other")
            let ana = try await server.join("ana@example.com", role: "owner", admin)
            let ben = try await server.join("ben@example.com", role: "member", admin)
            let list = ListSessionsRequest(userID: ana.session?.userID ?? "")
            let seen: ListSessionsResponse = try await server.sign("ListSessions", list, ben.accessToken)
            // A member reads users, but not what is personal about them.
            #expect(seen.sessions.map(\.id) == [ana.session?.id] && seen.sessions[0].address.isEmpty)
            let whole: ListSessionsResponse = try await server.sign("ListSessions", list, admin)
            #expect(whole.sessions[0].address == "127.0.0.1")
            let end = RevokeSessionRequest(id: ana.session?.id ?? "")
            for other in [ben.accessToken, stranger] {
                #expect(await server.refusal("RevokeSession", end, other)?.code == .notFound)
            }
            #expect(await server.reason(ana.accessToken) == nil)
            let ended: Session = try await server.sign("RevokeSession", end, admin)
            #expect(ended.revokeTime != nil)
            #expect(await server.isRefused(ana.accessToken))
        }
    }

    @Test("a lost password is replaced with a token that an administrator hands over, once")
    func issuedReset() async throws {
        try await TestServer.with { server in
            let (_, admin) = try await server.tenant("acme")
            let owner = try await server.join("ana@example.com", role: "owner", admin)
            let ben = try await server.join("ben@example.com", role: "admin", admin)
            let ask = RequestPasswordResetRequest(email: "ana@example.com")
            #expect(await server.refusal("RequestPasswordReset", ask)?.reason == "NO_DELIVERY")
            // Whoever chooses the owner's password is the owner.
            let up = IssuePasswordResetRequest(userID: owner.session?.userID ?? "")
            #expect(await server.refusal("IssuePasswordReset", up, ben.accessToken)?.reason == "PERMISSION_ESCALATION")
            let own = IssuePasswordResetRequest(userID: ben.session?.userID ?? "")
            #expect(await server.refusal("IssuePasswordReset", own, ben.accessToken)?.fields == ["user_id"])
            let made: User = try await server.call(
                "CreateUser",
                CreateUserRequest(email: "cara@example.com", displayName: "Cara"),
                admin
            )
            let never = IssuePasswordResetRequest(userID: made.id)
            #expect(await server.refusal("IssuePasswordReset", never, admin)?.reason == "USER_NOT_SIGNING_IN")

            let reset: PasswordReset = try await server.sign("IssuePasswordReset", own, admin)
            var use = ResetPasswordRequest(token: reset.token, newPassword: "short")
            #expect(await server.refusal("ResetPassword", use)?.fields == ["new_password"])
            use.newPassword = "six more words for ben"
            use.requestID = "reset-1"
            let done: ResetPasswordResponse = try await server.sign("ResetPassword", use)
            #expect(done.revokedSessions == 1)
            #expect(try await server.sign("ResetPassword", use, as: ResetPasswordResponse.self) == done)
            #expect(await server.isRefused(ben.accessToken))
            use.requestID = "reset-2"
            #expect(await server.refusal("ResetPassword", use)?.reason == "PASSWORD_RESET_INVALID")
            let old = SignInRequest(email: "ben@example.com", password: TestServer.password)
            #expect(await server.refusal("SignIn", old)?.reason == "SIGN_IN_REFUSED")
            let new = SignInRequest(email: "ben@example.com", password: "six more words for ben")
            #expect(await server.refusal("SignIn", new) == nil)
        }
    }

    @Test("who asks for a new password is sent a token; whether there is such an address is not told")
    func requestedReset() async throws {
        try await withDatabase { database in
            let outbox = Outbox()
            var settings = CredentialSettings.cheap
            settings.resetDelivery = outbox
            let server = try await TestServer(on: database, credentials: settings)
            do {
                let (tenant, admin) = try await server.tenant("acme")
                _ = try await server.join("ana@example.com", admin)
                for email in ["nobody@example.com", "ANA@example.com"] {
                    let request = RequestPasswordResetRequest(email: email)
                    _ = try await server.sign("RequestPasswordReset", request, as: RequestPasswordResetResponse.self)
                }
                let sent = try await outbox.wait(for: 1)
                #expect(sent.map(\.email) == ["ana@example.com"] && sent.map(\.displayName) == ["Ana"])
                // A second one within the minute is not sent: its event comes, and no message.
                let again = RequestPasswordResetRequest(email: "ana@example.com")
                _ = try await server.sign("RequestPasswordReset", again, as: RequestPasswordResetResponse.self)
                var events: [String] = []
                for _ in 0..<500 {
                    events = try await server.audited(tenant.id).filter { $0 == "RequestPasswordReset" }
                    if events.count == 2 { break }
                    try await Task.sleep(for: .milliseconds(10))
                }
                #expect(events.count == 2 && outbox.messages.count == 1)
                let use = ResetPasswordRequest(token: sent[0].token, newPassword: "seven words that ana chose")
                _ = try await server.sign("ResetPassword", use, as: ResetPasswordResponse.self)
                let new = SignInRequest(email: "ana@example.com", password: "seven words that ana chose")
                #expect(await server.refusal("SignIn", new) == nil)
            } catch {
                await server.stop()
                throw error
            }
            await server.stop()
        }
    }

    @Test("an invitation to somebody who cannot become a user is refused, and the password policy holds")
    func invitations() async throws {
        try await TestServer.with { server in
            let (_, admin) = try await server.tenant("acme")
            let invite = InviteUserRequest(
                email: "ana@example.com",
                displayName: "Ana",
                roles: [RoleGrant(role: "member")]
            )
            let first: Invitation = try await server.call("InviteUser", invite, admin)
            let weak = AcceptInvitationRequest(token: first.token, password: "password1234")
            #expect(await server.refusal("AcceptInvitation", weak)?.fields == ["password"])
            let second: Invitation = try await server.call("InviteUser", invite, admin)
            // The right ids, and one other character among those that prove it.
            var characters = Array(second.token)
            characters[80] = characters[80] == "0" ? "1" : "0"
            for token in [first.token, "tri_none", String(characters)] {
                let request = AcceptInvitationRequest(token: token, password: TestServer.password)
                #expect(await server.refusal("AcceptInvitation", request)?.reason == "INVITATION_INVALID")
            }
            let accepted: SessionTokens = try await server.sign(
                "AcceptInvitation",
                AcceptInvitationRequest(token: second.token, password: TestServer.password)
            )
            #expect(accepted.session?.userID == second.userID)
            // Two who accept one invitation at the same time: one of them does.
            let other = InviteUserRequest(
                email: "ben@example.com",
                displayName: "Ben",
                roles: [RoleGrant(role: "member")]
            )
            let third: Invitation = try await server.call("InviteUser", other, admin)
            let accept = AcceptInvitationRequest(token: third.token, password: TestServer.password)
            let outcomes = await withTaskGroup(of: Bool.self) { tasks in
                for _ in 0..<4 { tasks.addTask { await server.refusal("AcceptInvitation", accept) == nil } }
                return await tasks.reduce(into: [Bool]()) { $0.append($1) }
            }
            #expect(outcomes.filter { $0 }.count == 1)
            #expect(try await server.rows("SELECT count(*) FROM trellis.person") == ["2"])
        }
    }
}
