-- Accepting invitations.

-- What an invitation says, with the hash that its token must have.
-- name: InvitationByToken :one
SELECT token_hash, user_id, personal, (
    SELECT sealed_key FROM trellis.subject_key
    WHERE subject_key.tenant_id = invitation.tenant_id AND subject_id = user_id
) AS sealed_key
FROM trellis.invitation
-- nullable: sealed_key
WHERE tenant_id = @tenant_id AND invitation_id = @invitation_id
    AND EXISTS (SELECT FROM trellis.tenant WHERE tenant_id = @tenant_id AND state = 1);

-- Held until the transaction ends, while it can be accepted.
-- name: InvitationHold :one
SELECT user_id, email_index, roles, sites
FROM trellis.invitation
WHERE tenant_id = @tenant_id AND invitation_id = @invitation_id AND accept_time IS NULL AND revoke_time IS NULL
    AND expire_time > now()
FOR NO KEY UPDATE;

-- name: InvitationAccept :exec
UPDATE trellis.invitation
SET accept_time = now()
WHERE tenant_id = @tenant_id AND invitation_id = @invitation_id;

-- name: UserSetPerson :exec
UPDATE trellis.tenant_user
SET person_id = @person_id, version = version + 1, update_time = clock_timestamp()
WHERE tenant_id = @tenant_id AND user_id = @user_id;
