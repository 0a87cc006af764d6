// What the generator does not say of the requests: which of them ask for pages, and which change something.
public import Domain
public import TrellisAPI

extension ListTenantsRequest: PagedRequest {}
extension ListSitesRequest: PagedRequest {}
extension ListUsersRequest: PagedRequest {}
extension ListApiKeysRequest: PagedRequest {}
extension ListInvitationsRequest: PagedRequest {}
extension ListRolesRequest: PagedRequest {}
extension ListRoleAssignmentsRequest: PagedRequest {}
extension ListServicePrincipalsRequest: PagedRequest {}
extension CreateTenantRequest: WriteRequest {}
extension IssueTenantKeyRequest: WriteRequest {}
extension CreateSiteRequest: WriteRequest {}
extension UpdateSiteRequest: WriteRequest {}
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
extension RotateApiKeyRequest: WriteRequest {}
extension RevokeApiKeyRequest: WriteRequest {}
extension SetAllowListRequest: WriteRequest {}
extension CreateServicePrincipalRequest: WriteRequest {}
extension RevokeServicePrincipalRequest: WriteRequest {}
