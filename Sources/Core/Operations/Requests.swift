// What the generator does not say of the requests: which of them ask for pages, and which change something.
public import Domain
public import TrellisAPI

extension ListOperationsRequest: PagedRequest {}
extension ListJobsRequest: PagedRequest {}
extension CancelOperationRequest: WriteRequest {}
extension CancelJobRequest: WriteRequest {}
extension RetryJobRequest: WriteRequest {}
