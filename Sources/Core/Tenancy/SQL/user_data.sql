-- What is kept of users, to be exported and erased.

-- name: InvitationListOfUser :many InvitationRow
SELECT invitation_id, user_id, personal, roles, sites, create_time, expire_time, accept_time, revoke_time, (
    SELECT sealed_key FROM trellis.subject_key
    WHERE subject_key.tenant_id = invitation.tenant_id AND subject_id = user_id
) AS sealed_key
FROM trellis.invitation
-- nullable: sealed_key
WHERE tenant_id = @tenant_id AND user_id = @user_id
ORDER BY invitation_id;

-- name: RoleBindingListOfUser :many RoleBinding
SELECT user_id, role, site_id, create_time
FROM trellis.role_binding
WHERE tenant_id = @tenant_id AND user_id = @user_id
ORDER BY role, site_id;

-- Nothing personal stays, but that there was somebody, who is not let in.
-- name: UserErase :exec
UPDATE trellis.tenant_user
SET person_id = NULL, email_index = NULL, personal = '', language = 'en', time_zone = 'UTC', state = 2,
    version = version + 1, update_time = clock_timestamp()
WHERE tenant_id = @tenant_id AND user_id = @user_id;

-- name: InvitationErase :exec
DELETE FROM trellis.invitation
WHERE tenant_id = @tenant_id AND user_id = @user_id;

-- name: RoleBindingErase :exec
DELETE FROM trellis.role_binding
WHERE tenant_id = @tenant_id AND user_id = @user_id;

-- The keys that act on behalf of a user.
-- name: ApiKeyRevokeOfUser :exec
UPDATE trellis.api_key
SET revoke_time = now()
WHERE tenant_id = @tenant_id AND user_id = @user_id AND revoke_time IS NULL;
