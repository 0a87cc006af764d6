-- The platform's own credentials; only the platform role may read them.

-- name: PlatformKeyCredential :one
SELECT secret_hash, coalesce((
    SELECT epoch FROM trellis.access_epoch WHERE tenant_id = '00000000-0000-0000-0000-000000000000'
), 0) AS epoch
FROM trellis.platform_key
WHERE platform_key_id = @platform_key_id AND revoke_time IS NULL;

-- No row affected: there is one of this name, revoked or not.
-- name: PlatformKeyInsert :exec
INSERT INTO trellis.platform_key (platform_key_id, display_name, secret_hash)
VALUES (@platform_key_id, @display_name, @secret_hash)
ON CONFLICT (display_name) DO NOTHING;
