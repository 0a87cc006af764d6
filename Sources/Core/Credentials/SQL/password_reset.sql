-- Tokens with which people choose new passwords; only the platform's role sees them.

-- name: PasswordResetInsert :exec
INSERT INTO trellis.password_reset (person_id, token_hash, member_of, user_id, expire_time)
VALUES (@person_id, @token_hash, @member_of, @user_id, @expire_time);

-- name: PasswordResetGet :one
SELECT member_of, user_id
FROM trellis.password_reset
WHERE person_id = @person_id AND token_hash = @token_hash;

-- No row affected: it was used, or has run out.
-- name: PasswordResetUse :exec
UPDATE trellis.password_reset
SET use_time = now()
WHERE person_id = @person_id AND token_hash = @token_hash AND use_time IS NULL AND expire_time > now();

-- The others that the person has.
-- name: PasswordResetsVoid :exec
UPDATE trellis.password_reset
SET use_time = now()
WHERE person_id = @person_id AND use_time IS NULL;

-- Those of the last minute.
-- name: PasswordResetsRecent :one
SELECT count(*) AS count
FROM trellis.password_reset
WHERE person_id = @person_id AND create_time > now() - interval '1 minute';

-- name: PasswordResetPurge :exec
DELETE FROM trellis.password_reset
WHERE expire_time < now() - interval '1 day';

-- Those for a user. As the platform's role.
-- name: PasswordResetErase :exec
DELETE FROM trellis.password_reset
WHERE member_of = @member_of AND user_id = @user_id;
