import Domain
import RPCServer
import Tenancy
import TrellisAPI

/// PlanService: each method as its use case.
struct PlanHandlers: PlanService {
    func getPlan(_ request: GetPlanRequest, _ context: ServerContext) async throws -> Plan {
        try await Plans.get(request, context.call.scope, context.call.database)
    }

    func listPlans(_ request: ListPlansRequest, _ context: ServerContext) async throws -> ListPlansResponse {
        try await Plans.list(context.page(request), context.call.scope, context.call.database)
    }

    func setPlanRates(_ request: SetPlanRatesRequest, _ context: ServerContext) async throws -> Plan {
        try await context.write(request) { work in try await Plans.setRates(request, work) }
    }
}
