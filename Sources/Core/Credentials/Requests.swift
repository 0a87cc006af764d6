// What the generator does not say of the requests: which of them ask for pages, and which change something.
public import Domain
public import TrellisAPI

extension ListSessionsRequest: PagedRequest {}
extension ListSigningKeysRequest: PagedRequest {}
extension AcceptInvitationRequest: WriteRequest {}
extension SignInRequest: WriteRequest {}
extension RefreshSessionRequest: WriteRequest {}
extension SignOutRequest: WriteRequest {}
extension SignOutEverywhereRequest: WriteRequest {}
extension RevokeSessionRequest: WriteRequest {}
extension ChangePasswordRequest: WriteRequest {}
extension RequestPasswordResetRequest: WriteRequest {}
extension ResetPasswordRequest: WriteRequest {}
extension IssuePasswordResetRequest: WriteRequest {}
extension RotateSigningKeyRequest: WriteRequest {}
