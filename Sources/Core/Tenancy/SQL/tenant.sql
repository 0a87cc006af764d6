-- Tenants. The platform's role sees all of them, a tenant its own row.

-- name: TenantInsert :one Tenant
INSERT INTO trellis.tenant (tenant_id, slug, display_name, industry, plan)
VALUES (@tenant_id, @slug, @display_name, @industry, @plan)
RETURNING tenant_id AS id, slug, display_name, industry, create_time, plan, state, settings_json, update_time,
    suspend_time, archive_time, delete_time, purge_time,
    version::text AS etag;

-- The primary key refuses a short name that is taken.
-- name: TenantSlugInsert :exec
INSERT INTO trellis.tenant_slug (slug, holder)
VALUES (@slug, @tenant_id);

-- name: TenantGet :one Tenant
SELECT tenant_id AS id, slug, display_name, industry, create_time, plan, state, settings_json, update_time,
    suspend_time, archive_time, delete_time, purge_time,
    version::text AS etag
FROM trellis.tenant
WHERE tenant_id = @tenant_id;

-- Those in one state; with state 0, those that are not deleted, or, with show_deleted, all.
-- name: TenantList :many Tenant
SELECT tenant_id AS id, slug, display_name, industry, create_time, plan, state, settings_json, update_time,
    suspend_time, archive_time, delete_time, purge_time,
    version::text AS etag
FROM trellis.tenant
WHERE tenant_id > @after
    AND CASE WHEN @state::smallint = 0 THEN @show_deleted::boolean OR state < 3 ELSE state = @state::smallint END
ORDER BY tenant_id
LIMIT @count;

-- The same, held until the transaction ends.
-- name: TenantLock :one Tenant
SELECT tenant_id AS id, slug, display_name, industry, create_time, plan, state, settings_json, update_time,
    suspend_time, archive_time, delete_time, purge_time,
    version::text AS etag
FROM trellis.tenant
WHERE tenant_id = @tenant_id
FOR NO KEY UPDATE;

-- name: TenantUpdate :one Tenant
UPDATE trellis.tenant
SET display_name = @display_name, industry = @industry, settings_json = @settings_json, version = version + 1,
    update_time = clock_timestamp()
WHERE tenant_id = @tenant_id
RETURNING tenant_id AS id, slug, display_name, industry, create_time, plan, state, settings_json, update_time,
    suspend_time, archive_time, delete_time, purge_time,
    version::text AS etag;

-- name: TenantSetPlan :one Tenant
UPDATE trellis.tenant
SET plan = @plan, version = version + 1, update_time = clock_timestamp()
WHERE tenant_id = @tenant_id
RETURNING tenant_id AS id, slug, display_name, industry, create_time, plan, state, settings_json, update_time,
    suspend_time, archive_time, delete_time, purge_time,
    version::text AS etag;

-- name: TenantSuspend :one Tenant
UPDATE trellis.tenant
SET state = 2, suspend_time = now(), version = version + 1, update_time = clock_timestamp()
WHERE tenant_id = @tenant_id
RETURNING tenant_id AS id, slug, display_name, industry, create_time, plan, state, settings_json, update_time,
    suspend_time, archive_time, delete_time, purge_time,
    version::text AS etag;

-- name: TenantResume :one Tenant
UPDATE trellis.tenant
SET state = 1, suspend_time = NULL, version = version + 1, update_time = clock_timestamp()
WHERE tenant_id = @tenant_id
RETURNING tenant_id AS id, slug, display_name, industry, create_time, plan, state, settings_json, update_time,
    suspend_time, archive_time, delete_time, purge_time,
    version::text AS etag;

-- name: TenantArchive :one Tenant
UPDATE trellis.tenant
SET archive_time = now(), version = version + 1, update_time = clock_timestamp()
WHERE tenant_id = @tenant_id
RETURNING tenant_id AS id, slug, display_name, industry, create_time, plan, state, settings_json, update_time,
    suspend_time, archive_time, delete_time, purge_time,
    version::text AS etag;

-- name: TenantUnarchive :one Tenant
UPDATE trellis.tenant
SET archive_time = NULL, version = version + 1, update_time = clock_timestamp()
WHERE tenant_id = @tenant_id
RETURNING tenant_id AS id, slug, display_name, industry, create_time, plan, state, settings_json, update_time,
    suspend_time, archive_time, delete_time, purge_time,
    version::text AS etag;

-- It can be restored until purge_time.
-- name: TenantDelete :one Tenant
UPDATE trellis.tenant
SET state = 3, delete_time = now(), purge_time = now() + interval '30 days', version = version + 1,
    update_time = clock_timestamp()
WHERE tenant_id = @tenant_id
RETURNING tenant_id AS id, slug, display_name, industry, create_time, plan, state, settings_json, update_time,
    suspend_time, archive_time, delete_time, purge_time,
    version::text AS etag;

-- A tenant that was suspended when it was deleted is suspended again.
-- name: TenantUndelete :one Tenant
UPDATE trellis.tenant
SET state = CASE WHEN suspend_time IS NULL THEN 1 ELSE 2 END, delete_time = NULL, purge_time = NULL,
    version = version + 1, update_time = clock_timestamp()
WHERE tenant_id = @tenant_id
RETURNING tenant_id AS id, slug, display_name, industry, create_time, plan, state, settings_json, update_time,
    suspend_time, archive_time, delete_time, purge_time,
    version::text AS etag;

-- What is left of it: that it was, under which short name, and when it ended.
-- name: TenantPurge :one Tenant
UPDATE trellis.tenant
SET state = 4, display_name = '', industry = '', settings_json = '{}', purge_time = now(), version = version + 1,
    update_time = clock_timestamp()
WHERE tenant_id = @tenant_id
RETURNING tenant_id AS id, slug, display_name, industry, create_time, plan, state, settings_json, update_time,
    suspend_time, archive_time, delete_time, purge_time,
    version::text AS etag;

-- What the platform keeps of it: from then on its short name can be taken again, and nobody is a member any more.
-- name: TenantReferencesPurge :one
SELECT trellis.purge_tenant_references(@tenant_id::uuid) AS removed;

-- The subjects of a tenant that must not be purged.
-- name: TenantHoldsCount :one
SELECT count(*) AS count
FROM trellis.legal_hold
WHERE tenant_id = @tenant_id AND release_time IS NULL;

-- Those whose time to be restored is over.
-- name: TenantsToPurge :many
SELECT tenant_id
FROM trellis.tenant
WHERE state = 3 AND purge_time <= now()
ORDER BY tenant_id
LIMIT @count;

-- Those that were purged and may have rows left.
-- name: TenantsToSweep :many
SELECT tenant_id
FROM trellis.tenant
WHERE state = 4 AND sweep_time IS NULL
ORDER BY tenant_id
LIMIT @count;

-- As the tenant itself, whose rows these are: none other can be reached.
-- name: TenantRowsPurge :one
SELECT trellis.purge_tenant_rows(@count::bigint) AS removed;

-- name: TenantSwept :exec
UPDATE trellis.tenant
SET sweep_time = clock_timestamp()
WHERE tenant_id = @tenant_id AND state = 4;
