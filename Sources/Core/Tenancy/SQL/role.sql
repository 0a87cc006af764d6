-- The roles that a tenant has made, and who has which role where.

-- name: RoleInsert :one Role
INSERT INTO trellis.role (tenant_id, role, display_name, description, permissions)
VALUES (@tenant_id, @role, @display_name, @description, @permissions)
RETURNING role, display_name, description, permissions, create_time, update_time, version::text AS etag;

-- name: RoleGet :one Role
SELECT role, display_name, description, permissions, create_time, update_time, version::text AS etag
FROM trellis.role
WHERE tenant_id = @tenant_id AND role = @role;

-- The same, held until the transaction ends: nobody is given the role meanwhile.
-- name: RoleLock :one Role
SELECT role, display_name, description, permissions, create_time, update_time, version::text AS etag
FROM trellis.role
WHERE tenant_id = @tenant_id AND role = @role
FOR UPDATE;

-- The same, held against being changed or deleted.
-- name: RoleShare :one Role
SELECT role, display_name, description, permissions, create_time, update_time, version::text AS etag
FROM trellis.role
WHERE tenant_id = @tenant_id AND role = @role
FOR SHARE;

-- name: RoleList :many Role
SELECT role, display_name, description, permissions, create_time, update_time, version::text AS etag
FROM trellis.role
WHERE tenant_id = @tenant_id AND role > @after
ORDER BY role
LIMIT @count;

-- name: RoleUpdate :one Role
UPDATE trellis.role
SET display_name = @display_name, description = @description, permissions = @permissions, version = version + 1,
    update_time = clock_timestamp()
WHERE tenant_id = @tenant_id AND role = @role
RETURNING role, display_name, description, permissions, create_time, update_time, version::text AS etag;

-- name: RoleDelete :exec
DELETE FROM trellis.role
WHERE tenant_id = @tenant_id AND role = @role;

-- name: RoleHolders :one
SELECT count(*) AS count
FROM trellis.role_binding
WHERE tenant_id = @tenant_id AND role = @role;

-- No row affected: they have it already.
-- name: RoleBindingInsert :exec
INSERT INTO trellis.role_binding (tenant_id, user_id, role, site_id)
VALUES (@tenant_id, @user_id, @role, @site_id)
ON CONFLICT DO NOTHING;

-- name: RoleBindingDelete :one RoleBinding
DELETE FROM trellis.role_binding
WHERE tenant_id = @tenant_id AND user_id = @user_id AND role = @role AND site_id = @site_id
RETURNING user_id, role, site_id, create_time;

-- name: RoleBindingGet :one RoleBinding
SELECT user_id, role, site_id, create_time
FROM trellis.role_binding
WHERE tenant_id = @tenant_id AND user_id = @user_id AND role = @role AND site_id = @site_id;

-- Empty or zero filters let everything through.
-- name: RoleBindingList :many RoleBinding
SELECT user_id, role, site_id, create_time
FROM trellis.role_binding
WHERE tenant_id = @tenant_id
    AND (user_id, role, site_id) > (@after_user::uuid, @after_role::text, @after_site::uuid)
    AND (@filter_user::uuid = '00000000-0000-0000-0000-000000000000' OR user_id = @filter_user::uuid)
    AND (@filter_role::text = '' OR role = @filter_role::text)
    AND (@filter_site::uuid = '00000000-0000-0000-0000-000000000000' OR site_id = @filter_site::uuid)
ORDER BY user_id, role, site_id
LIMIT @count;

-- Whether a user is let in, and a site is there; what a question about them asks first.
-- name: UserIsLetIn :one
SELECT EXISTS (
    SELECT FROM trellis.tenant_user
    WHERE tenant_id = @tenant_id AND user_id = @user_id AND state = 1 AND delete_time IS NULL
) AS let_in, EXISTS (SELECT FROM trellis.tenant_user WHERE tenant_id = @tenant_id AND user_id = @user_id) AS known;

-- name: SitesThere :many
SELECT site_id
FROM trellis.site
WHERE tenant_id = @tenant_id AND site_id = ANY (@sites::uuid[]) AND delete_time IS NULL;

-- Held, so that it is not deleted meanwhile.
-- name: SiteShare :one
SELECT site_id
FROM trellis.site
WHERE tenant_id = @tenant_id AND site_id = @site_id AND delete_time IS NULL
FOR KEY SHARE;
