-- What areas and running jobs do with jobs. Whoever runs one shows its attempt: after another server has taken it over,
-- none of these finds it.

-- No row: another job with this unique key has not ended.
-- name: JobInsert :one
INSERT INTO trellis.job
    (tenant_id, job_id, kind, payload, unique_key, is_operation, principal_id, user_id, run_time)
VALUES (@tenant_id, @job_id, @kind, @payload, @unique_key?, @is_operation, @principal_id, @user_id?,
    coalesce(@run_time?::timestamptz, now()))
ON CONFLICT (tenant_id, kind, unique_key) WHERE state <= 2 DO NOTHING
RETURNING job_id, create_time;

-- name: JobWithKey :one
SELECT job_id
FROM trellis.job
WHERE tenant_id = @tenant_id AND kind = @kind AND unique_key = @unique_key AND state <= 2;

-- The last statement of a transaction of a running job: what it did takes effect only if the job is still its own.
-- name: JobHold :one
SELECT job_id
FROM trellis.job
WHERE tenant_id = @tenant_id AND job_id = @job_id AND attempts = @attempt AND state = 2
FOR NO KEY UPDATE;

-- name: JobReport :exec
UPDATE trellis.job
SET progress_done = @done, progress_total = @total, progress_message = @message, update_time = clock_timestamp()
WHERE tenant_id = @tenant_id AND job_id = @job_id AND attempts = @attempt AND state = 2;

-- What a job has led to that is not to be seen as ended yet.
-- name: JobStore :exec
UPDATE trellis.job
SET response = @response, update_time = clock_timestamp()
WHERE tenant_id = @tenant_id AND job_id = @job_id AND attempts = @attempt AND state = 2;

-- Ends a job: state 3 succeeded, 4 failed, 5 cancelled.
-- name: JobFinish :exec
UPDATE trellis.job
SET state = @state::smallint, response = @response?, error = @error?, last_error = coalesce(@last_error?, last_error),
    failures = failures + (@state::smallint = 4)::integer, lease_time = NULL, finish_time = clock_timestamp(),
    update_time = clock_timestamp(), expire_time = clock_timestamp() + interval '30 days'
WHERE tenant_id = @tenant_id AND job_id = @job_id AND attempts = @attempt AND state = 2;
