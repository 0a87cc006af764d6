-- From where a tenant is administered.

-- name: AllowListGet :one AllowList
SELECT networks, update_time, version::text AS etag
FROM trellis.allow_list
WHERE tenant_id = @tenant_id;

-- With the version that it has replaced, 0 for none.
-- name: AllowListSet :one
INSERT INTO trellis.allow_list (tenant_id, networks)
VALUES (@tenant_id, @networks)
ON CONFLICT (tenant_id) DO UPDATE
SET networks = excluded.networks, version = allow_list.version + 1, update_time = clock_timestamp()
RETURNING (version - 1)::text AS replaced;
