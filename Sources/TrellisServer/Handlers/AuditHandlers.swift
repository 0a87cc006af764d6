import Audit
import Domain
import Primitives
import RPCServer
import TrellisAPI

/// AuditService: each method as its use case.
struct AuditHandlers: AuditService {
    func listAuditEvents(
        _ request: ListAuditEventsRequest,
        _ context: ServerContext
    ) async throws -> ListAuditEventsResponse {
        let call = context.call
        let trail = try AuditTrail(request.tenantID, call.scope)
        let page = try context.page(request)
        return try await context.read(request, auditTenant: trail.tenant, settings: trail.listing) { reading in
            try await AuditEvents.list(request, page, trail, reading, call.personalView)
        }
    }

    func getAuditEvent(_ request: GetAuditEventRequest, _ context: ServerContext) async throws -> AuditEvent {
        let call = context.call
        let trail = try AuditTrail(request.tenantID, call.scope)
        return try await context.read(request, auditTenant: trail.tenant, settings: trail.settings) { reading in
            try await AuditEvents.get(request, trail, reading, call.personalView)
        }
    }

    func exportAuditEvents(
        _ request: ExportAuditEventsRequest,
        _ responses: ResponseWriter<ExportAuditEventsResponse>,
        _ context: ServerContext
    ) async throws {
        let call = context.call
        let trail = try AuditTrail(request.tenantID, call.scope)
        // Remembered before the first event is shown: nobody knows how much of the rest the caller will take.
        _ = try await context.read(request, auditTenant: trail.tenant, settings: trail.settings) { reading in
            reading.audit.target("audit_trail", trail.tenant.text)
            return ExportAuditEventsResponse()
        }
        try await AuditEvents.export(
            request,
            trail,
            call.database,
            call.personalView,
            deadline: context.deadline
        ) { try await responses.send($0) }
    }

    func verifyAuditChain(
        _ request: VerifyAuditChainRequest,
        _ responses: ResponseWriter<VerifyAuditChainResponse>,
        _ context: ServerContext
    ) async throws {
        let call = context.call
        try await AuditVerification.run(
            request,
            AuditTrail(request.tenantID, call.scope),
            call.database,
            call.services.auditKeys,
            deadline: context.deadline
        ) { try await responses.send($0) }
    }
}
