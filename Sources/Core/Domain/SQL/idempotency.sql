-- The outcomes of writes, by which a retry finds the first answer.

-- Waits for a call with the same id that is under way; no row says that it has an outcome already.
-- name: IdempotencyClaim :exec
INSERT INTO trellis.idempotency (tenant_id, principal_id, method, request_key, request_hash)
VALUES (@tenant_id, @principal_id, @method, @request_key, @request_hash)
ON CONFLICT DO NOTHING;

-- name: IdempotencyGet :one
SELECT request_hash, response, access_tenants
FROM trellis.idempotency
WHERE tenant_id = @tenant_id AND principal_id = @principal_id AND method = @method AND request_key = @request_key;

-- name: IdempotencyComplete :exec
UPDATE trellis.idempotency
SET response = @response, subjects = @subjects, access_tenants = @access_tenants
WHERE tenant_id = @tenant_id AND principal_id = @principal_id AND method = @method AND request_key = @request_key;

-- Of all tenants, as the platform's role.
-- name: IdempotencyPurge :exec
DELETE FROM trellis.idempotency
WHERE create_time < now() - interval '24 hours';

-- The answers that told of somebody who is erased. Their request ids stay taken, so that no retry does the work again.
-- name: IdempotencyErase :exec
UPDATE trellis.idempotency
SET response = NULL, subjects = '{}'
WHERE tenant_id = @tenant_id AND subjects && @subjects::uuid[];
