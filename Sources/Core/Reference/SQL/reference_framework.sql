-- Frameworks and their pointers to the active release. Every query names the tenant beside the policy.

-- name: FrameworkInsert :exec
INSERT INTO reference_framework (tenant_id, framework)
VALUES (@tenant_id, @framework)
ON CONFLICT DO NOTHING;

-- The pointer, held until the transaction ends: completing and activating releases of one framework take turns.
-- name: FrameworkLock :one FrameworkPointer
SELECT active_release_id
FROM reference_framework
WHERE tenant_id = @tenant_id AND framework = @framework
FOR NO KEY UPDATE;

-- name: FrameworkActivate :exec
UPDATE reference_framework
SET active_release_id = @release_id
WHERE tenant_id = @tenant_id AND framework = @framework;

-- The active releases that a tenant reads, one a framework: its own before the platform's, whose tenant_id is the least
-- of all. No frameworks named is all of them.
-- name: VisibleReleaseList :many VisibleRelease
SELECT DISTINCT ON (framework) framework, tenant_id, active_release_id AS release_id
FROM reference_framework
WHERE tenant_id IN (@tenant_id, '00000000-0000-0000-0000-000000000000')
    AND active_release_id IS NOT NULL
    AND (cardinality(@frameworks::text[]) = 0 OR framework = ANY (@frameworks::text[]))
ORDER BY framework, tenant_id DESC;
