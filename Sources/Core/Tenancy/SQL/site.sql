-- Sites of a tenant. Every query names the tenant beside the policy: two locks on one door.

-- name: SiteInsert :one Site
INSERT INTO trellis.site (tenant_id, site_id, display_name, display_name_key, description, time_zone)
VALUES (@tenant_id, @site_id, @display_name, @display_name_key, @description, @time_zone)
RETURNING site_id AS id, display_name, description, time_zone, create_time, update_time, version::text AS etag;

-- name: SiteGet :one Site
SELECT site_id AS id, display_name, description, time_zone, create_time, update_time, version::text AS etag
FROM trellis.site
WHERE tenant_id = @tenant_id AND site_id = @site_id;

-- The same, held until the transaction ends, so that what is decided on it stays true.
-- name: SiteLock :one Site
SELECT site_id AS id, display_name, description, time_zone, create_time, update_time, version::text AS etag
FROM trellis.site
WHERE tenant_id = @tenant_id AND site_id = @site_id
FOR NO KEY UPDATE;

-- name: SiteList :many Site
SELECT site_id AS id, display_name, description, time_zone, create_time, update_time, version::text AS etag
FROM trellis.site
WHERE tenant_id = @tenant_id AND site_id > @after
ORDER BY site_id
LIMIT @count;

-- name: SiteListAmong :many Site
SELECT site_id AS id, display_name, description, time_zone, create_time, update_time, version::text AS etag
FROM trellis.site
WHERE tenant_id = @tenant_id AND site_id = ANY (@sites::uuid[]) AND site_id > @after
ORDER BY site_id
LIMIT @count;

-- name: SiteUpdate :one Site
UPDATE trellis.site
SET display_name = @display_name, display_name_key = @display_name_key, description = @description,
    time_zone = @time_zone, version = version + 1, update_time = clock_timestamp()
WHERE tenant_id = @tenant_id AND site_id = @site_id
RETURNING site_id AS id, display_name, description, time_zone, create_time, update_time, version::text AS etag;
