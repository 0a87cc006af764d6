-- Tenants. The platform's role sees all of them, a tenant its own row.

-- name: TenantInsert :one Tenant
INSERT INTO trellis.tenant (tenant_id, slug, display_name, industry)
VALUES (@tenant_id, @slug, @display_name, @industry)
RETURNING tenant_id AS id, slug, display_name, industry, create_time;

-- The primary key refuses a short name that is taken.
-- name: TenantSlugInsert :exec
INSERT INTO trellis.tenant_slug (slug, holder)
VALUES (@slug, @tenant_id);

-- name: TenantGet :one Tenant
SELECT tenant_id AS id, slug, display_name, industry, create_time
FROM trellis.tenant
WHERE tenant_id = @tenant_id;

-- name: TenantList :many Tenant
SELECT tenant_id AS id, slug, display_name, industry, create_time
FROM trellis.tenant
WHERE tenant_id > @after
ORDER BY tenant_id
LIMIT @count;
