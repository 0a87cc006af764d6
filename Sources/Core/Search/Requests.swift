public import Domain
public import TrellisAPI

// What the generator does not say of requests: that they are pages, and writes.
extension ListKnowledgeBasesRequest: PagedRequest {}
extension ListDocumentsRequest: PagedRequest {}
extension ListChunksRequest: PagedRequest {}
extension SearchRequest: PagedRequest {}
extension CreateKnowledgeBaseRequest: WriteRequest {}
extension CreateDocumentRequest: WriteRequest {}
extension BatchCreateDocumentsRequest: WriteRequest {}
extension DeleteDocumentRequest: WriteRequest {}
