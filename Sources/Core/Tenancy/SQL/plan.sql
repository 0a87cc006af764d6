-- Plans and their rates. Only the platform's role may change them; every tenant may read the rates.

-- name: PlanList :many PlanRow
SELECT plan, display_name, version, create_time, update_time
FROM trellis.plan
WHERE plan > @after
ORDER BY plan
LIMIT @count;

-- name: PlanGet :one PlanRow
SELECT plan, display_name, version, create_time, update_time
FROM trellis.plan
WHERE plan = @plan;

-- The same, held until the transaction ends.
-- name: PlanLock :one PlanRow
SELECT plan, display_name, version, create_time, update_time
FROM trellis.plan
WHERE plan = @plan
FOR UPDATE;

-- The rates of some plans.
-- name: PlanRateList :many PlanRateRow
SELECT plan, rate_class, tenant_per_second, tenant_burst, credential_per_second, credential_burst
FROM trellis.plan_rate
WHERE plan = ANY (@plans::text[])
ORDER BY plan, rate_class;

-- name: PlanRateUpdate :exec
UPDATE trellis.plan_rate
SET tenant_per_second = @tenant_per_second, tenant_burst = @tenant_burst,
    credential_per_second = @credential_per_second, credential_burst = @credential_burst
WHERE plan = @plan AND rate_class = @rate_class;

-- name: PlanChanged :exec
UPDATE trellis.plan
SET version = version + 1, update_time = clock_timestamp()
WHERE plan = @plan;

-- Those whose callers may be remembered with the plan's rates.
-- name: TenantsOnPlan :many
SELECT tenant_id
FROM trellis.tenant
WHERE plan = @plan AND state = 1
ORDER BY tenant_id;

-- Held, so that its rates are not changed while a tenant comes to it.
-- name: PlanShare :one PlanRow
SELECT plan, display_name, version, create_time, update_time
FROM trellis.plan
WHERE plan = @plan
FOR KEY SHARE;
