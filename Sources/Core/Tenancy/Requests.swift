// What the generator does not say of the requests: which of them ask for pages, and which change something.
public import Domain
public import TrellisAPI

extension ListTenantsRequest: PagedRequest {}
extension ListSitesRequest: PagedRequest {}
extension ListUsersRequest: PagedRequest {}
extension ListApiKeysRequest: PagedRequest {}
extension CreateTenantRequest: WriteRequest {}
extension IssueTenantKeyRequest: WriteRequest {}
extension CreateSiteRequest: WriteRequest {}
extension UpdateSiteRequest: WriteRequest {}
extension CreateUserRequest: WriteRequest {}
extension CreateApiKeyRequest: WriteRequest {}
extension RevokeApiKeyRequest: WriteRequest {}
