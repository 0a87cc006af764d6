-- Fences: every write holds that of its tenant, and of the sites that it works for, together with others, until it ends.
-- Whoever suspends, deletes, archives or purges takes it alone: waits for the writes that are under way, while those that come
-- later wait, and then find out. Advisory locks, because they queue: row locks that can be shared let whoever wants a row
-- alone wait for as long as there is always one more to share it.

-- name: FenceShare :one
SELECT pg_advisory_xact_lock_shared(@key::bigint)::text AS held;

-- name: FenceAlone :one
SELECT pg_advisory_xact_lock(@key::bigint)::text AS held;

-- To be asked once the fence is held: a statement of its own, which sees what was committed before.
-- name: TenantState :one
SELECT state, archive_time
FROM trellis.tenant
WHERE tenant_id = @tenant_id;

-- name: SiteState :one
SELECT archive_time, delete_time
FROM trellis.site
WHERE tenant_id = @tenant_id AND site_id = @site_id;
