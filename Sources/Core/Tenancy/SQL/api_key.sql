-- API keys of a tenant. Nothing here returns a secret: only its hash is stored.

-- name: ApiKeyInsert :one ApiKey
INSERT INTO trellis.api_key
    (tenant_id, api_key_id, display_name, permissions, site_ids, user_id, obfuscated_secret, secret_hash, expire_time)
VALUES (
    @tenant_id, @api_key_id, @display_name, @permissions, @site_ids, @user_id?, @obfuscated_secret, @secret_hash,
    @expire_time?
)
RETURNING api_key_id AS id, display_name, permissions, user_id, obfuscated_secret, create_time, expire_time, revoke_time,
    site_ids, last_use_time, previous_secret_expire_time, version::text AS etag;

-- name: ApiKeyGet :one ApiKey
SELECT api_key_id AS id, display_name, permissions, user_id, obfuscated_secret, create_time, expire_time, revoke_time,
    site_ids, last_use_time, previous_secret_expire_time, version::text AS etag
FROM trellis.api_key
WHERE tenant_id = @tenant_id AND api_key_id = @api_key_id;

-- The same, held until the transaction ends, and whether its time is over.
-- name: ApiKeyLock :one
SELECT display_name, permissions, site_ids, user_id, expire_time, revoke_time, version,
    coalesce(expire_time <= now(), false) AS is_expired
FROM trellis.api_key
WHERE tenant_id = @tenant_id AND api_key_id = @api_key_id
FOR NO KEY UPDATE;

-- name: ApiKeyList :many ApiKey
SELECT api_key_id AS id, display_name, permissions, user_id, obfuscated_secret, create_time, expire_time, revoke_time,
    site_ids, last_use_time, previous_secret_expire_time, version::text AS etag
FROM trellis.api_key
WHERE tenant_id = @tenant_id AND api_key_id > @after AND (@show_revoked OR revoke_time IS NULL)
ORDER BY api_key_id
LIMIT @count;

-- name: ApiKeyListByUser :many ApiKey
SELECT api_key_id AS id, display_name, permissions, user_id, obfuscated_secret, create_time, expire_time, revoke_time,
    site_ids, last_use_time, previous_secret_expire_time, version::text AS etag
FROM trellis.api_key
WHERE tenant_id = @tenant_id AND user_id = @user_id AND api_key_id > @after
    AND (@show_revoked OR revoke_time IS NULL)
ORDER BY api_key_id
LIMIT @count;

-- name: ApiKeyUpdate :one ApiKey
UPDATE trellis.api_key
SET display_name = @display_name, permissions = @permissions, site_ids = @site_ids, expire_time = @expire_time?,
    version = version + 1
WHERE tenant_id = @tenant_id AND api_key_id = @api_key_id
RETURNING api_key_id AS id, display_name, permissions, user_id, obfuscated_secret, create_time, expire_time, revoke_time,
    site_ids, last_use_time, previous_secret_expire_time, version::text AS etag;

-- name: ApiKeyRevoke :one ApiKey
UPDATE trellis.api_key
SET revoke_time = coalesce(revoke_time, now()), version = version + (revoke_time IS NULL)::integer
WHERE tenant_id = @tenant_id AND api_key_id = @api_key_id
RETURNING api_key_id AS id, display_name, permissions, user_id, obfuscated_secret, create_time, expire_time, revoke_time,
    site_ids, last_use_time, previous_secret_expire_time, version::text AS etag;

-- The secret before goes on being let in for a time, if any; the one before that ends.
-- name: ApiKeyRotate :one ApiKey
UPDATE trellis.api_key
SET secret_hash = @secret_hash, obfuscated_secret = @obfuscated_secret,
    previous_secret_hash = CASE WHEN @grace_seconds::bigint > 0 THEN secret_hash END,
    previous_secret_expire_time = CASE WHEN @grace_seconds::bigint > 0 THEN
        now() + make_interval(secs => @grace_seconds::bigint) END,
    version = version + 1
WHERE tenant_id = @tenant_id AND api_key_id = @api_key_id
RETURNING api_key_id AS id, display_name, permissions, user_id, obfuscated_secret, create_time, expire_time, revoke_time,
    site_ids, last_use_time, previous_secret_expire_time, version::text AS etag;

-- What it takes to admit a caller. The hashes are compared by the server, in constant time. sites are those of site_ids that
-- have not been deleted; the epoch is never newer than the rest.
-- name: ApiKeyCredential :one
SELECT secret_hash, permissions, cardinality(site_ids) > 0 AS is_limited, ARRAY(
    SELECT site_id FROM trellis.site
    WHERE site.tenant_id = @tenant_id AND site_id = ANY (site_ids) AND delete_time IS NULL
) AS sites, user_id, expire_time, previous_secret_expire_time, CASE
    WHEN previous_secret_expire_time > now() THEN previous_secret_hash
END AS previous_secret_hash, coalesce((
    SELECT epoch FROM trellis.access_epoch WHERE access_epoch.tenant_id = @tenant_id
), 0) AS epoch, coalesce((
    SELECT networks FROM trellis.allow_list WHERE allow_list.tenant_id = @tenant_id
), '{}') AS networks
FROM trellis.api_key
-- nullable: previous_secret_hash
WHERE tenant_id = @tenant_id AND api_key_id = @api_key_id AND revoke_time IS NULL
    AND (expire_time IS NULL OR expire_time > now())
    AND (user_id IS NULL OR EXISTS (
        SELECT FROM trellis.tenant_user
        WHERE tenant_user.tenant_id = @tenant_id AND tenant_user.user_id = api_key.user_id AND state = 1
            AND delete_time IS NULL
    ));

-- When keys were used, of all tenants, as the platform's role: three lists of one length. What another server is writing just
-- now is left to it.
-- name: ApiKeysUsed :exec
WITH used AS (
    SELECT * FROM unnest(@tenants::uuid[], @keys::uuid[], @times::timestamptz[]) AS used (tenant_id, api_key_id, use_time)
), held AS (
    SELECT tenant_id, api_key_id, use_time
    FROM trellis.api_key JOIN used USING (tenant_id, api_key_id)
    WHERE last_use_time IS NULL OR last_use_time < use_time
    FOR NO KEY UPDATE OF api_key SKIP LOCKED
)
UPDATE trellis.api_key
SET last_use_time = held.use_time
FROM held
WHERE api_key.tenant_id = held.tenant_id AND api_key.api_key_id = held.api_key_id;
