-- The keys that access tokens are signed with; only the platform's role sees them.

-- No row affected: there is one in this state already.
-- name: SigningKeyInsert :exec
INSERT INTO trellis.signing_key (signing_key_id, state, public_key, sealed_private_key, activate_time)
VALUES (@signing_key_id, @state::smallint, @public_key, @sealed_private_key,
    CASE WHEN @state::smallint = 2 THEN now() END)
ON CONFLICT DO NOTHING;

-- name: SigningKeyCurrent :one
SELECT signing_key_id, sealed_private_key
FROM trellis.signing_key
WHERE state = 2;

-- Held until the transaction ends, so that of two rotations one waits for the other.
-- name: SigningKeysLock :many
SELECT signing_key_id
FROM trellis.signing_key
WHERE state < 3
ORDER BY signing_key_id
FOR UPDATE;

-- name: SigningKeyRetire :exec
UPDATE trellis.signing_key
SET state = 3, retire_time = now()
WHERE state = 2;

-- name: SigningKeyActivate :one SigningKey
UPDATE trellis.signing_key
SET state = 2, activate_time = now()
WHERE state = 1
RETURNING signing_key_id AS id, state, create_time, activate_time, retire_time;

-- Those that a token may be signed with, or will be: retired ones for an hour.
-- name: SigningKeysPublished :many
SELECT signing_key_id, public_key
FROM trellis.signing_key
WHERE state < 3 OR retire_time > now() - interval '1 hour'
ORDER BY signing_key_id;

-- name: SigningKeyList :many SigningKey
SELECT signing_key_id AS id, state, create_time, activate_time, retire_time
FROM trellis.signing_key
WHERE signing_key_id > @after
ORDER BY signing_key_id
LIMIT @count;
