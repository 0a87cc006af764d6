public import Domain
public import TrellisAPI

// What the generator does not say of requests: that they are pages, and writes.
extension ListReleasesRequest: PagedRequest {}
extension DiffReleasesRequest: PagedRequest {}
extension ListConceptsRequest: PagedRequest {}
extension ListEdgesRequest: PagedRequest {}
extension TraverseRequest: PagedRequest {}
extension ImportReleaseRequest: WriteRequest {}
extension AbandonReleaseRequest: WriteRequest {}
extension ActivateReleaseRequest: WriteRequest {}
