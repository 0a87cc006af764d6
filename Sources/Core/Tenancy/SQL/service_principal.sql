-- Programs that are known by their certificates. The platform binds them; their tenant sees and revokes them.

-- name: ServicePrincipalInsert :one ServicePrincipal
INSERT INTO trellis.service_principal (tenant_id, service_principal_id, display_name, certificate, permissions)
VALUES (@tenant_id, @service_principal_id, @display_name, @certificate, @permissions)
RETURNING service_principal_id AS id, display_name, certificate, permissions, create_time, last_use_time, revoke_time;

-- No row affected: it is the name of another principal, which was not revoked.
-- name: CertificateNameClaim :exec
INSERT INTO trellis.certificate_name (certificate, holder, service_principal_id)
VALUES (@certificate, @tenant_id, @service_principal_id)
ON CONFLICT (certificate) DO UPDATE SET holder = excluded.holder, service_principal_id = excluded.service_principal_id
WHERE EXISTS (
    SELECT FROM trellis.service_principal
    WHERE service_principal.tenant_id = certificate_name.holder
        AND service_principal.service_principal_id = certificate_name.service_principal_id AND revoke_time IS NOT NULL
);

-- name: ServicePrincipalGet :one ServicePrincipal
SELECT service_principal_id AS id, display_name, certificate, permissions, create_time, last_use_time, revoke_time
FROM trellis.service_principal
WHERE tenant_id = @tenant_id AND service_principal_id = @service_principal_id;

-- name: ServicePrincipalList :many ServicePrincipal
SELECT service_principal_id AS id, display_name, certificate, permissions, create_time, last_use_time, revoke_time
FROM trellis.service_principal
WHERE tenant_id = @tenant_id AND service_principal_id > @after AND (@show_revoked OR revoke_time IS NULL)
ORDER BY service_principal_id
LIMIT @count;

-- name: ServicePrincipalRevoke :one ServicePrincipal
UPDATE trellis.service_principal
SET revoke_time = coalesce(revoke_time, now())
WHERE tenant_id = @tenant_id AND service_principal_id = @service_principal_id
RETURNING service_principal_id AS id, display_name, certificate, permissions, create_time, last_use_time, revoke_time;

-- Who bears one of these names, or bore it when they were revoked, as the platform's role; with what it takes to admit them, as
-- of an API key.
-- name: ServicePrincipalCredential :many
SELECT service_principal.tenant_id, service_principal.service_principal_id, permissions,
    revoke_time IS NOT NULL AS is_revoked, coalesce((
    SELECT epoch FROM trellis.access_epoch WHERE access_epoch.tenant_id = holder
), 0) AS epoch, coalesce((
    SELECT networks FROM trellis.allow_list WHERE allow_list.tenant_id = holder
), '{}') AS networks
FROM trellis.certificate_name
JOIN trellis.service_principal ON service_principal.tenant_id = holder
    AND service_principal.service_principal_id = certificate_name.service_principal_id
WHERE certificate_name.certificate = ANY (@certificates::text[])
ORDER BY service_principal.service_principal_id;

-- When they called, of all tenants, as the platform's role: see ApiKeysUsed.
-- name: ServicePrincipalsUsed :exec
WITH used AS (
    SELECT * FROM unnest(@tenants::uuid[], @principals::uuid[], @times::timestamptz[])
        AS used (tenant_id, service_principal_id, use_time)
), held AS (
    SELECT tenant_id, service_principal_id, use_time
    FROM trellis.service_principal JOIN used USING (tenant_id, service_principal_id)
    WHERE last_use_time IS NULL OR last_use_time < use_time
    FOR NO KEY UPDATE OF service_principal SKIP LOCKED
)
UPDATE trellis.service_principal
SET last_use_time = held.use_time
FROM held
WHERE service_principal.tenant_id = held.tenant_id
    AND service_principal.service_principal_id = held.service_principal_id;
