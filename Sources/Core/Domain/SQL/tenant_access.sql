-- What a user may do, as every admission asks: their roles, and what those of them hold that the tenant has made. Roles on a
-- deleted site grant nothing.

-- name: UserGrants :many UserGrant
SELECT role_binding.role, site_id, create_time, (
    SELECT permissions FROM trellis.role
    WHERE role.tenant_id = role_binding.tenant_id AND role.role = role_binding.role
) AS permissions
FROM trellis.role_binding
-- nullable: permissions
WHERE tenant_id = @tenant_id AND user_id = @user_id AND NOT EXISTS (
    SELECT FROM trellis.site
    WHERE site.tenant_id = role_binding.tenant_id AND site.site_id = role_binding.site_id AND delete_time IS NOT NULL
)
ORDER BY site_id, role_binding.role;

-- The same for the user on whose behalf an API key acts.
-- name: ApiKeyUserGrants :many UserGrant
SELECT role_binding.role, role_binding.site_id, role_binding.create_time, (
    SELECT permissions FROM trellis.role
    WHERE role.tenant_id = role_binding.tenant_id AND role.role = role_binding.role
) AS permissions
FROM trellis.api_key JOIN trellis.role_binding USING (tenant_id, user_id)
-- nullable: permissions
WHERE tenant_id = @tenant_id AND api_key_id = @api_key_id AND NOT EXISTS (
    SELECT FROM trellis.site
    WHERE site.tenant_id = role_binding.tenant_id AND site.site_id = role_binding.site_id AND delete_time IS NOT NULL
)
ORDER BY role_binding.site_id, role_binding.role;

-- Whether a tenant is open, and the rates that hold for it, as every admission asks.
-- name: TenantAdmission :many TenantAdmissionRow
SELECT state, rate_class, tenant_per_second, tenant_burst, credential_per_second, credential_burst
FROM trellis.tenant JOIN trellis.plan_rate USING (plan)
WHERE tenant_id = @tenant_id;

-- The same of whoever bears one of these names of certificates, as the platform's role.
-- name: CertificateAdmission :many TenantAdmissionRow
SELECT tenant.state, rate_class, tenant_per_second, tenant_burst, credential_per_second, credential_burst
FROM trellis.certificate_name
JOIN trellis.service_principal ON service_principal.tenant_id = holder
    AND service_principal.service_principal_id = certificate_name.service_principal_id
JOIN trellis.tenant ON tenant.tenant_id = holder
JOIN trellis.plan_rate USING (plan)
WHERE certificate_name.certificate = ANY (@certificates::text[]) AND revoke_time IS NULL;

-- Whoever changes who may do what counts it here, and tells all servers when it commits. The zero tenant's epoch is the
-- platform's.
-- name: AccessEpochBump :one
INSERT INTO trellis.access_epoch (tenant_id, epoch)
VALUES (@tenant_id, 1)
ON CONFLICT (tenant_id) DO UPDATE SET epoch = access_epoch.epoch + 1
RETURNING epoch, pg_notify('trellis_access', tenant_id::text || ' ' || epoch)::text AS notified;

-- The same for many tenants, in one order for everybody.
-- name: AccessEpochBumpMany :many
INSERT INTO trellis.access_epoch (tenant_id, epoch)
SELECT tenant_id, 1 FROM unnest(@tenants::uuid[]) AS changed (tenant_id) ORDER BY tenant_id
ON CONFLICT (tenant_id) DO UPDATE SET epoch = access_epoch.epoch + 1
RETURNING tenant_id, epoch, pg_notify('trellis_access', tenant_id::text || ' ' || epoch)::text AS notified;

-- name: AccessEpochGet :one
SELECT epoch
FROM trellis.access_epoch
WHERE tenant_id = @tenant_id;

-- The same notifications again, for whoever cannot know how many servers have heard the first.
-- name: AccessEpochAnnounce :many
SELECT tenant_id, epoch, pg_notify('trellis_access', tenant_id::text || ' ' || epoch)::text AS notified
FROM trellis.access_epoch
WHERE tenant_id = ANY (@tenants::uuid[]);

-- name: AccessNotify :one
SELECT pg_notify(@channel, @payload)::text AS notified;

-- The sessions that listen for changes of access, one a server, by their server processes.
-- name: AccessListeners :many
SELECT pid AS process
FROM pg_stat_activity
-- not null: process
WHERE datname = current_database() AND application_name = @application_name;

-- A part of a transaction that runs as another role: trellis_platform, or trellis_server again.
-- name: RoleEnter :one
SELECT set_config('role', @role_name::text, true) AS role_name;
