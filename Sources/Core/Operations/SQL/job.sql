-- Jobs and operations, as those see them who follow them.

-- name: OperationGet :one OperationRow
SELECT job_id, kind, state, failures, progress_done, progress_total, progress_message, response, error, create_time,
    update_time, start_time, cancel_time, expire_time, principal_id, user_id
FROM trellis.job
WHERE tenant_id = @tenant_id AND job_id = @job_id AND is_operation;

-- The same, held until the transaction ends.
-- name: OperationLock :one OperationRow
SELECT job_id, kind, state, failures, progress_done, progress_total, progress_message, response, error, create_time,
    update_time, start_time, cancel_time, expire_time, principal_id, user_id
FROM trellis.job
WHERE tenant_id = @tenant_id AND job_id = @job_id AND is_operation
FOR NO KEY UPDATE;

-- The newest first. Of all, or of those that a credential or its user has started.
-- name: OperationList :many OperationRow
SELECT job_id, kind, state, failures, progress_done, progress_total, progress_message, response, error, create_time,
    update_time, start_time, cancel_time, expire_time, principal_id, user_id
FROM trellis.job
WHERE tenant_id = @tenant_id AND job_id < @before AND is_operation
    AND (@sees_all OR principal_id = @principal_id OR user_id = @user_id?)
    AND (@kind_filter::text = '' OR kind = @kind_filter::text)
    AND (@done?::boolean IS NULL OR (state > 2) = @done?::boolean)
ORDER BY job_id DESC
LIMIT @count;

-- Asks for a job to be given up: one that is queued ends at once, of one that runs its server hears.
-- name: JobCancel :exec
UPDATE trellis.job
SET cancel_time = now(), update_time = clock_timestamp(), state = CASE state WHEN 1 THEN 5 ELSE state END,
    error = CASE state WHEN 1 THEN @error::bytea END,
    finish_time = CASE state WHEN 1 THEN now() END,
    expire_time = CASE state WHEN 1 THEN now() + interval '30 days' END
WHERE tenant_id = @tenant_id AND job_id = @job_id AND state <= 2 AND cancel_time IS NULL;

-- name: JobGet :one Job
SELECT job_id AS id, nullif(tenant_id, '00000000-0000-0000-0000-000000000000') AS tenant_id, kind, state,
    is_operation AS operation, attempts, failures, run_time, unique_key, worker_id, lease_time, cancel_time, last_error,
    progress_done, progress_total, progress_message, create_time, update_time, start_time, finish_time, expire_time
FROM trellis.job
-- nullable: tenant_id
WHERE tenant_id = @tenant_id AND job_id = @job_id;

-- Of all tenants: by tenant, a tenant's newest first. Empty filters let everything through.
-- name: JobList :many Job
SELECT job_id AS id, nullif(tenant_id, '00000000-0000-0000-0000-000000000000') AS tenant_id, kind, state,
    is_operation AS operation, attempts, failures, run_time, unique_key, worker_id, lease_time, cancel_time, last_error,
    progress_done, progress_total, progress_message, create_time, update_time, start_time, finish_time, expire_time
FROM trellis.job
-- nullable: tenant_id
WHERE (tenant_id, job_id) < (@before_tenant::uuid, @before_job::uuid)
    AND (@tenant_filter?::uuid IS NULL OR tenant_id = @tenant_filter?::uuid)
    AND (@kind_filter::text = '' OR kind = @kind_filter::text)
    AND (@state_filter::smallint = 0 OR state = @state_filter::smallint)
ORDER BY job.tenant_id DESC, job.job_id DESC
LIMIT @count;

-- With all its retries before it again. No row affected: it runs, or has succeeded.
-- name: JobRetryNow :exec
UPDATE trellis.job
SET state = 1, failures = 0, run_time = now(), cancel_time = NULL, response = NULL, error = NULL, finish_time = NULL,
    expire_time = NULL, update_time = clock_timestamp()
WHERE tenant_id = @tenant_id AND job_id = @job_id AND state IN (1, 4, 5);
