import Domain
import EndUsers
import RPCServer
import TrellisAPI

/// EndUserService: each method as its use case. Answers of writes show what the caller may see, and no more: an end user
/// who was there before tells the caller what others have written.
struct EndUserHandlers: EndUserService {
    func createEndUser(_ request: CreateEndUserRequest, _ context: ServerContext) async throws -> EndUser {
        let view = context.call.personalView
        return try await context.write(request) { work in try await EndUsers.create(request, work, view) }
    }

    func upsertEndUser(_ request: UpsertEndUserRequest, _ context: ServerContext) async throws -> EndUser {
        let view = context.call.personalView
        return try await context.write(request) { work in try await EndUsers.upsert(request, work, view) }
    }

    func getEndUser(_ request: GetEndUserRequest, _ context: ServerContext) async throws -> EndUser {
        let call = context.call
        return try await context.read(request) { try await EndUsers.get(request, $0, call.personalView) }
    }

    func findEndUser(_ request: FindEndUserRequest, _ context: ServerContext) async throws -> EndUser {
        let call = context.call
        return try await context.read(request) { try await EndUsers.find(request, $0, call.personalView) }
    }

    func listEndUsers(_ request: ListEndUsersRequest, _ context: ServerContext) async throws -> ListEndUsersResponse {
        let call = context.call
        let page = try context.page(request)
        return try await context.read(request) { try await EndUsers.list(request, page, $0, call.personalView) }
    }

    func updateEndUser(_ request: UpdateEndUserRequest, _ context: ServerContext) async throws -> EndUser {
        let view = context.call.personalView
        return try await context.write(request) { work in try await EndUsers.update(request, work, view) }
    }

    func addIdentity(_ request: AddIdentityRequest, _ context: ServerContext) async throws -> EndUser {
        let view = context.call.personalView
        return try await context.write(request) { work in try await EndUsers.addIdentity(request, work, view) }
    }

    func removeIdentity(_ request: RemoveIdentityRequest, _ context: ServerContext) async throws -> EndUser {
        let view = context.call.personalView
        return try await context.write(request) { work in try await EndUsers.removeIdentity(request, work, view) }
    }

    func mergeEndUsers(_ request: MergeEndUsersRequest, _ context: ServerContext) async throws -> EndUser {
        let view = context.call.personalView
        return try await context.write(request) { work in try await EndUsers.merge(request, work, view) }
    }

    func listMerges(_ request: ListMergesRequest, _ context: ServerContext) async throws -> ListMergesResponse {
        let call = context.call
        let page = try context.page(request)
        return try await context.read(request) { try await EndUsers.merges(request, page, $0, call.personalView) }
    }

    func recordActivity(
        _ request: RecordActivityRequest,
        _ context: ServerContext
    ) async throws -> RecordActivityResponse {
        try await context.write(request) { work in try await EndUsers.recordActivity(request, work) }
    }

    func blockEndUser(_ request: BlockEndUserRequest, _ context: ServerContext) async throws -> EndUser {
        let view = context.call.personalView
        return try await context.write(request) { work in try await EndUsers.block(request, work, view) }
    }

    func unblockEndUser(_ request: UnblockEndUserRequest, _ context: ServerContext) async throws -> EndUser {
        let view = context.call.personalView
        return try await context.write(request) { work in try await EndUsers.unblock(request, work, view) }
    }

    func deleteEndUser(_ request: DeleteEndUserRequest, _ context: ServerContext) async throws -> EndUser {
        let view = context.call.personalView
        return try await context.write(request) { work in try await EndUsers.delete(request, work, view) }
    }

    func undeleteEndUser(_ request: UndeleteEndUserRequest, _ context: ServerContext) async throws -> EndUser {
        let view = context.call.personalView
        return try await context.write(request) { work in try await EndUsers.undelete(request, work, view) }
    }
}
