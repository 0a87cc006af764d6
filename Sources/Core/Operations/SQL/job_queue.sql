-- What servers do with the queue, as the platform's role.

-- Takes what is due, of each kind as many as its count at most: the oldest first. A job whose server has not been heard of
-- is taken, too; that counts as a failure of it.
-- name: JobClaim :many ClaimedJob
WITH due AS MATERIALIZED (
    SELECT ready.tenant_id, ready.job_id
    FROM unnest(@kinds::text[], @counts::bigint[]) AS wanted (kind, count)
    CROSS JOIN LATERAL (
        SELECT job.tenant_id, job.job_id
        FROM trellis.job_queue JOIN trellis.job ON job.tenant_id = job_queue.holder AND job.job_id = job_queue.job_id
        WHERE job_queue.kind = wanted.kind AND job_queue.due_time <= now() AND job.due_time <= now()
        ORDER BY job_queue.due_time
        LIMIT wanted.count
        FOR UPDATE OF job SKIP LOCKED
    ) AS ready
    LIMIT @count
)
UPDATE trellis.job
SET state = 2, attempts = attempts + 1, failures = failures + (state = 2)::integer, worker_id = @worker_id,
    lease_time = now() + @lease_milliseconds::bigint * interval '1 millisecond',
    start_time = coalesce(start_time, now()), update_time = clock_timestamp()
FROM due
WHERE job.tenant_id = due.tenant_id AND job.job_id = due.job_id
RETURNING job.tenant_id, job.job_id, kind, payload, attempts, failures, cancel_time IS NOT NULL AS is_cancelled;

-- Keeps the jobs that a server works on its own; one that is not answered was lost to another server.
-- name: JobRenew :many
UPDATE trellis.job
SET lease_time = now() + @lease_milliseconds::bigint * interval '1 millisecond'
FROM unnest(@tenants::uuid[], @jobs::uuid[], @attempts::integer[]) AS held (tenant_id, job_id, attempt)
WHERE job.tenant_id = held.tenant_id AND job.job_id = held.job_id AND job.attempts = held.attempt AND job.state = 2
RETURNING job.job_id, job.attempts, job.cancel_time IS NOT NULL AS is_cancelled;

-- Puts a job that failed back in the queue, for later.
-- name: JobRetryLater :exec
UPDATE trellis.job
SET state = 1, failures = failures + 1, last_error = @last_error, lease_time = NULL, update_time = now(),
    run_time = now() + @delay_milliseconds::bigint * interval '1 millisecond'
WHERE tenant_id = @tenant_id AND job_id = @job_id AND attempts = @attempt AND state = 2;

-- Puts a job that a server began and will not end back in the queue, for now. It has not failed.
-- name: JobGiveBack :exec
UPDATE trellis.job
SET state = 1, lease_time = NULL, run_time = clock_timestamp(), update_time = clock_timestamp()
WHERE tenant_id = @tenant_id AND job_id = @job_id AND attempts = @attempt AND state = 2;

-- Of all tenants: jobs that ended 30 days ago.
-- name: JobPurge :exec
DELETE FROM trellis.job
WHERE expire_time <= now();

-- For metrics: what waits and what runs, and for how many seconds the oldest has been due.
-- name: JobCounts :many
SELECT kind, count(*) FILTER (WHERE NOT is_running) AS queued, count(*) FILTER (WHERE is_running) AS running,
    coalesce(max(extract(epoch FROM now() - due_time)) FILTER (WHERE due_time <= now()), 0)::double precision AS lag
FROM trellis.job_queue
GROUP BY kind
ORDER BY kind;
