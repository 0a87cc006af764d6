import EndUsers
import Primitives
import Protobuf
import RPC
import RPCClient
import TestSupport
import Testing
import TrellisAPI
import TrellisServer

extension TestServer {
    /// Calls a method of EndUserService.
    func endUser<Answer: Message>(
        _ method: String,
        _ request: some Message,
        _ token: String,
        as: Answer.Type = EndUser.self
    ) async throws -> Answer {
        var options = CallOptions(timeout: .seconds(20))
        options.metadata.append("authorization", "Bearer \(token)")
        return try await channel.unaryResponse("/trellis.tenancy.v1.EndUserService/\(method)", request, options).message
    }

    /// What a method of EndUserService refuses with; nil when it does not refuse.
    func endUserRefusal(_ method: String, _ request: some Message, _ token: String) async -> RPCError? {
        do {
            _ = try await endUser(method, request, token, as: EndUser.self)
            return nil
        } catch {
            return error as? RPCError
        }
    }

    /// A key with these permissions only.
    func key(_ permissions: [String], _ admin: String) async throws -> String {
        let key: ApiKey = try await call(
            "CreateApiKey",
            CreateApiKeyRequest(displayName: "limited", permissions: permissions),
            admin
        )
        return key.secret
    }
}

@Suite("End users")
struct EndUserTests {
    static let phone = EndUserIdentity(channel: "whatsapp", externalID: "+51 999 000 111")
    static let web = EndUserIdentity(channel: "web", externalID: "Visitor-77")

    static func maria(_ server: TestServer, _ key: String) async throws -> EndUser {
        try await server.endUser(
            "CreateEndUser",
            CreateEndUserRequest(
                identities: [phone, web],
                displayName: "María Quispe",
                profileJSON: #"{"city":"Cusco"}"#,
                preferencesJSON: #"{"tone":"formal"}"#,
                timeZone: "America/Lima",
                language: "es"
            ),
            key
        )
    }

    @Test("what was said of an end user is found by id and by each identity, byte for byte")
    func story() async throws {
        try await TestServer.with { server in
            let (_, key) = try await server.tenant("acme")
            let maria = try await Self.maria(server, key)
            #expect(maria.displayName == "María Quispe" && maria.profileJSON == #"{"city":"Cusco"}"#)
            #expect(maria.preferencesJSON == #"{"tone":"formal"}"# && maria.language == "es")
            #expect(maria.timeZone == "America/Lima" && maria.state == .active && maria.mergedIntoID.isEmpty)
            #expect(maria.identities == [Self.phone, Self.web] && maria.lastActiveTime == maria.createTime)
            #expect(try await server.endUser("GetEndUser", GetEndUserRequest(id: maria.id), key) == maria)
            let find = FindEndUserRequest(channel: "web", externalID: "Visitor-77")
            #expect(try await server.endUser("FindEndUser", find, key) == maria)
            for (channel, id) in [("web", "visitor-77"), ("mobile", "Visitor-77"), ("web", "Visitor-7")] {
                let other = FindEndUserRequest(channel: channel, externalID: id)
                #expect(await server.endUserRefusal("FindEndUser", other, key)?.code == .notFound, "\(channel) \(id)")
            }
            let taken = CreateEndUserRequest(identities: [.init(channel: "mobile", externalID: "m"), Self.web])
            let refused = await server.endUserRefusal("CreateEndUser", taken, key)
            #expect(refused?.code == .alreadyExists)
            // The other identity of the refused call was not taken.
            let free = CreateEndUserRequest(identities: [.init(channel: "mobile", externalID: "m")])
            let plain = try await server.endUser("CreateEndUser", free, key)
            #expect(plain.profileJSON == "{}" && plain.timeZone == "UTC" && plain.language == "en")
            let twice = CreateEndUserRequest(identities: [Self.phone, Self.phone])
            #expect(await server.endUserRefusal("CreateEndUser", twice, key)?.fields == ["identities[1]"])
        }
    }

