// What the generator does not say of the requests: which of them ask for pages, and which change something.
public import Domain
public import TrellisAPI

extension ListTenantsRequest: PagedRequest {}
extension ListPlansRequest: PagedRequest {}
extension ListSitesRequest: PagedRequest {}
extension ListUsersRequest: PagedRequest {}
extension ListApiKeysRequest: PagedRequest {}
extension ListInvitationsRequest: PagedRequest {}
extension ListRolesRequest: PagedRequest {}
extension ListRoleAssignmentsRequest: PagedRequest {}
extension CreateTenantRequest: WriteRequest {}
extension UpdateTenantRequest: WriteRequest {}
extension UpdateOwnTenantRequest: WriteRequest {}
extension SetTenantPlanRequest: WriteRequest {}
extension SuspendTenantRequest: WriteRequest {}
extension ResumeTenantRequest: WriteRequest {}
extension DeleteTenantRequest: WriteRequest {}
extension UndeleteTenantRequest: WriteRequest {}
extension PurgeTenantRequest: WriteRequest {}
extension SetPlanRatesRequest: WriteRequest {}
extension IssueTenantKeyRequest: WriteRequest {}
extension CreateSiteRequest: WriteRequest {}
extension UpdateSiteRequest: WriteRequest {}
extension ArchiveSiteRequest: WriteRequest {}
extension UnarchiveSiteRequest: WriteRequest {}
extension DeleteSiteRequest: WriteRequest {}
extension UndeleteSiteRequest: WriteRequest {}
extension CreateUserRequest: WriteRequest {}
extension UpdateUserRequest: WriteRequest {}
extension SuspendUserRequest: WriteRequest {}
extension ResumeUserRequest: WriteRequest {}
extension DeleteUserRequest: WriteRequest {}
extension UndeleteUserRequest: WriteRequest {}
extension InviteUserRequest: WriteRequest {}
extension RevokeInvitationRequest: WriteRequest {}
extension CreateRoleRequest: WriteRequest {}
extension UpdateRoleRequest: WriteRequest {}
extension DeleteRoleRequest: WriteRequest {}
extension AssignRoleRequest: WriteRequest {}
extension UnassignRoleRequest: WriteRequest {}
extension CreateApiKeyRequest: WriteRequest {}
extension RevokeApiKeyRequest: WriteRequest {}
