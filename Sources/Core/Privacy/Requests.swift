// What the generator does not say of the requests: which of them ask for pages, and which change something.
public import Domain
public import TrellisAPI

extension ListLegalHoldsRequest: PagedRequest {}
extension PlaceLegalHoldRequest: WriteRequest {}
extension ReleaseLegalHoldRequest: WriteRequest {}
extension TokenizeRequest: WriteRequest {}
extension ExportSubjectRequest: WriteRequest {}
extension EraseSubjectRequest: WriteRequest {}