    @Test("an update sets what its mask names, on the version that was read")
    func update() async throws {
        try await TestServer.with { server in
            let (_, key) = try await server.tenant("acme")
            let maria = try await Self.maria(server, key)
            let renamed = try await server.endUser(
                "UpdateEndUser",
                UpdateEndUserRequest(id: maria.id, displayName: "María Q.", etag: maria.etag),
                key
            )
            #expect(renamed.displayName == "María Q." && renamed.profileJSON == maria.profileJSON)
            #expect(renamed.identities == maria.identities && renamed.etag != maria.etag)
            let cleared = try await server.endUser(
                "UpdateEndUser",
                UpdateEndUserRequest(id: maria.id, updateMask: FieldMask(paths: ["profile_json", "language"])),
                key
            )
            #expect(cleared.profileJSON == "{}" && cleared.language == "en" && cleared.displayName == "María Q.")
            let stale = UpdateEndUserRequest(id: maria.id, displayName: "x", etag: maria.etag)
            #expect(await server.endUserRefusal("UpdateEndUser", stale, key)?.reason == "ETAG_MISMATCH")
        }
    }

    @Test("of 32 who upsert one identity at once over two servers, one makes the end user and all get them")
    func upserts() async throws {
        try await TestServer.with { server in
            let (_, key) = try await server.tenant("acme")
            let second = try await server.second()
            for round in 0..<3 {
                let ids = try await withThrowingTaskGroup(of: String.self) { tasks in
                    for number in 0..<32 {
                        let request = UpsertEndUserRequest(
                            channel: "telegram",
                            externalID: "chat \(round)",
                            displayName: "from \(number)"
                        )
                        let target = number.isMultiple(of: 2) ? server : second
                        tasks.addTask { try await target.endUser("UpsertEndUser", request, key).id }
                    }
                    return try await tasks.reduce(into: Set<String>()) { $0.insert($1) }
                }
                #expect(ids.count == 1)
            }
            let all = try await server.endUser(
                "ListEndUsers",
                ListEndUsersRequest(),
                key,
                as: ListEndUsersResponse.self
            )
            #expect(all.endUsers.map { $0.identities.map(\.externalID) } == [["chat 0"], ["chat 1"], ["chat 2"]])
            await second.stop()
        }
    }

