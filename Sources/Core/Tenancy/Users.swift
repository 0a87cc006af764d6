public import Domain
public import Postgres
internal import Primitives
public import TrellisAPI

/// What can be done with the users of a tenant.
public enum Users {
    /// Makes a user.
    public static func create(_ request: CreateUserRequest, _ work: Work) async throws -> User {
        let taken = DomainError.alreadyExists(resource: "user", field: "email", value: request.email)
        return try await saying(["tenant_user_email": taken]) {
            try await work.transaction.run(
                UserInsert(
                    tenantID: work.scope.tenant,
                    userID: .v7(),
                    email: request.email,
                    emailKey: request.email.caseFolded,
                    displayName: request.displayName,
                    language: request.language.isEmpty ? "en" : request.language,
                    timeZone: request.timeZone.orUTC
                )
            )
            .certain
        }
    }

    /// Returns one user.
    public static func get(_ request: GetUserRequest, _ scope: Scope, _ database: Database) async throws -> User {
        let id = try UUID(request.id, field: "id")
        return try await database.run(UserGet(tenantID: scope.tenant, userID: id), scope.settings)
            .orNotFound("user", id)
    }

    /// Returns a page of the users.
    public static func list(
        _ request: ListUsersRequest,
        _ page: Page,
        _ scope: Scope,
        _ database: Database
    ) async throws -> ListUsersResponse {
        let (tenant, after, count) = (scope.tenant, try page.after, Int64(page.count))
        let rows: [User]
        if request.email.isEmpty {
            rows = try await database.run(UserList(tenantID: tenant, after: after, count: count), scope.settings)
        } else {
            rows = try await database.run(
                UserListByEmail(tenantID: tenant, emailKey: request.email.caseFolded, after: after, count: count),
                scope.settings
            )
        }
        var response = ListUsersResponse()
        (response.users, response.nextPageToken) = page.cut(rows, id: \.id)
        return response
    }
}
