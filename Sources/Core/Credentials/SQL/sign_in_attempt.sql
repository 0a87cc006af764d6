-- How often passwords were tried; only the platform's role sees it.

-- name: SignInAttemptEnsure :exec
INSERT INTO trellis.sign_in_attempt (account, network)
VALUES (@account, ''::bytea), (@account, @network)
ON CONFLICT DO NOTHING;

-- Both counters of an attempt, held until the transaction ends: of the account alone, and of the account and the network.
-- name: SignInAttemptLock :many
SELECT network, failures, attempt_time, trust_time, now() AS time
FROM trellis.sign_in_attempt
WHERE account = @account AND (network = ''::bytea OR network = @network)
ORDER BY network
FOR UPDATE;

-- name: SignInAttemptCount :exec
UPDATE trellis.sign_in_attempt
SET failures = @failures, attempt_time = now()
WHERE account = @account AND network = @network;

-- The password was right: the network begins anew, and the account's count is without this attempt.
-- name: SignInAttemptSucceed :exec
UPDATE trellis.sign_in_attempt
SET failures = CASE WHEN network = ''::bytea THEN greatest(failures - @counted, 0) ELSE 0 END,
    trust_time = CASE WHEN network = ''::bytea THEN NULL ELSE now() END
WHERE account = @account AND (network = ''::bytea OR network = @network);

-- name: SignInAttemptPurge :exec
DELETE FROM trellis.sign_in_attempt
WHERE attempt_time < now() - interval '1 day' AND coalesce(trust_time, attempt_time) < now() - interval '90 days'
    OR attempt_time < now() - interval '1 day' AND trust_time IS NULL;
