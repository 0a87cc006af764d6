import Protobuf
import RPC
import RPCClient
import TrellisAPI

extension TestServer {
    private func options(_ key: String) -> CallOptions {
        CallOptions(metadata: ["authorization": "Bearer \(key)"], timeout: .seconds(60))
    }

    /// Calls a method of AuditService.
    func audit<Answer: Message>(
        _ method: String,
        _ request: some Message,
        _ key: String,
        as answer: Answer.Type = Answer.self
    ) async throws -> Answer {
        try await channel.unary("/trellis.audit.v1.AuditService/\(method)", request, options(key), returning: answer)
    }

    /// The newest events of a trail.
    func events(_ key: String, _ request: ListAuditEventsRequest = ListAuditEventsRequest(pageSize: 1000)) async throws
        -> [AuditEvent]
    {
        try await audit("ListAuditEvents", request, key, as: ListAuditEventsResponse.self).auditEvents
    }

    /// All that an export sends.
    func export(_ key: String, _ request: ExportAuditEventsRequest) async throws -> [AuditEvent] {
        var events: [AuditEvent] = []
        let path = "/trellis.audit.v1.AuditService/ExportAuditEvents"
        let stream: ResponseStream<ExportAuditEventsResponse> = channel.serverStreaming(path, request, options(key))
        for try await chunk in stream { events += chunk.auditEvents }
        return events
    }

    /// The verdict on a trail.
    func verdict(_ key: String, _ request: VerifyAuditChainRequest = VerifyAuditChainRequest()) async throws
        -> AuditVerdict
    {
        var last = VerifyAuditChainResponse()
        let path = "/trellis.audit.v1.AuditService/VerifyAuditChain"
        let stream: ResponseStream<VerifyAuditChainResponse> = channel.serverStreaming(path, request, options(key))
        for try await message in stream { last = message }
        return last.verdict ?? AuditVerdict()
    }
}
