-- Invitations to become a user. What is personal comes sealed, with the key that opens it.

-- name: InvitationInsert :exec
INSERT INTO trellis.invitation
    (tenant_id, invitation_id, user_id, personal, email_index, roles, sites, token_hash, inviter_id, expire_time)
VALUES (@tenant_id, @invitation_id, @user_id, @personal, @email_index, @roles, @sites, @token_hash, @inviter_id, @expire_time);

-- name: InvitationGet :one InvitationRow
SELECT invitation_id, user_id, personal, roles, sites, create_time, expire_time, accept_time, revoke_time, (
    SELECT sealed_key FROM trellis.subject_key
    WHERE subject_key.tenant_id = invitation.tenant_id AND subject_id = user_id
) AS sealed_key
FROM trellis.invitation
-- nullable: sealed_key
WHERE tenant_id = @tenant_id AND invitation_id = @invitation_id;

-- name: InvitationList :many InvitationRow
SELECT invitation_id, user_id, personal, roles, sites, create_time, expire_time, accept_time, revoke_time, (
    SELECT sealed_key FROM trellis.subject_key
    WHERE subject_key.tenant_id = invitation.tenant_id AND subject_id = user_id
) AS sealed_key
FROM trellis.invitation
-- nullable: sealed_key
WHERE tenant_id = @tenant_id AND invitation_id > @after AND accept_time IS NULL AND revoke_time IS NULL
ORDER BY invitation_id
LIMIT @count;

-- name: InvitationRevoke :exec
UPDATE trellis.invitation
SET revoke_time = coalesce(revoke_time, now())
WHERE tenant_id = @tenant_id AND invitation_id = @invitation_id AND accept_time IS NULL;

-- What was sent to this address before.
-- name: InvitationRevokeByEmail :exec
UPDATE trellis.invitation
SET revoke_time = now()
WHERE tenant_id = @tenant_id AND email_index = @email_index AND accept_time IS NULL AND revoke_time IS NULL;

-- The user who has this address already, deleted ones left out.
-- name: UserIDByEmail :one
SELECT user_id, person_id
FROM trellis.tenant_user
WHERE tenant_id = @tenant_id AND email_index = @email_index AND delete_time IS NULL;
