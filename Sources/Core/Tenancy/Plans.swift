public import Domain
public import Postgres
internal import Primitives
public import TrellisAPI

/// What can be done with plans, as the platform.
public enum Plans {
    /// The plan of a tenant that was made without one.
    static let standard = "starter"

    /// Returns one plan.
    public static func get(_ request: GetPlanRequest, _ scope: Scope, _ database: Database) async throws -> Plan {
        let (row, rates) = try await database.run(
            PlanGet(plan: request.plan),
            PlanRateList(plans: [request.plan]),
            settings: scope.settings
        )
        return try row.orNotFound("plan", request.plan).plan(rates)
    }

    /// Returns a page of the plans.
    public static func list(_ page: Page, _ scope: Scope, _ database: Database) async throws -> ListPlansResponse {
        var after = ""
        if let position = page.position {
            var reader = PositionReader(position)
            after = try reader.text()
        }
        let found = try await database.run(PlanList(after: after, count: Int64(page.count)), scope.settings)
        let cut = page.cut(found) { row in
            var writer = PositionWriter()
            writer.write(row.plan)
            return writer.bytes
        }
        let rates = try await database.run(PlanRateList(plans: cut.rows.map(\.plan)), scope.settings)
        return ListPlansResponse(
            plans: cut.rows.map { row in row.plan(rates.filter { $0.plan == row.plan }) },
            nextPageToken: cut.next
        )
    }

    /// Changes rates of a plan. They hold for its tenants when this is answered.
    public static func setRates(_ request: SetPlanRatesRequest, _ work: Work) async throws -> Plan {
        let classes = request.rates.map(\.rateClass)
        for (index, rateClass) in classes.enumerated() where classes[..<index].contains(rateClass) {
            throw DomainError.invalid("rates[\(index)].rate_class", "it has been named before: each class has one rate")
        }
        let row = try await work.transaction.run(PlanLock(plan: request.plan)).orNotFound("plan", request.plan)
        try Etag.check(request.etag, current: "\(row.version)", resource: "plan", id: request.plan)
        let before = row.plan(try await work.transaction.run(PlanRateList(plans: [request.plan])))
        _ = try await work.transaction.run(
            all: request.rates.map { rate in
                PlanRateUpdate(
                    tenantPerSecond: rate.tenantPerSecond,
                    tenantBurst: rate.tenantBurst,
                    credentialPerSecond: rate.credentialPerSecond,
                    credentialBurst: rate.credentialBurst,
                    plan: request.plan,
                    rateClass: Int16(rate.rateClass.rawValue)
                )
            }
        )
        _ = try await work.transaction.run(PlanChanged(plan: request.plan))
        let tenants = try await work.transaction.run(TenantsOnPlan(plan: request.plan))
        try await work.changesAccess(of: tenants.map(\.tenantID))
        let (changed, rates) = try await work.transaction.run(
            PlanGet(plan: request.plan),
            PlanRateList(plans: [request.plan])
        )
        let after = changed.certain.plan(rates)
        work.audit.changed("plan", request.plan, from: before, to: after)
        return after
    }

    /// Refuses a plan that is not there; its rates stay until the transaction ends.
    static func require(_ plan: String, _ work: Work) async throws {
        _ = try await work.transaction.run(PlanShare(plan: plan)).orNotFound("plan", plan)
    }
}

extension PlanRow {
    /// The plan as the API shows it.
    func plan(_ rates: [PlanRateRow]) -> Plan {
        Plan(
            plan: plan,
            displayName: displayName,
            rates: rates.map { rate in
                PlanRate(
                    rateClass: RateClass(rawValue: Int32(rate.rateClass)),
                    tenantPerSecond: rate.tenantPerSecond,
                    tenantBurst: rate.tenantBurst,
                    credentialPerSecond: rate.credentialPerSecond,
                    credentialBurst: rate.credentialBurst
                )
            },
            createTime: Timestamp(createTime),
            updateTime: Timestamp(updateTime),
            etag: "\(version)"
        )
    }
}
