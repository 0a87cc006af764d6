-- Sites of a tenant. Every query names the tenant beside the policy: two locks on one door.

-- name: SiteInsert :one Site
INSERT INTO trellis.site (tenant_id, site_id, display_name, display_name_key, description, time_zone)
VALUES (@tenant_id, @site_id, @display_name, @display_name_key, @description, @time_zone)
RETURNING site_id AS id, display_name, description, time_zone, create_time, update_time, version::text AS etag,
    archive_time, delete_time, purge_time;

-- name: SiteGet :one Site
SELECT site_id AS id, display_name, description, time_zone, create_time, update_time, version::text AS etag,
    archive_time, delete_time, purge_time
FROM trellis.site
WHERE tenant_id = @tenant_id AND site_id = @site_id;

-- The same, held until the transaction ends, so that what is decided on it stays true.
-- name: SiteLock :one Site
SELECT site_id AS id, display_name, description, time_zone, create_time, update_time, version::text AS etag,
    archive_time, delete_time, purge_time
FROM trellis.site
WHERE tenant_id = @tenant_id AND site_id = @site_id
FOR NO KEY UPDATE;

-- The same, against those, too, who give somebody a role on it (SiteShare).
-- name: SiteLockAlone :one Site
SELECT site_id AS id, display_name, description, time_zone, create_time, update_time, version::text AS etag,
    archive_time, delete_time, purge_time
FROM trellis.site
WHERE tenant_id = @tenant_id AND site_id = @site_id
FOR UPDATE;

-- name: SiteList :many Site
SELECT site_id AS id, display_name, description, time_zone, create_time, update_time, version::text AS etag,
    archive_time, delete_time, purge_time
FROM trellis.site
WHERE tenant_id = @tenant_id AND site_id > @after AND (@show_deleted OR delete_time IS NULL)
    AND (@show_archived OR archive_time IS NULL)
ORDER BY site_id
LIMIT @count;

-- name: SiteListAmong :many Site
SELECT site_id AS id, display_name, description, time_zone, create_time, update_time, version::text AS etag,
    archive_time, delete_time, purge_time
FROM trellis.site
WHERE tenant_id = @tenant_id AND site_id = ANY (@sites::uuid[]) AND site_id > @after
    AND (@show_deleted OR delete_time IS NULL) AND (@show_archived OR archive_time IS NULL)
ORDER BY site_id
LIMIT @count;

-- name: SiteUpdate :one Site
UPDATE trellis.site
SET display_name = @display_name, display_name_key = @display_name_key, description = @description,
    time_zone = @time_zone, version = version + 1, update_time = clock_timestamp()
WHERE tenant_id = @tenant_id AND site_id = @site_id
RETURNING site_id AS id, display_name, description, time_zone, create_time, update_time, version::text AS etag,
    archive_time, delete_time, purge_time;

-- name: SiteArchive :one Site
UPDATE trellis.site
SET archive_time = now(), version = version + 1, update_time = clock_timestamp()
WHERE tenant_id = @tenant_id AND site_id = @site_id
RETURNING site_id AS id, display_name, description, time_zone, create_time, update_time, version::text AS etag,
    archive_time, delete_time, purge_time;

-- name: SiteUnarchive :one Site
UPDATE trellis.site
SET archive_time = NULL, version = version + 1, update_time = clock_timestamp()
WHERE tenant_id = @tenant_id AND site_id = @site_id
RETURNING site_id AS id, display_name, description, time_zone, create_time, update_time, version::text AS etag,
    archive_time, delete_time, purge_time;

-- It can be restored until purge_time.
-- name: SiteDelete :one Site
UPDATE trellis.site
SET delete_time = now(), purge_time = now() + interval '30 days', version = version + 1, update_time = clock_timestamp()
WHERE tenant_id = @tenant_id AND site_id = @site_id
RETURNING site_id AS id, display_name, description, time_zone, create_time, update_time, version::text AS etag,
    archive_time, delete_time, purge_time;

-- name: SiteUndelete :one Site
UPDATE trellis.site
SET delete_time = NULL, purge_time = NULL, version = version + 1, update_time = clock_timestamp()
WHERE tenant_id = @tenant_id AND site_id = @site_id
RETURNING site_id AS id, display_name, description, time_zone, create_time, update_time, version::text AS etag,
    archive_time, delete_time, purge_time;

-- Those that would be left.
-- name: OtherSitesCount :one
SELECT count(*) AS count
FROM trellis.site
WHERE tenant_id = @tenant_id AND site_id <> @site_id AND delete_time IS NULL;

-- Removes sites of all tenants whose time to be restored is over, and what was held on them.
-- name: SitesPurge :many
WITH due AS (
    SELECT tenant_id, site_id FROM trellis.site
    WHERE purge_time <= now()
    LIMIT @count
    FOR UPDATE SKIP LOCKED
), roles AS (
    DELETE FROM trellis.role_binding USING due
    WHERE role_binding.tenant_id = due.tenant_id AND role_binding.site_id = due.site_id
)
DELETE FROM trellis.site USING due
WHERE site.tenant_id = due.tenant_id AND site.site_id = due.site_id
RETURNING site.tenant_id, site.site_id;
