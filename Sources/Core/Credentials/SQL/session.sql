-- Sessions and their refresh tokens.

-- name: SessionInsert :exec
INSERT INTO trellis.session (tenant_id, session_id, user_id, person_id, personal, expire_time)
VALUES (@tenant_id, @session_id, @user_id, @person_id, @personal, @expire_time);

-- name: SessionGet :one SessionRow
SELECT session_id, user_id, person_id, personal, create_time, use_time, expire_time, revoke_time, (
    SELECT sealed_key FROM trellis.subject_key
    WHERE subject_key.tenant_id = session.tenant_id AND subject_id = user_id
) AS sealed_key
FROM trellis.session
-- nullable: sealed_key
WHERE tenant_id = @tenant_id AND session_id = @session_id;

-- The same, held until the transaction ends.
-- name: SessionLock :one SessionRow
SELECT session_id, user_id, person_id, personal, create_time, use_time, expire_time, revoke_time, (
    SELECT sealed_key FROM trellis.subject_key
    WHERE subject_key.tenant_id = session.tenant_id AND subject_id = user_id
) AS sealed_key
FROM trellis.session
-- nullable: sealed_key
WHERE tenant_id = @tenant_id AND session_id = @session_id
FOR NO KEY UPDATE;

-- name: SessionList :many SessionRow
SELECT session_id, user_id, person_id, personal, create_time, use_time, expire_time, revoke_time, (
    SELECT sealed_key FROM trellis.subject_key
    WHERE subject_key.tenant_id = session.tenant_id AND subject_id = user_id
) AS sealed_key
FROM trellis.session
-- nullable: sealed_key
WHERE tenant_id = @tenant_id AND user_id = @user_id AND session_id > @after
    AND (@show_ended OR (revoke_time IS NULL AND expire_time > now()))
ORDER BY session_id
LIMIT @count;

-- What it takes to let a session in: itself and its user.
-- name: SessionCredential :one
SELECT user_id, expire_time, coalesce((
    SELECT epoch FROM trellis.access_epoch WHERE access_epoch.tenant_id = @tenant_id
), 0) AS epoch, coalesce((
    SELECT networks FROM trellis.allow_list WHERE allow_list.tenant_id = @tenant_id
), '{}') AS networks
FROM trellis.session
WHERE tenant_id = @tenant_id AND session_id = @session_id AND user_id = @user_id AND revoke_time IS NULL
    AND expire_time > now()
    AND EXISTS (
        SELECT FROM trellis.tenant_user
        WHERE tenant_user.tenant_id = @tenant_id AND tenant_user.user_id = @user_id AND state = 1
            AND delete_time IS NULL
    );

-- name: SessionRevoke :exec
UPDATE trellis.session
SET revoke_time = now()
WHERE tenant_id = @tenant_id AND session_id = @session_id AND revoke_time IS NULL;

-- All of a person, in all tenants, but one: as the platform's role.
-- name: SessionsRevokeOfPerson :many
UPDATE trellis.session
SET revoke_time = now()
FROM trellis.membership
WHERE membership.person_id = @person_id AND session.tenant_id = member_of AND session.user_id = membership.user_id
    AND session.person_id = membership.person_id AND session_id <> @kept AND revoke_time IS NULL AND expire_time > now()
RETURNING session.tenant_id, session_id, session.user_id;

-- The tenants in which a person has users.
-- name: PersonTenants :many
SELECT member_of AS tenant_id
FROM trellis.membership
WHERE person_id = @person_id;

-- name: SessionTouch :exec
UPDATE trellis.session
SET use_time = now(), expire_time = @expire_time
WHERE tenant_id = @tenant_id AND session_id = @session_id;

-- name: RefreshTokenInsert :exec
INSERT INTO trellis.refresh_token (tenant_id, session_id, token_hash)
VALUES (@tenant_id, @session_id, @token_hash);

-- name: RefreshTokenGet :one
SELECT use_time
FROM trellis.refresh_token
WHERE tenant_id = @tenant_id AND session_id = @session_id AND token_hash = @token_hash;

-- name: RefreshTokenUse :exec
UPDATE trellis.refresh_token
SET use_time = now()
WHERE tenant_id = @tenant_id AND session_id = @session_id AND token_hash = @token_hash;

-- Those that ended a month ago, of all tenants, as the platform's role. Their tokens go with them.
-- name: SessionPurge :exec
DELETE FROM trellis.session
WHERE least(revoke_time, expire_time) < now() - interval '30 days';

-- Everything of a user, with the tokens.
-- name: SessionErase :exec
DELETE FROM trellis.session
WHERE tenant_id = @tenant_id AND user_id = @user_id;
