// What the generator does not say of the requests: which of them ask for pages, and which change something.
public import Domain
public import TrellisAPI

extension ListEndUsersRequest: PagedRequest {}
extension ListMergesRequest: PagedRequest {}
extension CreateEndUserRequest: WriteRequest {}
extension UpsertEndUserRequest: WriteRequest {}
extension UpdateEndUserRequest: WriteRequest {}
extension AddIdentityRequest: WriteRequest {}
extension RemoveIdentityRequest: WriteRequest {}
extension MergeEndUsersRequest: WriteRequest {}
extension RecordActivityRequest: WriteRequest {}
extension BlockEndUserRequest: WriteRequest {}
extension UnblockEndUserRequest: WriteRequest {}
extension DeleteEndUserRequest: WriteRequest {}
extension UndeleteEndUserRequest: WriteRequest {}