    @Test("identities are added and removed, but not the last, and nobody takes another's")
    func identities() async throws {
        try await TestServer.with { server in
            let (_, key) = try await server.tenant("acme")
            let maria = try await Self.maria(server, key)
            let add = AddIdentityRequest(id: maria.id, channel: "telegram", externalID: "t1")
            let added = try await server.endUser("AddIdentity", add, key)
            #expect(added.identities.map(\.channel) == ["whatsapp", "web", "telegram"])
            #expect(try await server.endUser("AddIdentity", add, key) == added)
            let other = try await server.endUser(
                "UpsertEndUser",
                UpsertEndUserRequest(channel: "web", externalID: "other"),
                key
            )
            let steal = AddIdentityRequest(id: other.id, channel: "telegram", externalID: "t1")
            #expect(await server.endUserRefusal("AddIdentity", steal, key)?.code == .alreadyExists)
            let last = RemoveIdentityRequest(id: other.id, channel: "web", externalID: "other")
            #expect(await server.endUserRefusal("RemoveIdentity", last, key)?.reason == "LAST_IDENTITY")
            let foreign = RemoveIdentityRequest(id: other.id, channel: "telegram", externalID: "t1")
            #expect(await server.endUserRefusal("RemoveIdentity", foreign, key)?.code == .notFound)
            let remove = RemoveIdentityRequest(id: maria.id, channel: "telegram", externalID: "t1")
            #expect(try await server.endUser("RemoveIdentity", remove, key).identities == maria.identities)
            // Given up by one, it is free for another.
            #expect(
                try await server.endUser("AddIdentity", steal, key).identities.map(\.externalID) == ["other", "t1"]
            )
        }
    }

    @Test("a merge moves identities, leaves an alias that leads to who stays, and is remembered")
    func merges() async throws {
        try await TestServer.with { server in
            let (_, key) = try await server.tenant("acme")
            func visitor(_ name: String) async throws -> EndUser {
                try await server.endUser("UpsertEndUser", UpsertEndUserRequest(channel: "web", externalID: name), key)
            }
            let (first, second) = (try await visitor("one"), try await visitor("two"))
            let maria = try await Self.maria(server, key)
            let into = MergeEndUsersRequest(sourceID: first.id, targetID: second.id)
            let merged = try await server.endUser("MergeEndUsers", into, key)
            #expect(merged.id == second.id && merged.identities.map(\.externalID) == ["two", "one"])
            #expect(try await server.endUser("MergeEndUsers", into, key) == merged)
            let alias = try await server.endUser("GetEndUser", GetEndUserRequest(id: first.id), key)
            #expect(alias.mergedIntoID == second.id && alias.identities.isEmpty)
            // No circle, no chain: an alias is neither source nor target again.
            for (source, target) in [(second.id, first.id), (first.id, maria.id), (maria.id, first.id)] {
                let request = MergeEndUsersRequest(sourceID: source, targetID: target)
                #expect(await server.endUserRefusal("MergeEndUsers", request, key)?.reason == "END_USER_MERGED")
            }
            let itself = MergeEndUsersRequest(sourceID: maria.id, targetID: maria.id)
            #expect(await server.endUserRefusal("MergeEndUsers", itself, key)?.fields == ["target_id"])
            let update = UpdateEndUserRequest(id: first.id, displayName: "x")
            #expect(await server.endUserRefusal("UpdateEndUser", update, key)?.reason == "END_USER_MERGED")
            // Maria has no name of theirs to take, but they of hers.
            let named = try await server.endUser(
                "MergeEndUsers",
                MergeEndUsersRequest(sourceID: maria.id, targetID: second.id),
                key
            )
            #expect(named.displayName == "María Quispe" && named.profileJSON == maria.profileJSON)
            #expect(named.identities.count == 4)
            let final = try await visitor("three")
            let last = MergeEndUsersRequest(sourceID: second.id, targetID: final.id)
            #expect(try await server.endUser("MergeEndUsers", last, key).identities.count == 5)
            for id in [first.id, second.id, maria.id] {
                let alias = try await server.endUser("GetEndUser", GetEndUserRequest(id: id), key)
                #expect(alias.mergedIntoID == final.id)
            }
            let find = FindEndUserRequest(channel: "web", externalID: "one")
            #expect(try await server.endUser("FindEndUser", find, key).id == final.id)
            let list = try await server.endUser(
                "ListEndUsers",
                ListEndUsersRequest(),
                key,
                as: ListEndUsersResponse.self
            )
            #expect(list.endUsers.map(\.id) == [final.id])
            func history(_ id: String, _ key: String) async throws -> [EndUserMerge] {
                let request = ListMergesRequest(endUserID: id)
                return try await server.endUser("ListMerges", request, key, as: ListMergesResponse.self).merges
            }
            let all = try await history("", key)
            #expect(all.map(\.sourceID) == [first.id, maria.id, second.id])
            #expect(all.map(\.targetID) == [second.id, second.id, final.id])
            #expect(all[1].identities == [Self.phone, Self.web] && all[2].identities.count == 4)
            #expect(try await history(second.id, key) == all)
            #expect(try await history(maria.id, key) == [all[1]])
            let reader = try await server.key(["tenancy.end_users.read"], key)
            #expect(try await history(maria.id, reader).first?.identities.map(\.externalID) == ["+…", "V…"])
        }
    }

    @Test("activity never goes backwards, comes in batches, and orders the list")
    func activity() async throws {
        try await TestServer.with { server in
            let (_, key) = try await server.tenant("acme")
            var people: [EndUser] = []
            for name in ["a", "b", "c"] {
                let request = UpsertEndUserRequest(channel: "web", externalID: name)
                people.append(try await server.endUser("UpsertEndUser", request, key))
            }
            // Everybody was made a day ago, so that what is recorded is later than that and not in the future.
            try await server.database.execute(
                "UPDATE trellis.end_user SET last_active_time = now() - interval '1 day'"
            )
            let now = Instant.now()
            func time(_ minutesAgo: Int64) -> Timestamp {
                Timestamp(now.advanced(byMicroseconds: -minutesAgo * 60_000_000))
            }
            func record(_ activities: [EndUserActivity]) async throws -> RecordActivityResponse {
                try await server.endUser(
                    "RecordActivity",
                    RecordActivityRequest(activities: activities),
                    key,
                    as: RecordActivityResponse.self
                )
            }
            let unknown = UUID.v7().text
            let recorded = try await record([
                .init(endUserID: people[0].id, time: time(30)), .init(endUserID: people[1].id, time: time(10)),
                .init(endUserID: people[0].id, time: time(5)), .init(endUserID: people[0].id, time: time(20)),
                .init(endUserID: unknown),
            ])
            #expect(recorded.recordedIDs == [people[0].id, people[1].id] && recorded.unknownIDs == [unknown])
            func get(_ index: Int) async throws -> EndUser {
                try await server.endUser("GetEndUser", GetEndUserRequest(id: people[index].id), key)
            }
            let active = try await get(0)
            #expect(active.lastActiveTime == time(5) && active.etag == people[0].etag)
            _ = try await record([.init(endUserID: people[0].id, time: time(15))])
            #expect(try await get(0).lastActiveTime == time(5))
            let future = RecordActivityRequest(activities: [.init(endUserID: people[0].id, time: time(-60))])
            #expect(await server.endUserRefusal("RecordActivity", future, key)?.fields == ["activities[0].time"])
            func names(_ size: Int32) async throws -> [String] {
                var (names, token) = ([String](), "")
                repeat {
                    let request = ListEndUsersRequest(order: .lastActivity, pageSize: size, pageToken: token)
                    let page = try await server.endUser("ListEndUsers", request, key, as: ListEndUsersResponse.self)
                    names += page.endUsers.flatMap { $0.identities.map(\.externalID) }
                    token = page.nextPageToken
                } while !token.isEmpty
                return names
            }
            #expect(try await names(0) == ["a", "b", "c"])
            _ = try await record([.init(endUserID: people[2].id)])
            #expect(try await names(0) == ["c", "a", "b"])
            #expect(try await names(1) == ["c", "a", "b"])
            // An alias is active for whom it stands.
            let merge = MergeEndUsersRequest(sourceID: people[0].id, targetID: people[1].id)
            _ = try await server.endUser("MergeEndUsers", merge, key)
            #expect(try await get(1).lastActiveTime == time(5))
            _ = try await record([.init(endUserID: people[0].id, time: time(1))])
            #expect(try await get(1).lastActiveTime == time(1))
            let page = try await server.endUser(
                "ListEndUsers",
                ListEndUsersRequest(order: .lastActivity, pageSize: 1),
                key,
                as: ListEndUsersResponse.self
            )
            let swapped = ListEndUsersRequest(pageSize: 1, pageToken: page.nextPageToken)
            #expect(await server.endUserRefusal("ListEndUsers", swapped, key)?.fields == ["page_token"])
        }
    }

    @Test("blocked is said, deleted is refused to products and can be undone")
    func life() async throws {
        try await TestServer.with { server in
            let (_, key) = try await server.tenant("acme")
            let maria = try await Self.maria(server, key)
            let upsert = UpsertEndUserRequest(channel: "web", externalID: "Visitor-77")
            #expect(try await server.endUser("BlockEndUser", BlockEndUserRequest(id: maria.id), key).state == .blocked)
            #expect(try await server.endUser("UpsertEndUser", upsert, key).state == .blocked)
            #expect(
                try await server.endUser("UnblockEndUser", UnblockEndUserRequest(id: maria.id), key).state == .active
            )
            let undelete = UndeleteEndUserRequest(id: maria.id)
            #expect(await server.endUserRefusal("UndeleteEndUser", undelete, key)?.reason == "END_USER_NOT_DELETED")
            let stale = DeleteEndUserRequest(id: maria.id, etag: maria.etag)
            #expect(await server.endUserRefusal("DeleteEndUser", stale, key)?.reason == "ETAG_MISMATCH")
            let deleted = try await server.endUser("DeleteEndUser", DeleteEndUserRequest(id: maria.id), key)
            let days = (deleted.purgeTime?.seconds ?? 0) - (deleted.deleteTime?.seconds ?? 0)
            #expect(days == Int64(EndUsers.undeleteDays) * 86_400)
            #expect(await server.endUserRefusal("UpsertEndUser", upsert, key)?.reason == "END_USER_DELETED")
            let add = AddIdentityRequest(id: maria.id, channel: "web", externalID: "x")
            #expect(await server.endUserRefusal("AddIdentity", add, key)?.reason == "END_USER_DELETED")
            func listed(_ showDeleted: Bool) async throws -> Int {
                let request = ListEndUsersRequest(showDeleted: showDeleted)
                return try await server.endUser("ListEndUsers", request, key, as: ListEndUsersResponse.self).endUsers
                    .count
            }
            #expect(try await listed(false) == 0)
            #expect(try await listed(true) == 1)
            let restored = try await server.endUser("UndeleteEndUser", undelete, key)
            #expect(restored.deleteTime == nil && restored.purgeTime == nil && restored.identities == maria.identities)
            #expect(try await server.endUser("UpsertEndUser", upsert, key).id == maria.id)
        }
    }

    @Test("without the permission personal data is masked, in answers of writes too, and nobody is found by it")
    func masks() async throws {
        try await TestServer.with { server in
            let (_, key) = try await server.tenant("acme")
            let maria = try await Self.maria(server, key)
            let reader = try await server.key(["tenancy.end_users.read", "tenancy.end_users.write"], key)
            func check(_ seen: EndUser) {
                #expect(seen.displayName == "M…" && seen.profileJSON.isEmpty && seen.preferencesJSON.isEmpty)
                #expect(seen.identities.map(\.externalID) == ["+…", "V…"])
                #expect(seen.language == "es" && seen.id == maria.id)
            }
            check(try await server.endUser("GetEndUser", GetEndUserRequest(id: maria.id), reader))
            let list = try await server.endUser(
                "ListEndUsers",
                ListEndUsersRequest(),
                reader,
                as: ListEndUsersResponse.self
            )
            check(try #require(list.endUsers.first))
            check(try await server.endUser("BlockEndUser", BlockEndUserRequest(id: maria.id), reader))
            let upsert = UpsertEndUserRequest(channel: "web", externalID: "Visitor-77")
            check(try await server.endUser("UpsertEndUser", upsert, reader))
            let find = FindEndUserRequest(channel: "web", externalID: "Visitor-77")
            let refused = await server.endUserRefusal("FindEndUser", find, reader)
            #expect(refused?.code == .permissionDenied)
        }
    }

    @Test("one tenant's end users are nobody to another, who has the same identities to give")
    func isolation() async throws {
        try await TestServer.with { server in
            let (_, alpha) = try await server.tenant("alpha")
            let (_, beta) = try await server.tenant("beta")
            let hers = try await Self.maria(server, alpha)
            let theirs = try await Self.maria(server, beta)
            #expect(hers.id != theirs.id)
            let merge = MergeEndUsersRequest(sourceID: hers.id, targetID: theirs.id)
            for key in [alpha, beta] {
                #expect(await server.endUserRefusal("MergeEndUsers", merge, key)?.code == .notFound)
            }
            #expect(await server.endUserRefusal("GetEndUser", GetEndUserRequest(id: hers.id), beta)?.code == .notFound)
            let activities = RecordActivityRequest(activities: [.init(endUserID: hers.id)])
            let recorded = try await server.endUser("RecordActivity", activities, beta, as: RecordActivityResponse.self)
            #expect(recorded.recordedIDs.isEmpty && recorded.unknownIDs == [hers.id])
            #expect(try await server.endUser("GetEndUser", GetEndUserRequest(id: hers.id), alpha) == hers)
        }
    }
}
