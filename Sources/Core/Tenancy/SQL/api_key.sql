-- API keys of a tenant. Nothing here returns a secret: only its hash is stored.

-- name: ApiKeyInsert :one ApiKey
INSERT INTO trellis.api_key
    (tenant_id, api_key_id, display_name, permissions, user_id, obfuscated_secret, secret_hash, expire_time)
VALUES (@tenant_id, @api_key_id, @display_name, @permissions, @user_id?, @obfuscated_secret, @secret_hash, @expire_time?)
RETURNING api_key_id AS id, display_name, permissions, user_id, obfuscated_secret, create_time, expire_time, revoke_time;

-- name: ApiKeyGet :one ApiKey
SELECT api_key_id AS id, display_name, permissions, user_id, obfuscated_secret, create_time, expire_time, revoke_time
FROM trellis.api_key
WHERE tenant_id = @tenant_id AND api_key_id = @api_key_id;

-- name: ApiKeyList :many ApiKey
SELECT api_key_id AS id, display_name, permissions, user_id, obfuscated_secret, create_time, expire_time, revoke_time
FROM trellis.api_key
WHERE tenant_id = @tenant_id AND api_key_id > @after AND (@show_revoked OR revoke_time IS NULL)
ORDER BY api_key_id
LIMIT @count;

-- name: ApiKeyListByUser :many ApiKey
SELECT api_key_id AS id, display_name, permissions, user_id, obfuscated_secret, create_time, expire_time, revoke_time
FROM trellis.api_key
WHERE tenant_id = @tenant_id AND user_id = @user_id AND api_key_id > @after
    AND (@show_revoked OR revoke_time IS NULL)
ORDER BY api_key_id
LIMIT @count;

-- name: ApiKeyRevoke :one ApiKey
UPDATE trellis.api_key
SET revoke_time = coalesce(revoke_time, now())
WHERE tenant_id = @tenant_id AND api_key_id = @api_key_id
RETURNING api_key_id AS id, display_name, permissions, user_id, obfuscated_secret, create_time, expire_time, revoke_time;

-- What it takes to admit a caller. The hash is compared by the server, in constant time.
-- name: ApiKeyCredential :one
SELECT secret_hash, permissions, user_id, expire_time
FROM trellis.api_key
WHERE tenant_id = @tenant_id AND api_key_id = @api_key_id AND revoke_time IS NULL
    AND (expire_time IS NULL OR expire_time > now())
    AND (user_id IS NULL OR EXISTS (
        SELECT FROM trellis.tenant_user
        WHERE tenant_user.tenant_id = @tenant_id AND tenant_user.user_id = api_key.user_id AND state = 1
            AND delete_time IS NULL
    ));
